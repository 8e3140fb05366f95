package local

import (
	"cmp"
	"slices"
)

// Span is a range of ports, both ends included.
type Span struct{ First, Last uint16 }

// spans is a set of ports: sorted ranges with gaps between them.
type spans []Span

// everyPort is all of them; 0 stands in packets of no connection.
func everyPort() spans { return spans{{0, 65535}} }

// newSpans makes a set of ranges in any order.
func newSpans(ranges []Span) spans {
	ranges = slices.DeleteFunc(slices.Clone(ranges), func(r Span) bool { return r.First > r.Last })
	slices.SortFunc(ranges, func(a, b Span) int { return cmp.Compare(a.First, b.First) })
	var s spans
	for _, r := range ranges {
		if n := len(s); n > 0 && int(r.First) <= int(s[n-1].Last)+1 {
			s[n-1].Last = max(s[n-1].Last, r.Last)
			continue
		}
		s = append(s, r)
	}
	return s
}

func (s spans) and(t spans) spans {
	var out spans
	for i, j := 0, 0; i < len(s) && j < len(t); {
		if first, last := max(s[i].First, t[j].First), min(s[i].Last, t[j].Last); first <= last {
			out = append(out, Span{first, last})
		}
		if s[i].Last < t[j].Last {
			i++
		} else {
			j++
		}
	}
	return out
}

func (s spans) not() spans {
	var out spans
	next := 0
	for _, r := range s {
		if int(r.First) > next {
			out = append(out, Span{uint16(next), r.First - 1})
		}
		next = int(r.Last) + 1
	}
	if next <= 65535 {
		out = append(out, Span{uint16(next), 65535})
	}
	return out
}

// size counts the ports.
func (s spans) size() int {
	n := 0
	for _, r := range s {
		n += int(r.Last) - int(r.First) + 1
	}
	return n
}

// within reports whether all of s is in t.
func (s spans) within(t spans) bool { return len(s.and(t.not())) == 0 }
