package verdict

import (
	"testing"

	"onmux/probe"
	"onmux/scan/engine"
)

// reasons are all that an answer can carry.
func reasons() (all []probe.Reason) {
	for r := probe.NoReason; r <= probe.LocalError; r++ {
		all = append(all, r)
	}
	return all
}

func TestCellAgreesWithProbe(t *testing.T) {
	for _, p := range probe.Protos() {
		for _, r := range reasons() {
			for _, target := range []bool{false, true} {
				want := probe.Verdict(p, r, target)
				k, ok := ClassOf(p, r, target)
				possible := want != probe.Unknown && r != probe.NoResponse || r == probe.LocalError
				if ok != possible {
					t.Errorf("classOf(%v, %v, %v) = %v, want %v", p, r, target, ok, possible)
				}
				if c := CellOf(k, 3); ok && (c.State(p) != want || c.Reason() != r || c.Tries() != 3) {
					t.Errorf(
						"%v %v %v: the Cell has %v (%v) after %d tries, probe %v",
						p,
						r,
						target,
						c.State(p),
						c.Reason(),
						c.Tries(),
						want,
					)
				}
			}
		}
		for _, c := range []Cell{CellOf(Unanswered, 1), CellOf(Silence, 2)} {
			if c.Reason() != probe.NoResponse || c.State(p) != probe.Verdict(p, probe.NoResponse, false) {
				t.Errorf("silence over %v is reported as %v (%v)", p, c.State(p), c.Reason())
			}
		}
	}
	if classCount != 16 {
		t.Errorf("%d classes do not fit four bits", classCount)
	}
}

// TestStrongestEvidenceWins feeds every pair of answers in both orders.
func TestStrongestEvidenceWins(t *testing.T) {
	for _, p := range probe.Protos() {
		for a := Silence + 1; a < classCount; a++ {
			for b := Silence + 1; b < classCount; b++ {
				first := CellOf(Unanswered, 1)
				x, _, _ := first.Merge(a, p)
				x, _, ab := x.Merge(b, p)
				y, _, _ := first.Merge(b, p)
				y, _, ba := y.Merge(a, p)
				made, other := classes[x.Class()].weight, classes[y.Class()].weight
				if made != other || made < classes[a].weight || made < classes[b].weight {
					t.Errorf("%v: %d then %d makes %d, the other way round %d", p, a, b, x.Class(), y.Class())
				}
				if ab != ba {
					t.Errorf("%v: %d and %d disagree in one order only", p, a, b)
				}
				if same := CellOf(a, 1).State(p) == CellOf(b, 1).State(p); same && ab {
					t.Errorf("%v: %d and %d agree and are called a contradiction", p, a, b)
				}
			}
		}
	}
	for _, order := range [][2]Class{
		{SynAck, Reset}, {Reset, PortUnreach}, {UDPResponse, PortUnreach}, {PortUnreach, PortUnreachByOther},
		{PortUnreach, AdminProhibited}, {AdminProhibited, HostUnreach}, {HostUnreach, NoNeighbor},
		{NoNeighbor, Silence}, {Silence, LocalError}, {LocalError, Unanswered},
	} {
		if classes[order[0]].weight <= classes[order[1]].weight {
			t.Errorf("Class %d does not outweigh %d", order[0], order[1])
		}
	}
}

func TestCellOfOneEndpoint(t *testing.T) {
	merge := func(c Cell, k Class) Cell { c, _, _ = c.Merge(k, probe.TCP); return c }
	var c Cell
	if c.Asked() || c.Askable() || c.Silent() {
		t.Error("the zero Cell was asked")
	}
	if one := c.Ask(); one.Unask() != 0 || !one.Silent() || !one.Askable() || one.Tries() != 1 {
		t.Errorf("asked once: %#x", one)
	}
	two := c.Ask().Ask()
	if two.Class() != Silence || two.Tries() != 2 || two.Unask().Tries() != 1 {
		t.Errorf("asked twice: %#x", two)
	}
	if merge(two, LocalError) != two {
		t.Error("a local error at the second try outweighs silence at the first")
	}
	failed := merge(c.Ask(), LocalError)
	if !failed.Askable() || failed.Silent() || failed.State(probe.TCP) != probe.Unknown {
		t.Errorf("failed once: %#x", failed)
	}
	again := failed.Ask()
	if again.Unask() != failed || again.State(probe.TCP) != probe.Filtered {
		t.Errorf("asked again after a failure: %#x, taken back %#x", again, again.Unask())
	}
	if failed := merge(again, LocalError); failed.Askable() || failed.State(probe.TCP) != probe.Unknown {
		t.Errorf("failed twice: %#x", failed)
	}
	if open := merge(again, SynAck); open.Unask() != open || open.Askable() {
		t.Errorf("answered before Send failed: %#x", open)
	}
	c = 0
	for range 40 {
		c = c.Ask()
	}
	if c.Tries() != engine.MaxTries || c.Askable() {
		t.Errorf("asked for ever: %#x", c)
	}
}
