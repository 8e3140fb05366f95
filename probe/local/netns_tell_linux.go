package local

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"onmux/probe"
)

// heldIn is the sockets that hold a port. Connections do not: the number that one
// has in another namespace is of no interest here.
func heldIn(c census) map[probe.Port][]socket {
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

	for _, r := range read {
		if held := heldIn(r.census); len(held) > 0 {
			for _, sockets := range held {
				for i := range sockets {
					sockets[i].space = uint64(r.sign)
				}
			}
			spaces = append(spaces, space{held: held, addrs: r.addrs})
			names, ids = append(names, r.name(w.proc)), append(ids, r.id())
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
func (r *realm) name(p proc) string {
	bound := ""
	if r.file != "" {
		bound = strings.ToValidUTF8(filepath.Base(r.file), "\uFFFD")
		if !coined(r.file) {
			return bound
		}
	}
	for _, pid := range r.pids {
		if b, err := p.read(pid, "cgroup"); err == nil {
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

// coverage is what was looked at, and what could not be. left is how many
// namespaces are beyond the bound.
func (w *world) coverage(read []*realm, left int) Coverage {
	c := Coverage{Looked: true, Beyond: left, Unknown: w.refused, UnknownErr: w.refusal, ClosedErr: w.closing, Hidden: w.hidden}
	for _, r := range read {
		switch {
		case r.err != nil:
			c.Failed++
			c.FailedErr = cmp.Or(c.FailedErr, r.err)
			c.Denied = c.Denied || denied(r.err)
		case r.blind:
			c.ByProc++
			c.Read++
		default:
			c.Read++
		}
	}
	for _, b := range w.closed {
		c.Closed = append(c.Closed, filepath.Base(b.file))
	}
	c.Denied = c.Denied || denied(w.refusal) || denied(w.closing) || w.hidden
	return c
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
