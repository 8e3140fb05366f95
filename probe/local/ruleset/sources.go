package ruleset

import (
	"net/netip"
	"slices"
)

// sourceSet is a set of addresses of one family: sorted ranges with gaps between them.
type sourceSet []Span

// newSourceSet makes a set of ranges in any order.
func newSourceSet(spans []Span) sourceSet {
	spans = slices.DeleteFunc(slices.Clone(spans), func(s Span) bool { return s.Last.Less(s.First) })
	slices.SortFunc(spans, func(a, b Span) int { return a.First.Compare(b.First) })
	s := sourceSet{}
	for _, r := range spans {
		if n := len(s); n > 0 {
			if next := s[n-1].Last.Next(); !next.IsValid() || !next.Less(r.First) {
				if s[n-1].Last.Less(r.Last) {
					s[n-1].Last = r.Last
				}
				continue
			}
		}
		s = append(s, r)
	}
	return s
}

func (s sourceSet) intersect(t sourceSet) sourceSet {
	out := sourceSet{}
	for i, j := 0, 0; i < len(s) && j < len(t); {
		first, last := s[i].First, s[i].Last
		if first.Less(t[j].First) {
			first = t[j].First
		}
		if t[j].Last.Less(last) {
			last = t[j].Last
		}
		if !last.Less(first) {
			out = append(out, Span{first, last})
		}
		if s[i].Last.Less(t[j].Last) {
			i++
		} else {
			j++
		}
	}
	return out
}

// without is what of s is not in t.
func (s sourceSet) without(t sourceSet) sourceSet {
	out := sourceSet{}
	j := 0
	for _, r := range s {
		rest := true
		for ; j < len(t) && t[j].Last.Less(r.First); j++ {
		}
		for k := j; k < len(t) && !r.Last.Less(t[k].First); k++ {
			if r.First.Less(t[k].First) {
				out = append(out, Span{r.First, t[k].First.Prev()})
			}
			if !t[k].Last.Less(r.Last) {
				rest = false
				break
			}
			r.First = t[k].Last.Next()
		}
		if rest {
			out = append(out, r)
		}
	}
	return out
}

func (s sourceSet) union(t sourceSet) sourceSet { return newSourceSet(slices.Concat(s, t)) }

// Union is the addresses of two lists.
func Union(a, b []Span) []Span { return sourceSet(a).union(b) }

// prefixSpan is the addresses of a prefix.
func prefixSpan(p netip.Prefix) Span {
	first := p.Masked().Addr()
	b := first.AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	last, _ := netip.AddrFromSlice(b)
	return Span{first, last}
}

// Prefixes writes ranges as prefixes, the fewest that cover them exactly.
func Prefixes(spans []Span) []netip.Prefix {
	var all []netip.Prefix
	for _, s := range spans {
		for at := s.First; at.IsValid() && !s.Last.Less(at); {
			bits := at.BitLen()
			for bits > 0 {
				p := netip.PrefixFrom(at, bits-1)
				if p.Masked().Addr() != at || s.Last.Less(prefixSpan(p).Last) {
					break
				}
				bits--
			}
			p := netip.PrefixFrom(at, bits)
			all = append(all, p)
			at = prefixSpan(p).Last.Next()
		}
	}
	return all
}
