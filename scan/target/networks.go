package target

import (
	"iter"
	"math"
	"net/netip"
)

// net is the network that an address is in, a /24 of IPv4 or a /64 of IPv6: its
// first and last address.
func (s scope) net(v u128) (first, last u128) {
	if s.v6 {
		return u128{v.hi, 0}, u128{v.hi, math.MaxUint64}
	}
	return u128{0, v.lo &^ 0xff}, u128{0, v.lo | 0xff}
}

// loopback reports whether packets to the network that begins with v never leave
// this machine: 127.0.0.0/8, and ::/64, which holds ::1 and nothing else that is
// routed.
func (s scope) loopback(v u128) bool {
	if s.v6 {
		return v == u128{}
	}
	return v.lo>>24 == 127
}

// Networks yields for each network that is not loopback, a /24 of IPv4 or a /64 of
// IPv6, which of the addresses are in it: those numbered from lo up to and
// without hi.
func (a *addrSpace) Networks(yield func(lo, hi uint64) bool) {
	for _, l := range a.lines {
		var lo, hi uint64 // of the network that is being put together
		var end u128      // its last address
		for i := l.from; i < l.to; i++ {
			for at := a.start(i); at < a.start(i+1); at = hi {
				v := a.first(i).add(u128{0, at - a.start(i)})
				if hi == lo || v.cmp(end) > 0 {
					if hi > lo && !yield(lo, hi) {
						return
					}
					lo = at
				}
				first, last := l.net(v)
				end, hi = last, a.start(i+1)
				if rest := last.sub(v); rest.cmp(u128{0, hi - at}) < 0 {
					hi = at + rest.lo + 1
				}
				if l.loopback(first) {
					lo = hi
				}
			}
		}
		if hi > lo && !yield(lo, hi) {
			return
		}
	}
}

// Runs yields the first and last address of each run of adjacent addresses.
func (a *addrSpace) Runs() iter.Seq2[netip.Addr, netip.Addr] {
	return func(yield func(first, last netip.Addr) bool) {
		for s := range a.each {
			if !yield(s.addr(s.from), s.addr(s.to)) {
				return
			}
		}
	}
}
