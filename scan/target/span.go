package target

import (
	"cmp"
	"encoding/binary"
	"iter"
	"math"
	"math/bits"
	"net/netip"
	"slices"
)

// u128 is an address as a number; IPv4 addresses use the low 32 bits.
type u128 struct{ hi, lo uint64 }

var maxU128 = u128{math.MaxUint64, math.MaxUint64}

func (a u128) cmp(b u128) int {
	if a.hi != b.hi {
		return cmp.Compare(a.hi, b.hi)
	}
	return cmp.Compare(a.lo, b.lo)
}

// add saturates: sizes are only ever compared with a cap far below.
func (a u128) add(b u128) u128 {
	lo, carry := bits.Add64(a.lo, b.lo, 0)
	hi, carry := bits.Add64(a.hi, b.hi, carry)
	if carry != 0 {
		return maxU128
	}
	return u128{hi, lo}
}

func (a u128) sub(b u128) u128 {
	lo, borrow := bits.Sub64(a.lo, b.lo, 0)
	hi, _ := bits.Sub64(a.hi, b.hi, borrow)
	return u128{hi, lo}
}

// mul saturates.
func (a u128) mul(n uint64) u128 {
	carry, lo := bits.Mul64(a.lo, n)
	over, hi := bits.Mul64(a.hi, n)
	hi, more := bits.Add64(hi, carry, 0)
	if over != 0 || more != 0 {
		return maxU128
	}
	return u128{hi, lo}
}

func (a u128) dec() u128 { return a.sub(u128{0, 1}) }
func (a u128) inc() u128 { return a.add(u128{0, 1}) }

// scope is the number line that an address is on: a family and, for scoped
// IPv6 addresses, a zone.
type scope struct {
	v6   bool
	zone string
}

func (r scope) cmp(o scope) int {
	switch {
	case r == o:
		return 0
	case r.v6 != o.v6:
		if o.v6 {
			return -1
		}
		return 1
	}
	return cmp.Compare(r.zone, o.zone)
}

// addr is the address that v stands for.
func (r scope) addr(v u128) netip.Addr {
	if !r.v6 {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(v.lo))
		return netip.AddrFrom4(b)
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], v.hi)
	binary.BigEndian.PutUint64(b[8:], v.lo)
	a := netip.AddrFrom16(b)
	if r.zone != "" {
		a = a.WithZone(r.zone)
	}
	return a
}

// number is the inverse of scope.addr; IPv4-mapped addresses count as IPv4.
func number(a netip.Addr) (scope, u128) {
	a = a.Unmap()
	if a.Is4() {
		b := a.As4()
		return scope{}, u128{0, uint64(binary.BigEndian.Uint32(b[:]))}
	}
	b := a.As16()
	return scope{true, a.Zone()}, u128{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// span is a run of addresses, both ends included.
type span struct {
	scope
	from, to u128
}

func spanOf(from, to netip.Addr) span {
	r, f := number(from)
	_, t := number(to)
	return span{r, f, t}
}

// prefixSpan is all of the network that a prefix names, host bits or not. It
// keeps a zone given beside it, which netip.Prefix cannot hold.
func prefixSpan(p netip.Prefix, zone string) span {
	first := p.Masked().Addr()
	r, f := number(first)
	r.zone = zone
	host := first.BitLen() - p.Bits()
	return span{r, f, u128{f.hi | ones(host-64), f.lo | ones(host)}}
}

// ones is a number whose n lowest bits are set; n may be out of [0, 64].
func ones(n int) uint64 {
	switch {
	case n <= 0:
		return 0
	case n >= 64:
		return math.MaxUint64
	}
	return 1<<n - 1
}

// first is the first address.
func (s span) first() netip.Addr { return s.addr(s.from) }

func (s span) single() bool { return s.from == s.to }

// size saturates at 2^128-1, which only ::/0 exceeds.
func (s span) size() u128 { return s.to.sub(s.from).inc() }

func (s span) cmp(o span) int {
	return cmp.Or(s.scope.cmp(o.scope), s.from.cmp(o.from), s.to.cmp(o.to))
}

// spans is many of them. Those of IPv4, which order before all others, take 8 bytes each.
type spans struct {
	v4 []run4
	v6 []span
}

// run4 is a run of IPv4 addresses: the first, and of spans the last; of an addrSpace, which
// takes the memory of spans, the number of the first.
type run4 struct{ first, n uint32 }

// spansOf is those of a list, merged.
func spansOf(list ...span) (a spans) {
	for _, s := range list {
		a.add(s)
	}
	return merge(a)
}

func (a *spans) add(s span) {
	if s.v6 {
		a.v6 = append(a.v6, s)
	} else {
		a.v4 = append(a.v4, run4{uint32(s.from.lo), uint32(s.to.lo)})
	}
}

// chunks is a list that grows without being copied, which takes its memory twice.
type chunks[E any] struct{ all [][]E }

func (c *chunks[E]) add(e E) {
	const size = 1 << 14
	last := len(c.all) - 1
	if last < 0 || len(c.all[last]) == size {
		c.all, last = append(c.all, make([]E, 0, size)), last+1
	}
	c.all[last] = append(c.all[last], e)
}

func (c *chunks[E]) len() (n int) {
	for _, part := range c.all {
		n += len(part)
	}
	return n
}

// drain yields the elements and drops them.
func (c *chunks[E]) drain(yield func(E) bool) {
	for i, part := range c.all {
		for _, e := range part {
			if !yield(e) {
				return
			}
		}
		c.all[i] = nil
	}
	c.all = nil
}

func (a *spans) len() int { return len(a.v4) + len(a.v6) }

func (a *spans) at(i int) span {
	if i < len(a.v4) {
		return span{from: u128{0, uint64(a.v4[i].first)}, to: u128{0, uint64(a.v4[i].n)}}
	}
	return a.v6[i-len(a.v4)]
}

// each yields them in their order.
func (a spans) each(yield func(span) bool) {
	for i := range a.len() {
		if !yield(a.at(i)) {
			return
		}
	}
}

// merge sorts spans and joins those that overlap or touch. It reuses the slices.
func merge(a spans) spans {
	compare4 := func(s, o run4) int { return cmp.Or(cmp.Compare(s.first, o.first), cmp.Compare(s.n, o.n)) }
	if !slices.IsSortedFunc(a.v4, compare4) {
		slices.SortFunc(a.v4, compare4)
	}
	if !slices.IsSortedFunc(a.v6, span.cmp) {
		slices.SortFunc(a.v6, span.cmp)
	}
	out := spans{a.v4[:0], a.v6[:0]}
	var before span
	for i := range a.len() {
		s := a.at(i)
		if i > 0 && before.scope == s.scope && s.from.cmp(before.to.inc()) <= 0 {
			if s.to.cmp(before.to) > 0 {
				before.to = s.to
				out.setLast(before)
			}
			continue
		}
		out.add(s)
		before = s
	}
	return out
}

// setLast replaces the last span of the family of s.
func (a *spans) setLast(s span) {
	if s.v6 {
		a.v6[len(a.v6)-1] = s
	} else {
		a.v4[len(a.v4)-1].n = uint32(s.to.lo)
	}
}

// union is what is in a or b, which must be merged and are not to be used after.
func union(a, b spans) spans {
	if a.len() == 0 {
		return b
	}
	if b.len() == 0 {
		return a
	}
	return merge(spans{append(a.v4, b.v4...), append(a.v6, b.v6...)})
}

// unionOf is what is in any of several, which are left as they are.
func unionOf(all []spans) spans {
	if len(all) == 1 {
		return all[0]
	}
	var out spans
	for _, s := range all {
		out.v4, out.v6 = append(out.v4, s.v4...), append(out.v6, s.v6...)
	}
	return merge(out)
}

// subtract is what of a is not in b; both must be merged.
func subtract(a, b spans) spans {
	if b.len() == 0 {
		return a
	}
	var out spans
	first := 0 // of b that does not lie before s
	for s := range a.each {
		for first < b.len() && ends(b.at(first), s) {
			first++
		}
		rest := true
		for k := first; k < b.len(); k++ {
			cut := b.at(k)
			if cut.scope != s.scope || cut.from.cmp(s.to) > 0 {
				break
			}
			if cut.from.cmp(s.from) > 0 {
				out.add(span{s.scope, s.from, cut.from.dec()})
			}
			if cut.to.cmp(s.to) >= 0 {
				rest = false
				break
			}
			s.from = cut.to.inc()
		}
		if rest {
			out.add(s)
		}
	}
	return out
}

// ends reports whether cut lies wholly before s.
func ends(cut, s span) bool {
	if c := cut.scope.cmp(s.scope); c != 0 {
		return c < 0
	}
	return cut.to.cmp(s.from) < 0
}

// intersect is what is in both a and b; both must be merged.
func intersect(a, b spans) spans {
	var out spans
	for both := range overlaps(a, b) {
		out.add(both)
	}
	return out
}

// overlaps yields the spans that are in both a and b; both must be merged.
func overlaps(a, b spans) iter.Seq[span] {
	return func(yield func(span) bool) {
		first := 0 // of b that does not lie before s
		for s := range a.each {
			for first < b.len() && ends(b.at(first), s) {
				first++
			}
			for k := first; k < b.len(); k++ {
				o := b.at(k)
				if o.scope != s.scope || o.from.cmp(s.to) > 0 {
					break
				}
				both := s
				if o.from.cmp(s.from) > 0 {
					both.from = o.from
				}
				if o.to.cmp(s.to) < 0 {
					both.to = o.to
				}
				if !yield(both) {
					return
				}
			}
		}
	}
}

// count is how many addresses spans that do not overlap hold; it saturates.
func count(spans iter.Seq[span]) u128 {
	var n u128
	for s := range spans {
		n = n.add(s.size())
	}
	return n
}
