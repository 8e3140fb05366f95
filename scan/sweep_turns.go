package scan

import (
	"time"

	"onmux/probe"
	"onmux/probe/request"
)

// maxTurns is up to how many silent UDP endpoints all payloads of their ports are
// tried: beyond, that would take longer than the whole sweep.
const maxTurns = 4096

// next says which protocols another pass asks: as owes, and when loss demands none,
// UDP again while its silent ports have not been sent all of their payloads (see
// request.Payloads). A service that cannot read a question says nothing, so that
// silence after two of them tells little. turns is true for such a pass.
func (s *sweep) next() (asks byProto[bool], turns, more bool) {
	if asks, more = s.owes(); more || s.passes > s.Retries {
		return asks, false, more
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.turnsLeft(); n == 0 || n > maxTurns {
		return asks, false, false
	}
	asks[probe.UDP] = true
	return asks, true, true
}

// turnsLeft counts the UDP endpoints that nothing was heard of, if their ports have
// more payloads than there were tries. Where no neighbour is, none is of use. The
// caller holds mu.
func (s *sweep) turnsLeft() (n uint64) {
	if s.quiet[probe.UDP] == 0 || s.done[probe.UDP] >= payloadsOf(s.Plan.Ports()) {
		return 0
	}
	for port, p := range s.protos {
		if p != probe.UDP {
			continue
		}
		lo := uint64(port) * s.addrs
		for _, c := range s.table.cells[lo : lo+s.addrs] {
			if c.quiet() && c.class() != noNeighbour {
				n++
			}
		}
	}
	return n
}

// payloadsOf is the most payloads that one of the UDP ports has.
func payloadsOf(ports []probe.Port) (most int) {
	for _, p := range ports {
		if p.Proto == probe.UDP {
			most = max(most, len(request.Payloads(p.Number)))
		}
	}
	return most
}

// pause is how long a pass waits for answers at its end. Between payloads there is
// no need to: an answer counts later too, and it is waited for at the end of all.
func (s *sweep) pause() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.walk.turns {
		return shortWait
	}
	return s.rtt.wait(s.passes, s.Timeout)
}
