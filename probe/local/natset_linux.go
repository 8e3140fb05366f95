package local

import (
	"bytes"
	"cmp"
	"slices"

	"golang.org/x/sys/unix"

	"onmux/probe/netlink"
)

// natSet is a set, or a map, of a table.
type natSet struct {
	interval bool         // its elements are where intervals start and end
	elements []natElement // intervals whole, sorted
	err      error
}

// natElement is a key, or a range of keys with both ends, and what a map has for it.
type natElement struct {
	from, to []byte
	data     []byte
	verdict  *verdict
	catchall bool // every other key
	end      bool // no element: an interval ends before its key
}

// parseElements reads NFT_MSG_NEWSETELEM.
func parseElements(b []byte) []natElement {
	const (
		keyEnd   = 10     // NFTA_SET_ELEM_KEY_END
		catchall = 1 << 1 // NFT_SET_ELEM_CATCHALL
	)
	var out []natElement
	for _, e := range netlink.Attributes(netlink.Attribute(b, unix.NFTA_SET_ELEM_LIST_ELEMENTS)) {
		flags := be32(netlink.Attribute(e, unix.NFTA_SET_ELEM_FLAGS))
		data := netlink.Attribute(e, unix.NFTA_SET_ELEM_DATA)
		el := natElement{
			from:     slices.Clone(netlink.Attribute(netlink.Attribute(e, unix.NFTA_SET_ELEM_KEY), unix.NFTA_DATA_VALUE)),
			to:       slices.Clone(netlink.Attribute(netlink.Attribute(e, keyEnd), unix.NFTA_DATA_VALUE)),
			data:     slices.Clone(netlink.Attribute(data, unix.NFTA_DATA_VALUE)),
			catchall: flags&catchall != 0, end: flags&unix.NFT_SET_ELEM_INTERVAL_END != 0,
		}
		if v := netlink.Attribute(data, unix.NFTA_DATA_VERDICT); v != nil {
			v := parseVerdict(v)
			el.verdict = &v
		}
		if len(el.from) == 0 != el.catchall || len(el.to) != 0 && len(el.to) != len(el.from) {
			continue // neither a key nor every other
		}
		out = append(out, el)
	}
	return out
}

// pair makes intervals of the elements of a set: the kernel tells where each
// starts, and as an element of its own the key behind its end.
func (s *natSet) pair() {
	slices.SortStableFunc(s.elements, func(a, b natElement) int {
		return cmp.Or(order(a.catchall, b.catchall), bytes.Compare(a.from, b.from), order(b.end, a.end))
	})
	var whole []natElement
	for i, e := range s.elements {
		switch {
		case e.end:
			continue
		case len(e.to) > 0:
		case !s.interval:
			e.to = e.from
		case i+1 < len(s.elements) && len(s.elements[i+1].from) == len(e.from):
			e.to = before(s.elements[i+1].from)
		default:
			e.to = bytes.Repeat([]byte{0xff}, len(e.from))
		}
		whole = append(whole, e)
	}
	s.elements = whole
}

// order puts what is after what is not.
func order(a, b bool) int {
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
// is in a set, and of a map once for each of its elements.
func (w *walk) lookup(f *frame, s step, rest []step, p packets) {
	set := w.rules.set(w.ctx, w.table, s.name)
	if set.err != nil {
		w.rule(f, rest, p.and(demand{addrs: w.all, hint: "a set that could not be read"}))
		return
	}
	if s.mapping {
		w.each(f, s, set, rest, p)
		return
	}
	in := w.members(s, set, &p)
	switch {
	case s.invert && len(in) == 0:
		in = []demand{{addrs: w.all}}
	case s.invert && len(in) == 1:
		in[0] = w.not(in[0])
	case s.invert:
		in = []demand{{addrs: w.all, hint: "the address and the port together"}}
	}
	for _, d := range in {
		if q := p.and(d); !q.none() {
			w.rule(f, rest, q)
		}
	}
}

// keyed reports whether the lookup's key lies in the registers.
func (s step) keyed(e natElement) bool { return fits(s.at, len(e.from)) }

// members is what being in a set demands: alternatives, those that differ only
// in their ports as one.
func (w *walk) members(s step, set *natSet, p *packets) []demand {
	var out []demand
	for _, e := range set.elements {
		if !w.rules.spend(w.ctx, 1) {
			break
		}
		d := demand{addrs: w.all}
		if !e.catchall {
			if !s.keyed(e) {
				continue
			}
			d = w.between(&p.regs, s.at, e.from, e.to, false)
		}
		if d.never || d.addrs == 0 {
			continue
		}
		out = append(out, d)
	}
	return merge(out)
}

// merge makes one alternative of those that differ only in their ports, or only
// in their addresses.
func merge(in []demand) []demand {
	var out []demand
	ranges := make(map[demandKey][]Span)
	var order []demandKey
	anyPort := make(map[string]int) // by hint: where in out
	for _, d := range in {
		if d.ports == nil {
			if i, ok := anyPort[d.hint]; ok {
				out[i].addrs |= d.addrs
			} else {
				anyPort[d.hint] = len(out)
				out = append(out, d)
			}
			continue
		}
		k := demandKey{d.addrs, d.hint}
		if ranges[k] == nil {
			order = append(order, k)
		}
		ranges[k] = append(ranges[k], d.ports...)
	}
	for _, k := range order {
		out = append(out, demand{ports: newSpans(ranges[k]), addrs: k.addrs, hint: k.hint})
	}
	return out
}

type demandKey struct {
	addrs uint64
	hint  string
}

// each takes packets through a map.
func (w *walk) each(f *frame, s step, set *natSet, rest []step, p packets) {
	left := p // for the element that catches all others
	for _, e := range set.elements {
		if !w.rules.spend(w.ctx, 1) {
			return
		}
		q := left
		if !e.catchall {
			if !s.keyed(e) {
				continue
			}
			if q = p.and(w.between(&p.regs, s.at, e.from, e.to, false)); q.none() {
				continue
			}
			left.less(q)
		}
		if q.none() {
			continue
		}
		if e.verdict != nil {
			w.decide(f, *e.verdict, q)
			continue
		}
		if !fits(s.to, len(e.data)) {
			continue
		}
		for i := range e.data {
			q.regs[s.to+i] = constant(e.data, i)
		}
		for j := s.to + len(e.data); j%4 != 0; j++ {
			q.regs[j] = cell{of: fromConstant}
		}
		w.rule(f, rest, q)
	}
}
