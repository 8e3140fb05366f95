package scan

import (
	"onmux/probe"
	"onmux/scan/control"
	"onmux/scan/verdict"
)

// knowledge is a cell for each endpoint, with what was kept of the answers.
type knowledge struct {
	*space
	cells   []verdict.Cell
	details verdict.Details
}

func newKnowledge(s *space) knowledge {
	return knowledge{s, make([]verdict.Cell, s.plan.Len()), make(verdict.Details)}
}

// record is the record of an endpoint with what an answer brought.
func (k *knowledge) record(i uint64, r probe.Result) probe.Result {
	return k.space.record(i, k.cells[i], r)
}

// addStates adds the endpoints that were asked to their states, and returns how many they are.
func (k *knowledge) addStates(states map[string]uint64) (targets uint64) {
	var counts verdict.ByProto[[256]uint64]
	for of := range k.plan.Sections(0, k.plan.AddrCount()) {
		for _, c := range k.cells[of.From:of.To] {
			counts[of.Port.Proto][c]++
		}
	}
	for p := range counts {
		for c, n := range counts[p][:] {
			if c := verdict.Cell(c); c.Asked() && n > 0 {
				states[c.State(probe.Proto(p)).String()] += n
				targets += n
			}
		}
	}
	return targets
}

// controls are the endpoints that have answered.
func (k *knowledge) controls() (out []control.Answerer) {
	for i, c := range k.cells {
		if kind, ok := control.KindOf(k.proto(uint64(i)), c.Class()); ok &&
			(c.Class() != verdict.UDPResponse || c.Tries() == 1) {
			out = append(out, control.Answerer{Index: uint64(i), Kind: kind})
		}
	}
	return out
}

// silentPayloads counts the silent UDP endpoints whose ports have more payloads than
// there were tries. Where no neighbor is, none is of use.
func (k *knowledge) silentPayloads(tries int) (n uint64) {
	if tries >= MaxPayloads(k.plan.Ports()) {
		return 0
	}
	for of := range k.plan.Sections(0, k.plan.AddrCount()) {
		for _, c := range k.cells[of.From:of.To] {
			if of.Port.Proto == probe.UDP && c.Silent() && c.Class() != verdict.NoNeighbor {
				n++
			}
		}
	}
	return n
}

// askableIn counts the endpoints from lo up to and without hi that a later pass asks.
func (k *knowledge) askableIn(lo, hi uint64) (n uint64) {
	for _, c := range k.cells[lo:hi] {
		if c.Askable() {
			n++
		}
	}
	return n
}

// neverAsked counts the endpoints that could not be asked even once.
func (k *knowledge) neverAsked() (n uint64) {
	for _, c := range k.cells {
		if c == verdict.CellOf(verdict.LocalError, 0) {
			n++
		}
	}
	return n
}

// limits adds to limits that were found the hosts that refused some of many UDP ports, and
// the refusals that do not measure loss.
func (k *knowledge) limits(l control.Limits) control.Limits {
	many := k.ports[probe.UDP] > control.ICMPBurst
	if !many && !l.Any() {
		return l
	}
	for i, c := range k.cells {
		switch i := uint64(i); {
		case c.Class() != verdict.PortUnreach || k.proto(i) != probe.UDP:
		case many:
			l.LimitHost(i)
		case l.Doubt(i, probe.UDP) != "":
			l.Refused[c.Tries()]++
		}
	}
	return l
}

// behind counts the silent endpoints of a protocol that have fewer tries than it had
// passes, because some were void.
func (k *knowledge) behind(p probe.Proto, passes *verdict.ByProto[int]) (n uint64) {
	for i, c := range k.cells {
		if k.isBehind(uint64(i), c, passes) && k.proto(uint64(i)) == p {
			n++
		}
	}
	return n
}

func (k *knowledge) isBehind(i uint64, c verdict.Cell, passes *verdict.ByProto[int]) bool {
	return c.Silent() && c.Tries() < passes[k.proto(i)]
}
