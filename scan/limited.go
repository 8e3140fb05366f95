package scan

import (
	"fmt"
	"math"

	"onmux/probe"
)

// What is said of UDP silence that is worth nothing.
const (
	hostLimits = "the host limits its ICMP answers: silence decides nothing"
	netLimits  = "ICMP answers from its network are limited: silence decides nothing"
)

// limited are the addresses whose UDP silence decides nothing: whether a silent port
// of theirs is open, or its refusal was never sent, cannot be told apart however often
// it is asked at that pace.
type limited struct {
	hosts, nets []uint64 // a bit for each address; nil if none is set
	refused     tally    // the refusals that came nevertheless, of ports few enough to count as answers
}

func (l *limited) any() bool { return l.hosts != nil || l.nets != nil }

// note is why silence at an address decides nothing, or "".
func (l *limited) note(addr uint64) string {
	switch {
	case l.hosts != nil && l.hosts[addr/64]>>(addr%64)&1 != 0:
		return hostLimits
	case l.nets != nil && l.nets[addr/64]>>(addr%64)&1 != 0:
		return netLimits
	}
	return ""
}

// undecided is why the endpoint's silence decides nothing, or "".
func (s *sweep) undecided(i uint64) string {
	if !s.limited.any() || !s.table.cells[i].quiet() || s.proto(i) != probe.UDP {
		return ""
	}
	return s.limited.note(i % s.addrs)
}

// undecidedNote tells how many they are, or is "".
func (s *sweep) undecidedNote() string {
	if !s.limited.any() {
		return ""
	}
	var n uint64
	for i := range s.table.cells {
		n += uint64(one(s.undecided(uint64(i)) != ""))
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("undecided: %s, silent at hosts that limit their ICMP answers", counted(n, "udp endpoint"))
}

// findLimited looks for them. The caller holds mu, or is the only one left.
func (s *sweep) findLimited() (l limited) {
	if s.ports[probe.UDP] > icmpBurst {
		l.hosts = s.limitedHosts()
	} else if s.ports[probe.UDP] > 0 {
		s.findLimitedNets(&l)
	}
	return l
}

// limitedHosts are those that refused some UDP ports with an unreachable and were
// asked on more ports than a host refuses without a pause.
func (s *sweep) limitedHosts() (bits []uint64) {
	for port, p := range s.protos {
		if p != probe.UDP {
			continue
		}
		lo := uint64(port) * s.addrs
		for i, c := range s.table.cells[lo : lo+s.addrs] {
			if c.class() == portUnreach {
				if bits == nil {
					bits = make([]uint64, s.addrs/64+1)
				}
				bits[i/64] |= 1 << (i % 64)
			}
		}
	}
	return bits
}

// refusals are what the UDP endpoints of one network said.
type refusals struct {
	lo, hi  uint64  // its addresses in the plan
	asked   float64 // endpoints
	silent  float64
	refused float64 // by a port-unreachable, whoever sent it
	early   float64 // the sum of where they stand in the order, from 0 to 1 each
	tries   tally   // those of the endpoints themselves, by the try that was asked last
}

// findLimitedNets finds networks in which one machine speaks for many addresses, or a
// firewall before them does, and is allowed only so many unreachables a second. The
// order in which endpoints are asked is random. So if each were refused by itself,
// those refused would lie anywhere in it; where the first few are refused and then
// next to none, a limit was used up.
func (s *sweep) findLimitedNets(l *limited) {
	var mixed []refusals
	for lo, hi := range s.Plan.nets {
		if r := s.refusals(lo, hi); r.refused > 0 && r.silent > 0 {
			mixed = append(mixed, r)
		}
	}
	for _, r := range mixed {
		if !r.limited(len(mixed)) {
			continue
		}
		if l.nets == nil {
			l.nets = make([]uint64, s.addrs/64+1)
		}
		for i := r.lo; i < r.hi; i++ {
			l.nets[i/64] |= 1 << (i % 64)
		}
		for try, n := range r.tries {
			l.refused[try] += n
		}
	}
}

// refusals counts what the addresses from lo up to and without hi said.
func (s *sweep) refusals(lo, hi uint64) refusals {
	r := refusals{lo: lo, hi: hi}
	for port, p := range s.protos {
		if p != probe.UDP {
			continue
		}
		first := uint64(port)*s.addrs + lo
		for i, c := range s.table.cells[first : first+hi-lo] {
			r.asked += float64(one(c.asked()))
			r.silent += float64(one(c.quiet() && c.class() != noNeighbour))
			if k := c.class(); k == portUnreach || k == portUnreachBy {
				r.refused++
				r.early += float64(s.order.Position(first+uint64(i))) / float64(s.Plan.Len())
				r.tries[c.tries()] += uint64(one(k == portUnreach))
			}
		}
	}
	return r
}

// limited reports whether those refused lie so far in front that chance would put them
// there once in a hundred sweeps of as many networks. Of n numbers drawn at random and
// without repetition from N between 0 and 1 the mean varies around a half by
// (N−n) / (12·n·(N−1)), and what is z deviations off is rarer than exp(−z²/2).
func (r *refusals) limited(nets int) bool {
	if r.asked < 2 || r.refused < 3 {
		return false
	}
	variance := (r.asked - r.refused) / (12 * r.refused * (r.asked - 1))
	z := (0.5 - r.early/r.refused) / math.Sqrt(variance)
	return z > 0 && z*z > 2*math.Log(100*float64(nets))
}
