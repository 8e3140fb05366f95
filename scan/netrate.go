package scan

import (
	"fmt"
	"math"
)

// DefaultNetRate is how many probes a second one network gets at most, be the
// rate what it may: as many as a sweep sends that was told no rate. A higher one
// is for many networks. A network is a /24 of IPv4 or a /64 of IPv6: what one
// router and one link have to bear. Loopback bears anything.
const DefaultNetRate = DefaultRate

// netBurst is how many seconds' worth of probes a network may get at once.
const netBurst = 0.25

// net is the network that an address is in: its first and last address.
func (r realm) net(v u128) (first, last u128) {
	if r.v6 {
		return u128{v.hi, 0}, u128{v.hi, math.MaxUint64}
	}
	return u128{0, v.lo &^ 0xff}, u128{0, v.lo | 0xff}
}

// near reports whether the network that begins with v never leaves this machine:
// 127.0.0.0/8, and ::/64, which holds ::1 and nothing else that is routed.
func (r realm) near(v u128) bool {
	if r.v6 {
		return v == u128{}
	}
	return v.lo>>24 == 127
}

// nets calls yield for each network that is not near, with the plan's addresses in
// it: the numbers from lo up to and without hi. It ends when yield returns false.
func (p *Plan) nets(yield func(lo, hi uint64) bool) {
	for _, l := range p.lines {
		var lo, hi uint64 // of the network that is being put together
		var end u128      // its last address
		for i := l.from; i < l.to; i++ {
			for at := p.starts[i]; at < p.starts[i+1]; at = hi {
				v := p.firsts[i].add(u128{0, at - p.starts[i]})
				if hi == lo || v.cmp(end) > 0 {
					if hi > lo && !yield(lo, hi) {
						return
					}
					lo = at
				}
				first, last := l.net(v)
				end, hi = last, p.starts[i+1]
				if rest := last.sub(v); rest.cmp(u128{0, hi - at}) < 0 {
					hi = at + rest.lo + 1
				}
				if l.near(first) {
					lo = hi
				}
			}
		}
		if hi > lo && !yield(lo, hi) {
			return
		}
	}
}

// netShare is how large a part of all that is asked at random goes to one network
// at most, in the first pass.
func (p *Plan) netShare() float64 {
	var most uint64
	for lo, hi := range p.nets {
		most = max(most, hi-lo)
	}
	return float64(most) / float64(max(p.addrs, 1))
}

// netShare is the same for the present pass, which asks those who are still owed a
// question: they may all be in one network.
func (s *sweep) netShare() float64 {
	if s.passes == 1 {
		return s.Plan.netShare()
	}
	var most, all uint64
	for port, p := range s.protos {
		if s.walk.asks[p] {
			all += s.owedOf(uint64(port)*s.addrs, uint64(port+1)*s.addrs)
		}
	}
	for lo, hi := range s.Plan.nets {
		var n uint64
		for port, p := range s.protos {
			if s.walk.asks[p] {
				n += s.owedOf(uint64(port)*s.addrs+lo, uint64(port)*s.addrs+hi)
			}
		}
		most = max(most, n)
	}
	return float64(most) / float64(max(all, most, 1))
}

// owedOf counts the cells from lo to hi that a later pass asks.
func (s *sweep) owedOf(lo, hi uint64) (n uint64) {
	for ; lo < hi; lo += cellChunk {
		s.mu.Lock()
		for _, c := range s.table.cells[lo:min(lo+cellChunk, hi)] {
			n += uint64(one(c.owed()))
		}
		s.mu.Unlock()
	}
	return n
}

// spare keeps the rate of the present pass so low that no network gets more than
// NetRate: the order spreads probes evenly, so it follows from the plan.
func (s *sweep) spare() {
	if s.Rate <= s.NetRate { // even if all goes to one
		return
	}
	share := s.netShare()
	if share == 0 {
		s.pace.confine(math.Inf(1))
		return
	}
	s.pace.confine(s.NetRate / share)
}

// netNote tells that the sweep was slower than it was told to be.
func (s *sweep) netNote() string {
	if s.pace.held == 0 {
		return ""
	}
	return fmt.Sprintf("held to %s probes a second: no network (/24, or /64 of IPv6) gets more than %s unless --net-rate says so",
		thousands(uint64(math.Ceil(s.pace.held))), thousands(uint64(math.Ceil(s.NetRate))))
}
