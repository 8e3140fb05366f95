package target

import (
	"net/netip"
	"slices"

	"onmux/probe"
)

// group is what is asked on the same ports, as numbers.
type group struct {
	ports   *portSpace // nil for exclusions
	rank    int        // which ports came first
	ones    spans      // named by themselves, or by a host name
	ones4   chunks[uint32]
	ranges4 chunks[run4]
	ranges6 []span
}

// add adds the spans of one target; false if it is a single address.
func (g *group) add(all []span) (ranged bool) {
	switch one := len(all) == 1 && all[0].single(); {
	case one && !all[0].v6:
		g.ones4.add(uint32(all[0].from.lo))
		return false
	case one:
		g.ones.add(all[0])
		return false
	}
	for _, s := range all {
		if s.v6 {
			g.ranges6 = append(g.ranges6, s)
		} else {
			g.ranges4.add(run4{uint32(s.from.lo), uint32(s.to.lo)})
		}
	}
	return true
}

// takeOnes takes out of g what was named by itself, merged.
func (g *group) takeOnes() spans {
	runs := make([]run4, 0, g.ones4.len())
	for a := range g.ones4.drain {
		runs = append(runs, run4{a, a})
	}
	return merge(spans{append(runs, g.ones.v4...), g.ones.v6})
}

// takeRanges takes out of g the ranges, merged.
func (g *group) takeRanges() spans {
	runs := make([]run4, 0, g.ranges4.len())
	for r := range g.ranges4.drain {
		runs = append(runs, r)
	}
	return merge(spans{runs, g.ranges6})
}

// named is a host and what it resolved to.
type named struct {
	host  string
	addrs []netip.Addr
	cut   bool   // it was excluded
	why   string // it has no address, or none of a family

	family string // of which it has none, if it has others
	rank   int    // which name came first
	on     []*portSpace
}

// ports are those on which the host is asked.
func (n *named) ports() (all []probe.Port) {
	for _, on := range n.on {
		if on != nil { // as of exclusions
			all = append(all, on.ports...)
		}
	}
	return all
}

// isAsked reports whether the host is asked on a port.
func (n *named) isAsked(port probe.Port) bool {
	return slices.ContainsFunc(n.on, func(on *portSpace) bool {
		_, ok := on.slot(port)
		return ok
	})
}

// nameList has the hosts of a plan and its exclusions.
type nameList []*named

func (all nameList) hosts() (hosts []string) {
	for _, n := range all {
		hosts = append(hosts, n.host)
	}
	return hosts
}
