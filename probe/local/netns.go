package local

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"onmux/probe"
)

// host is the Listener.NetNS of the caller's own network namespace.
const host = "host"

// abroad is what was seen in network namespaces other than the caller's.
type abroad struct {
	spaces   []space // by name
	missed   bool    // there are, or may be, others
	coverage []string
	hints    []string
}

// space is a network namespace in which something was seen.
type space struct {
	name string                  // Listener.NetNS: no two have the same, and none "host"
	held map[probe.Port][]socket // those that listen, and those that are bound
	//lint:ignore U1000 only Linux tells them
	addrs []netip.Addr // its addresses, if they were asked for and could be seen
}

// listening is the ports on which something listens there.
func (a abroad) listening() []probe.Port {
	var ports []probe.Port
	for _, s := range a.spaces {
		for p, sockets := range s.held {
			if sockets[0].state == listening {
				ports = append(ports, p)
			}
		}
	}
	return ports
}

// keep forgets the ports that are not wanted.
func (a abroad) keep(wanted func(probe.Port) bool) {
	for _, s := range a.spaces {
		maps.DeleteFunc(s.held, func(p probe.Port, _ []socket) bool { return !wanted(p) })
	}
}

// sockets is all that was seen.
func (a abroad) sockets() []socket {
	var all []socket
	for _, s := range a.spaces {
		for _, sockets := range s.held {
			all = append(all, sockets...)
		}
	}
	return all
}

// foreign is the sockets that hold a port in another network namespace.
type foreign struct {
	netns     string
	listeners []Listener
}

// at tells who holds each port, in the order of the namespaces.
func (a abroad) at(o owners) map[probe.Port][]foreign {
	all := make(map[probe.Port][]foreign)
	for _, space := range a.spaces {
		for p, sockets := range space.held {
			f := foreign{netns: space.name}
			for _, s := range sockets {
				l := s.listener(o)
				l.NetNS = space.name
				f.listeners = append(f.listeners, l)
			}
			all[p] = append(all[p], f)
		}
	}
	return all
}

// whyElsewhere is said of a port that is held in other namespaces alone.
func (f finding) whyElsewhere() string {
	here := f.unused()
	if used := f.connections(); used != "" {
		here = "nothing holds it " + cmp.Or(f.where, "on this machine") + used
	}
	var parts []string
	for _, there := range f.elsewhere {
		parts = append(parts, there.String())
	}
	return here + "; " + some(parts, "; ", "more network namespace", "more network namespaces")
}

// String names who holds the port in that namespace, and how far that reaches:
// its addresses are not this machine's.
func (f foreign) String() string {
	said := "in network namespace " + printable(f.netns) + ": "
	of := finding{listeners: f.listeners}
	groups := slices.Concat(of.groups(Listening), of.groups(Bound))
	var parts []string
	for _, g := range groups {
		part := g.holder + " on " + g.addresses()
		switch {
		case g.sockets[0].State == Bound:
			part += ", not listening"
		case slices.ContainsFunc(g.sockets, func(l Listener) bool { return l.Reach == "any" }):
			part += ", every address of that namespace"
		case !slices.ContainsFunc(g.sockets, func(l Listener) bool { return l.Reach != "loopback" }):
			part += ", reachable from that namespace only"
		}
		parts = append(parts, part)
	}
	return said + some(parts, " and ", "more holder", "more holders")
}

// alsoElsewhere is added to what is said of a port that is held, or may be, in
// the caller's own namespace.
func (f finding) alsoElsewhere(word Word) string {
	n := len(f.elsewhere)
	if n == 0 || word == Elsewhere {
		return ""
	}
	var names []string
	for _, there := range f.elsewhere {
		names = append(names, printable(there.netns))
	}
	verb := "also"
	if word == Unknown {
		verb = "held"
	}
	return fmt.Sprintf("; %s in %s (%s)", verb, count(n, "other network namespace", "other network namespaces"), some(names, ", ", "more", "more"))
}

// unused is said of a port that no socket uses here.
func (f finding) unused() string {
	said := fmt.Sprintf("no socket %s uses %s", cmp.Or(f.where, "on this machine"), f.port)
	if f.unseen() {
		said += "; " + idleUnseen
	}
	return said
}
