package local

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"onmux/probe"
)

// held is the sockets that hold a port. Connections do not: the number that one
// has in another namespace is of no interest here.
func (c census) held() map[probe.Port][]socket {
	held := make(map[probe.Port][]socket)
	for p, t := range c {
		if t.count[listening]+t.count[bound] > 0 {
			held[p] = t.behind()
		}
	}
	return held
}

// spaces is what was seen in namespaces, of those in which something was.
func (w *world) spaces(read []*realm) []space {
	var spaces []space
	var names, ids []string
	folder := newFolder(w.proc)
	for _, r := range read {
		if held := r.census.held(); len(held) > 0 {
			for _, sockets := range held {
				for i := range sockets {
					sockets[i].space = uint64(r.sign)
				}
			}
			spaces = append(spaces, space{held: held, addrs: r.addrs})
			names, ids = append(names, r.name(folder)), append(ids, r.id())
		}
	}
	for i, name := range unique(names, ids) {
		spaces[i].name = name
	}
	slices.SortFunc(spaces, func(a, b space) int { return cmp.Compare(a.name, b.name) })
	return spaces
}

// id is a name that no other namespace has.
func (r *realm) id() string {
	if r.inode == 0 && len(r.pids) > 0 {
		return "pid " + strconv.Itoa(r.pids[0])
	}
	return fmt.Sprintf("net:[%d]", r.inode)
}

// name is what people call a namespace: as somebody named it, or else by the pod
// or container whose it is.
func (r *realm) name(f *folder) string {
	bound := ""
	if r.file != "" {
		bound = clip(filepath.Base(r.file))
		if !coined(r.file) {
			return bound
		}
	}
	for _, pid := range r.pids {
		if b, err := f.read(pid, "cgroup"); err == nil {
			if name := whose(parseCgroups(b)); name != "" {
				return name
			}
		}
	}
	return cmp.Or(bound, r.id())
}

// coined reports whether a program thought of the name, not a person.
func coined(file string) bool {
	name := filepath.Base(file)
	return filepath.Base(filepath.Dir(filepath.Dir(file))) == "docker" || strings.HasPrefix(name, "cni-") || strings.HasPrefix(name, "netns-")
}

// whose is the pod that has the namespace, which its containers share, or else
// the container; "" if it is of neither.
func whose(p Place) string {
	if p.PodUID != "" {
		return "pod " + p.PodUID
	}
	if p.Container != "" {
		return strings.TrimSpace(p.Runtime + " container " + p.Container)
	}
	return ""
}

// tell says what was looked at, and what could not be. left is how many
// namespaces are beyond the bound.
func (w *world) tell(a *abroad, read []*realm, left int) {
	const prefix = "other network namespaces: "
	looked, blind, needs := 0, 0, false
	var failed []error
	for _, r := range read {
		if r.err != nil {
			failed = append(failed, r.err)
			needs = needs || denied(r.err)
			continue
		}
		looked++
		if r.blind {
			blind++
		}
	}
	say := func(format string, args ...any) { a.coverage = append(a.coverage, prefix+fmt.Sprintf(format, args...)) }
	miss := func(format string, args ...any) {
		a.missed = true
		say(format, args...)
	}
	// A socket, a descriptor or a bind in another mount namespace keeps one alive too.
	whence := "processes that can be seen here and the names in /run/netns and /run/docker/netns; one that neither has is not found"
	if looked == 0 {
		say("none found by the %s", whence)
	} else {
		say("%d looked at, found by the %s", looked, whence)
	}
	if blind > 0 {
		say("%d of them through /proc/net, which does not tell sockets that are bound and do not listen, devices and accept queues", blind)
	}
	if n := len(failed); n > 0 {
		miss("%d not read, or not whole: %v", n, failed[0])
	}
	if n := w.refused; n > 0 {
		miss("those of %s not told: %v", count(n, "process", "processes"), w.refusal)
		needs = needs || denied(w.refusal)
	}
	if len(w.closed) > 0 {
		var names []string
		for _, b := range w.closed {
			names = append(names, printable(filepath.Base(b.file)))
		}
		miss("%s not entered: %v", some(names, ", ", "more", "more"), w.closing)
		needs = needs || denied(w.closing)
	}
	if w.hidden {
		miss("those of processes that /proc hides (hidepid) not seen")
		needs = true
	}
	if left > 0 {
		miss("%d more than %d not looked at", left, maxSpaces)
	}
	if needs {
		a.hints = append(a.hints, rights()+" is needed to look at every network namespace")
	}
}

// rights is what entering namespaces takes.
func rights() string {
	if os.Geteuid() == 0 {
		return "CAP_SYS_ADMIN" // root in a container
	}
	return "root"
}

// unique gives every namespace a name of its own. Where several have one name,
// or one has that of the caller's own, what is unique by itself stands behind it.
func unique(names, ids []string) []string {
	times := map[string]int{host: 1, "": 1}
	for _, name := range names {
		times[name]++
	}
	out := make([]string, len(names))
	for i, name := range names {
		if out[i] = name; times[name] > 1 {
			out[i] = strings.TrimSpace(name + " " + ids[i])
		}
	}
	return out
}
