package local

import (
	"os"
	"slices"

	"onmux/probe/local/bpf"
	"onmux/probe/local/netns"
	"onmux/probe/local/owner"
	"onmux/probe/local/ruleset"
	"onmux/probe/local/socket"
)

// Coverage is what was and what was not looked at.
type Coverage struct {
	IPv4, IPv6  bool // the families that were asked for
	NetNS       bool // this system has network namespaces, and the caller's own was looked at
	Root        bool // the caller is root, perhaps one with few capabilities
	Capable     Capabilities
	Sources     []socket.Source
	NoIPv6      bool // IPv6 was asked for, and the kernel has none
	Settled     bool // something listens on every port, so that the next two were not looked at
	Namespaces  netns.Coverage
	Rules       ruleset.Result
	Programs    bpf.Result
	Services    int            // of IPVS
	ServicesErr error          // why they could not be read
	Wide        []ruleset.Rule // nat.Result.Wide
	AllPorts    bool           // see Request.All
	Trace       TraceCoverage
	Owners      OwnersCoverage
}

// Capabilities is a set of capabilities(7), a bit each.
type Capabilities uint64

// Those that are asked for (linux/capability.h).
const (
	CapSysPtrace Capabilities = 1 << 19
	CapSysAdmin  Capabilities = 1 << 21
)

// Can reports whether the caller has a capability.
func (c Coverage) Can(capability Capabilities) bool { return c.Capable&capability != 0 }

// TraceCoverage is what Request.Trace did.
type TraceCoverage struct {
	Asked       bool
	Unsupported bool // on this system
	Made        int  // connections
	Left        int  // addresses that were not connected to, because there are too many
	UDP, TCP    bool // there were ports of it; those of UDP are not connected to
	TooMany     bool // ports to bind: the last ones were not tried
	WouldDecide bool // it was not asked, and binding would show whether a port is held by a socket that is not seen
}

// OwnersCoverage is how many owners were found.
type OwnersCoverage struct {
	Asked      bool
	Found, All int   // sockets: with owners, and that can have one
	Err        error // why no owner could be found
	Unreadable int   // processes whose descriptors could not be read
	Hidden     bool  // /proc hides processes (hidepid)
	Candidates bool  // some sockets have candidates instead
	Masked     bool  // a command line has secrets, which are masked
}

// ownersCoverage counts owners. A socket that no process can hold, such as a
// connection that waits to be accepted, is not counted.
func ownersCoverage(o owner.Owners, listeners []Listener) OwnersCoverage {
	c := OwnersCoverage{Asked: o.Asked, Err: o.Err, Unreadable: len(o.Unreadable), Hidden: o.Hidden}
	for _, l := range listeners {
		switch {
		case len(l.Owners) > 0:
			c.Found++
			c.All++
		case l.State != Connected || l.Inode != 0:
			c.All++
		}
	}
	c.Masked = slices.ContainsFunc(listeners, func(l Listener) bool {
		return slices.ContainsFunc(l.Owners, func(o owner.Owner) bool { return o.Masked })
	})
	c.Candidates = slices.ContainsFunc(listeners, func(l Listener) bool { return len(l.Candidates) > 0 })
	return c
}

// coverage is that of a whole report.
func (v view) coverage(r Request, q query, o owner.Owners, out Report) Coverage {
	c := Coverage{
		IPv4:        q.IPv4,
		IPv6:        q.IPv6,
		NetNS:       v.netns != "",
		Root:        os.Geteuid() == 0,
		Capable:     ownCapabilities(),
		Sources:     v.Sources,
		NoIPv6:      v.NoIPv6,
		Settled:     v.settled,
		Namespaces:  v.others.Coverage,
		Rules:       v.rules,
		Programs:    v.programs,
		Services:    len(v.services),
		ServicesErr: v.servicesErr,
		Wide:        v.nat.Wide,
		AllPorts:    len(r.All) > 0,
		Owners:      ownersCoverage(o, out.Listeners),
	}
	c.Trace = v.traced.coverage(q.Query)
	c.Trace.WouldDecide = !r.Trace && slices.ContainsFunc(out.Verdicts, func(v Verdict) bool {
		return v.Cause == BoundNotListed || v.Verdict == Free && slices.Contains(v.Facts.Caveats, BoundUnseen)
	})
	return c
}
