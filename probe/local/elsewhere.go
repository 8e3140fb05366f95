package local

import (
	"cmp"
	"fmt"
	"os"
	"slices"

	"onmux/probe"
	"onmux/probe/local/netns"
	"onmux/probe/local/owner"
)

// foreign is the sockets that hold a port in another network namespace.
type foreign struct {
	netns     string
	listeners []Listener
}

// at tells who holds each port, in the order of the namespaces.
func elsewhere(a netns.Others, o owner.Owners) map[probe.Port][]foreign {
	all := make(map[probe.Port][]foreign)
	for _, space := range a.Namespaces {
		for p, sockets := range space.Held {
			f := foreign{netns: space.Name}
			for _, s := range sockets {
				l := newListener(s, o)
				l.NetNS = space.Name
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

// namespacesCoverage says which other network namespaces were looked at.
func namespacesCoverage(c netns.Coverage) []string {
	if !c.Looked {
		return nil
	}
	var said []string
	say := func(format string, args ...any) {
		said = append(said, "other network namespaces: "+fmt.Sprintf(format, args...))
	}
	if c.Err != nil {
		say("not looked at: %v", c.Err)
		return said
	}
	// A socket, a descriptor or a bind in another mount namespace keeps one alive too.
	const whence = "processes that can be seen here and the names in /run/netns and /run/docker/netns; " +
		"one that neither has is not found"
	if c.Read == 0 {
		say("none found by the %s", whence)
	} else {
		say("%d looked at, found by the %s", c.Read, whence)
	}
	if c.ByProc > 0 {
		say("%d of them through /proc/net, which does not tell sockets that are bound and do not listen, "+
			"devices and accept queues", c.ByProc)
	}
	if c.Failed > 0 {
		say("%d not read, or not whole: %v", c.Failed, c.FailedErr)
	}
	if c.Unknown > 0 {
		say("those of %s not told: %v", count(c.Unknown, "process", "processes"), c.UnknownErr)
	}
	if len(c.Closed) > 0 {
		var names []string
		for _, name := range c.Closed {
			names = append(names, printable(name))
		}
		say("%s not entered: %v", some(names, ", ", "more", "more"), c.ClosedErr)
	}
	if c.Hidden {
		say("those of processes that /proc hides (hidepid) not seen")
	}
	if c.Beyond > 0 {
		say("%d more than %d not looked at", c.Beyond, netns.MaxNamespaces)
	}
	return said
}

// namespacesHints says what would let more of them be looked at.
func namespacesHints(c netns.Coverage) []string {
	if !c.Denied {
		return nil
	}
	return []string{rights() + " is needed to look at every network namespace"}
}

// rights is what entering namespaces takes.
func rights() string {
	if os.Geteuid() == 0 {
		return "CAP_SYS_ADMIN" // root in a container
	}
	return "root"
}
