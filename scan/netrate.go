package scan

import (
	"fmt"
	"math"

	"onmux/probe/wording"
)

// DefaultNetRate is how many probes a second one network gets at most, be the
// rate what it may: as many as a sweep sends that was told no rate. A higher one
// is for many networks. A network is a /24 of IPv4 or a /64 of IPv6: what one
// router and one link have to bear. Loopback bears anything.
const DefaultNetRate = DefaultRate

// netBurst is how many seconds' worth of probes a network may get at once.
const netBurst = 0.25

// netShare is the same for the present pass, which asks those who are still owed a
// question: they may all be in one network.
func (s *sweep) netShare() float64 {
	if s.passes == 1 {
		return s.Plan.NetworkShare()
	}
	var most, all uint64
	for port, p := range s.protos {
		if s.walk.asks[p] {
			all += s.owedOf(uint64(port)*s.addrs, uint64(port+1)*s.addrs)
		}
	}
	for lo, hi := range s.Plan.Networks {
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
		wording.Number(uint64(math.Ceil(s.pace.held))), wording.Number(uint64(math.Ceil(s.NetRate))))
}
