package ruleset

import (
	"cmp"
	"slices"

	"onmux/probe/local/nfexpr"
)

// PortSet is a set of ports: sorted ranges with gaps between them.
type PortSet []nfexpr.PortRange

// allPorts is all of them; 0 is in packets of no connection.
func allPorts() PortSet { return PortSet{{First: 0, Last: 65535}} }

// newPortSet makes a set of ranges in any order.
func newPortSet(ranges []nfexpr.PortRange) PortSet {
	ranges = slices.DeleteFunc(slices.Clone(ranges), func(r nfexpr.PortRange) bool { return r.First > r.Last })
	slices.SortFunc(ranges, func(a, b nfexpr.PortRange) int { return cmp.Compare(a.First, b.First) })
	var s PortSet
	for _, r := range ranges {
		if n := len(s); n > 0 && int(r.First) <= int(s[n-1].Last)+1 {
			s[n-1].Last = max(s[n-1].Last, r.Last)
			continue
		}
		s = append(s, r)
	}
	return s
}

func (s PortSet) intersect(t PortSet) PortSet {
	var out PortSet
	for i, j := 0, 0; i < len(s) && j < len(t); {
		if first, last := max(s[i].First, t[j].First), min(s[i].Last, t[j].Last); first <= last {
			out = append(out, nfexpr.PortRange{First: first, Last: last})
		}
		if s[i].Last < t[j].Last {
			i++
		} else {
			j++
		}
	}
	return out
}

func (s PortSet) complement() PortSet {
	var out PortSet
	next := 0
	for _, r := range s {
		if int(r.First) > next {
			out = append(out, nfexpr.PortRange{First: uint16(next), Last: r.First - 1})
		}
		next = int(r.Last) + 1
	}
	if next <= 65535 {
		out = append(out, nfexpr.PortRange{First: uint16(next), Last: 65535})
	}
	return out
}

// Size counts the ports.
func (s PortSet) Size() int {
	n := 0
	for _, r := range s {
		n += int(r.Last) - int(r.First) + 1
	}
	return n
}

// Has reports whether a port is in the set.
func (s PortSet) Has(port uint16) bool {
	return slices.ContainsFunc(s, func(r nfexpr.PortRange) bool { return r.First <= port && port <= r.Last })
}
