package target

import (
	"cmp"
	"encoding/binary"
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

// scope is the number line that an address stands on: a family and, for scoped
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

func (s span) single() bool { return s.from == s.to }

// size saturates at 2^128-1, which only ::/0 exceeds.
func (s span) size() u128 { return s.to.sub(s.from).inc() }

func (s span) cmp(o span) int {
	return cmp.Or(s.scope.cmp(o.scope), s.from.cmp(o.from), s.to.cmp(o.to))
}

// merge sorts spans and joins those that overlap or touch. It reuses the slice.
func merge(spans []span) []span {
	if !slices.IsSortedFunc(spans, span.cmp) {
		slices.SortFunc(spans, span.cmp)
	}
	out := spans[:0]
	for _, s := range spans {
		if n := len(out); n > 0 {
			if p := &out[n-1]; p.scope == s.scope && s.from.cmp(p.to.inc()) <= 0 {
				if s.to.cmp(p.to) > 0 {
					p.to = s.to
				}
				continue
			}
		}
		out = append(out, s)
	}
	return out
}

// subtract is what of a is not in b; both must be merged.
func subtract(a, b []span) []span {
	if len(b) == 0 {
		return a
	}
	var out []span
	for _, s := range a {
		for len(b) > 0 && ends(b[0], s) {
			b = b[1:]
		}
		rest := true
		for _, cut := range b {
			if cut.scope != s.scope || cut.from.cmp(s.to) > 0 {
				break
			}
			if cut.from.cmp(s.from) > 0 {
				out = append(out, span{s.scope, s.from, cut.from.dec()})
			}
			if cut.to.cmp(s.to) >= 0 {
				rest = false
				break
			}
			s.from = cut.to.inc()
		}
		if rest {
			out = append(out, s)
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
func intersect(a, b []span) []span {
	var out []span
	for _, s := range a {
		for len(b) > 0 && ends(b[0], s) {
			b = b[1:]
		}
		for _, o := range b {
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
			out = append(out, both)
		}
	}
	return out
}

// count is how many addresses merged spans hold; it saturates.
func count(spans []span) u128 {
	var n u128
	for _, s := range spans {
		n = n.add(s.size())
	}
	return n
}
