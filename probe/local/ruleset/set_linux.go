package ruleset

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"golang.org/x/sys/unix"

	"onmux/probe/netlink"
)

// set is a set, or a map, of a table.
type set struct {
	interval bool      // its elements are where intervals start and end
	elements []element // intervals whole, sorted
	err      error
}

// element is a key, or a range of keys with both ends, and what a map has for it.
type element struct {
	low, high []byte
	data      []byte
	verdict   *verdict
	catchall  bool // every other key
	rated     bool // it has a rate or the like of its own
	end       bool // no element: an interval ends before its key
}

// parseElements reads NFT_MSG_NEWSETELEM.
func parseElements(b []byte) []element {
	const (
		expr     = 7      // NFTA_SET_ELEM_EXPR
		exprs    = 11     // NFTA_SET_ELEM_EXPRESSIONS
		keyEnd   = 10     // NFTA_SET_ELEM_KEY_END
		catchall = 1 << 1 // NFT_SET_ELEM_CATCHALL
	)
	var all []element
	for _, attrs := range netlink.Attributes(netlink.Attribute(b, unix.NFTA_SET_ELEM_LIST_ELEMENTS)) {
		flags := number(attrs, unix.NFTA_SET_ELEM_FLAGS)
		e := element{
			low:      value(attrs, unix.NFTA_SET_ELEM_KEY),
			high:     value(attrs, keyEnd),
			data:     value(attrs, unix.NFTA_SET_ELEM_DATA),
			catchall: flags&catchall != 0,
			end:      flags&unix.NFT_SET_ELEM_INTERVAL_END != 0,
		}
		if b := netlink.Attribute(attrs, expr); b != nil {
			e.rated = !counts(b)
		}
		for _, b := range netlink.Attributes(netlink.Attribute(attrs, exprs)) {
			e.rated = e.rated || !counts(b)
		}
		data := netlink.Attribute(attrs, unix.NFTA_SET_ELEM_DATA)
		if b := netlink.Attribute(data, unix.NFTA_DATA_VERDICT); b != nil {
			e.verdict = new(parseVerdict(b))
		}
		if len(e.low) == 0 != e.catchall || len(e.high) != 0 && len(e.high) != len(e.low) {
			continue // neither a key nor every other
		}
		all = append(all, e)
	}
	return all
}

// joinIntervals makes intervals of the elements of a set: the kernel lists where each
// starts, and as an element of its own the key behind its end.
func (s *set) joinIntervals() {
	slices.SortStableFunc(s.elements, func(a, b element) int {
		return cmp.Or(falseFirst(a.catchall, b.catchall), bytes.Compare(a.low, b.low), falseFirst(b.end, a.end))
	})
	var whole []element
	for i, e := range s.elements {
		switch {
		case e.end:
			continue
		case len(e.high) > 0:
		case !s.interval:
			e.high = e.low
		case i+1 < len(s.elements) && len(s.elements[i+1].low) == len(e.low):
			e.high = before(s.elements[i+1].low)
		default:
			e.high = bytes.Repeat([]byte{0xff}, len(e.low))
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
func (v *evaluation) lookup(
	ctx context.Context, f *frame, e expression, exprs []expression, p packets,
) (rest []packets) {
	s := v.rules.set(ctx, v.hooked, e.lookup.set)
	var in []packets
	switch {
	case s.err != nil:
		in, rest = v.split(p, []match{v.depends(Condition{Kind: UnreadSet})}, false)
	case e.lookup.isMap:
		return v.lookupMap(ctx, f, e, s, exprs, p)
	default:
		in, rest = v.split(p, v.lookupSet(ctx, e, s, &p), e.invert)
	}
	for _, q := range in {
		rest = append(rest, v.expressions(ctx, f, exprs, q)...)
	}
	return rest
}

// keyFits reports whether the key of an element lies in the registers.
func (e expression) keyFits(el element) bool { return fits(e.src, len(el.low)) }

// lookupSet is the alternatives that match the elements of a set, those that differ
// only in their ports or their sources as one.
func (v *evaluation) lookupSet(ctx context.Context, e expression, s *set, p *packets) []match {
	var all []match
	for _, el := range s.elements {
		if !v.rules.spend(ctx, 1) {
			break
		}
		m := v.any()
		if !el.catchall {
			if !e.keyFits(el) {
				continue
			}
			m = v.between(&p.regs, e.src, el.low, el.high, false)
		}
		if el.rated {
			m = m.both(v.depends(Condition{Kind: Rate}))
		}
		if !m.none() || m.assumed {
			all = append(all, m)
		}
	}
	return mergeMatches(all)
}

// lookupMap takes packets through a map and the rest of the rule, once for each
// element. It returns those that the rule leaves to the next one.
func (v *evaluation) lookupMap(
	ctx context.Context, f *frame, e expression, s *set, exprs []expression, p packets,
) (rest []packets) {
	left := []packets{p} // for the element that catches all others
	for _, el := range s.elements {
		if !v.rules.spend(ctx, 1) {
			break
		}
		in := left
		if left = nil; !el.catchall {
			if !e.keyFits(el) {
				left = in
				continue
			}
			m := v.between(&p.regs, e.src, el.low, el.high, false)
			var through []packets
			for _, q := range in {
				a, b := v.split(q, []match{m}, false)
				if through = append(through, a...); m.unsure != (Condition{}) {
					b = []packets{q} // for the next element, if it is not this one
				}
				left = append(left, b...)
			}
			in = through
		}
		for _, q := range in {
			switch {
			case el.verdict != nil:
				rest = append(rest, v.decide(ctx, f, *el.verdict, q)...)
			case fits(e.dst, len(el.data)):
				q.regs.store(e.dst, el.data)
				rest = append(rest, v.expressions(ctx, f, exprs, q)...)
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
