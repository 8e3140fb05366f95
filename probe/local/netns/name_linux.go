package netns

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"onmux/probe"
	"onmux/probe/local/owner"
	"onmux/probe/local/socket"
)

// heldPorts is the sockets that hold a port. Connections do not: the number that one
// has in another namespace is of no interest here.
func heldPorts(c socket.Table) map[probe.Port][]socket.Socket {
	held := make(map[probe.Port][]socket.Socket)
	for p, t := range c {
		if t.Count[socket.Listening]+t.Count[socket.Bound] > 0 {
			held[p] = t.Holders()
		}
	}
	return held
}

// results is what was seen in namespaces, of those in which something was.
func (w *nsScan) results(read []*netNS) []Namespace {
	var spaces []Namespace
	var names, ids []string

	for _, r := range read {
		if held := heldPorts(r.table); len(held) > 0 {
			for _, sockets := range held {
				for i := range sockets {
					sockets[i].NetNS = uint64(r.nsid)
				}
			}
			spaces = append(spaces, Namespace{Held: held, Addrs: r.addrs})
			names, ids = append(names, r.name(w.ProcFS)), append(ids, r.uniqueName())
		}
	}
	for i, name := range uniqueNames(names, ids) {
		spaces[i].Name = name
	}
	slices.SortFunc(spaces, func(a, b Namespace) int { return cmp.Compare(a.Name, b.Name) })
	return spaces
}

// uniqueName is a name that no other namespace has.
func (r *netNS) uniqueName() string {
	if r.inode == 0 && len(r.pids) > 0 {
		return "pid " + strconv.Itoa(r.pids[0])
	}
	return fmt.Sprintf("net:[%d]", r.inode)
}

// name is what people call a namespace: the name that a person gave it, or else
// the pod or container that it belongs to.
func (r *netNS) name(p owner.ProcFS) string {
	bound := ""
	if r.file != "" {
		bound = strings.ToValidUTF8(filepath.Base(r.file), "\uFFFD")
		if !isGenerated(r.file) {
			return bound
		}
	}
	for _, pid := range r.pids {
		if b, err := p.Read(pid, "cgroup"); err == nil {
			if name := containerName(owner.ParseCgroups(b)); name != "" {
				return name
			}
		}
	}
	return cmp.Or(bound, r.uniqueName())
}

// isGenerated reports whether a program made up the name.
func isGenerated(file string) bool {
	name := filepath.Base(file)
	return filepath.Base(filepath.Dir(filepath.Dir(file))) == "docker" || strings.HasPrefix(name, "cni-") ||
		strings.HasPrefix(name, "netns-")
}

// containerName is the pod that has the namespace, which its containers share, or else
// the container; "" if it is of neither.
func containerName(p owner.Place) string {
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
func (w *nsScan) coverage(read []*netNS, left int) Coverage {
	c := Coverage{Looked: true, Beyond: left, Unknown: w.refused, UnknownErr: w.refusedErr, ClosedErr: w.closedErr,
		Hidden: w.hidden}
	for _, r := range read {
		switch {
		case r.err != nil:
			c.Failed++
			c.FailedErr = cmp.Or(c.FailedErr, r.err)
			c.Denied = c.Denied || denied(r.err)
		case r.noBound:
			c.ByProc++
			c.Read++
		default:
			c.Read++
		}
	}
	for _, b := range w.closed {
		c.Closed = append(c.Closed, filepath.Base(b.file))
	}
	c.Denied = c.Denied || denied(w.refusedErr) || denied(w.closedErr) || w.hidden
	return c
}

// uniqueNames gives every namespace a name of its own. Where several have one name,
// or one has that of the caller's own, what is unique by itself follows it.
func uniqueNames(names, ids []string) []string {
	times := map[string]int{Host: 1, "": 1}
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
