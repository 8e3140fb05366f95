package ruleset

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"onmux/probe/local/nfexpr"
)

// set is a set, or a map, of a table.
type set struct {
	interval bool             // its elements are where intervals start and end
	elements []nfexpr.Element // intervals whole, sorted
	err      error
}

// joinIntervals makes intervals of the elements of a set: the kernel lists where each
// starts, and as an element of its own the key behind its end.
func (s *set) joinIntervals() {
	slices.SortStableFunc(s.elements, func(a, b nfexpr.Element) int {
		return cmp.Or(falseFirst(a.Catchall, b.Catchall), bytes.Compare(a.Low, b.Low), falseFirst(b.End, a.End))
	})
	var whole []nfexpr.Element
	for i, e := range s.elements {
		switch {
		case e.End:
			continue
		case len(e.High) > 0:
		case !s.interval:
			e.High = e.Low
		case i+1 < len(s.elements) && len(s.elements[i+1].Low) == len(e.Low):
			e.High = before(s.elements[i+1].Low)
		default:
			e.High = bytes.Repeat([]byte{0xff}, len(e.Low))
		}
		whole = append(whole, e)
	}
	s.elements = whole
}

// falseFirst compares booleans for a sort.
func falseFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// before is the number below b, which is not 0.
func before(b []byte) []byte {
	b = slices.Clone(b)
	for i := len(b) - 1; i >= 0; i-- {
		b[i]--
		if b[i] != 0xff {
			break
		}
	}
	return b
}

// lookup takes packets through a lookup and the rest of the rule: once for what
// is in a set, and of a map once for each of its elements. It returns those that the
// rule leaves to the next one.
func (b *baseChain) lookup(
	ctx context.Context, f *frame, e nfexpr.Expression, exprs []nfexpr.Expression, p packets,
) (rest []packets) {
	s := b.rules.set(ctx, b.at, e.Lookup.Set)
	var in []packets
	switch {
	case s.err != nil:
		in, rest = b.split(p, []match{b.depends(nfexpr.Condition{Kind: nfexpr.UnreadSet})}, false)
	case e.Lookup.IsMap:
		return b.lookupMap(ctx, f, e, s, exprs, p)
	default:
		in, rest = b.split(p, b.lookupSet(ctx, e, s, &p), e.Invert)
	}
	for _, q := range in {
		rest = append(rest, b.expressions(ctx, f, exprs, q)...)
	}
	return rest
}

// keyFits reports whether the key of an element lies in the registers.
func keyFits(e nfexpr.Expression, el nfexpr.Element) bool { return nfexpr.Fits(e.Src, len(el.Low)) }

// lookupSet is the alternatives that match the elements of a set, those that differ
// only in their ports or their sources as one.
func (b *baseChain) lookupSet(ctx context.Context, e nfexpr.Expression, s *set, p *packets) []match {
	var all []match
	for _, el := range s.elements {
		if !b.rules.spend(ctx, 1) {
			break
		}
		m := b.any()
		if !el.Catchall {
			if !keyFits(e, el) {
				continue
			}
			m = b.between(&p.regs, e.Src, el.Low, el.High, false)
		}
		if el.Rated {
			m = m.both(b.depends(nfexpr.Condition{Kind: nfexpr.Rate}))
		}
		if !m.none() || m.assumed {
			all = append(all, m)
		}
	}
	return mergeMatches(all)
}

// lookupMap takes packets through a map and the rest of the rule, once for each
// element. It returns those that the rule leaves to the next one.
func (b *baseChain) lookupMap(
	ctx context.Context, f *frame, e nfexpr.Expression, s *set, exprs []nfexpr.Expression, p packets,
) (rest []packets) {
	left := []packets{p} // for the element that catches all others
	for _, el := range s.elements {
		if !b.rules.spend(ctx, 1) {
			break
		}
		in := left
		if left = nil; !el.Catchall {
			if !keyFits(e, el) {
				left = in
				continue
			}
			m := b.between(&p.regs, e.Src, el.Low, el.High, false)
			var through []packets
			for _, q := range in {
				matched, others := b.split(q, []match{m}, false)
				if through = append(through, matched...); m.unsure != (nfexpr.Condition{}) {
					others = []packets{q} // for the next element, if it is not this one
				}
				left = append(left, others...)
			}
			in = through
		}
		for _, q := range in {
			switch {
			case el.Verdict != nil:
				rest = append(rest, b.decide(ctx, f, *el.Verdict, q)...)
			case nfexpr.Fits(e.Dst, len(el.Data)):
				q.regs.store(e.Dst, el.Data)
				rest = append(rest, b.expressions(ctx, f, exprs, q)...)
			default: // an object of a name
				rest = append(rest, leave([]packets{q})...)
			}
		}
		if len(rest) > maxSets {
			rest = merge(rest)
		}
	}
	return append(rest, leave(left)...)
}
