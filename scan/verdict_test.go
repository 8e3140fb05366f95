package scan

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
				k, ok := classOf(p, r, target)
				possible := want != probe.Unknown && r != probe.NoResponse || r == probe.LocalError
				if ok != possible {
					t.Errorf("classOf(%v, %v, %v) = %v, want %v", p, r, target, ok, possible)
				}
				if c := cellOf(k, 3); ok && (c.state(p) != want || c.reason() != r || c.tries() != 3) {
					t.Errorf("%v %v %v: the cell says %v (%v) after %d tries, probe %v", p, r, target, c.state(p), c.reason(), c.tries(), want)
				}
			}
		}
		for _, c := range []cell{cellOf(unheard, 1), cellOf(silent, 2)} {
			if c.reason() != probe.NoResponse || c.state(p) != probe.Verdict(p, probe.NoResponse, false) {
				t.Errorf("silence over %v is told as %v (%v)", p, c.state(p), c.reason())
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
		for a := silent + 1; a < classCount; a++ {
			for b := silent + 1; b < classCount; b++ {
				first := cellOf(unheard, 1)
				x, _, _ := first.hear(a, p)
				x, _, ab := x.hear(b, p)
				y, _, _ := first.hear(b, p)
				y, _, ba := y.hear(a, p)
				if x.weight() != y.weight() || x.weight() < classes[a].weight || x.weight() < classes[b].weight {
					t.Errorf("%v: %d then %d makes %d, the other way round %d", p, a, b, x.class(), y.class())
				}
				if ab != ba {
					t.Errorf("%v: %d and %d disagree in one order only", p, a, b)
				}
				if quiet := cellOf(a, 1).state(p) == cellOf(b, 1).state(p); quiet && ab {
					t.Errorf("%v: %d and %d say the same and are called a contradiction", p, a, b)
				}
			}
		}
	}
	for _, order := range [][2]class{
		{synAck, reset}, {reset, portUnreach}, {udpResponse, portUnreach}, {portUnreach, portUnreachBy},
		{portUnreach, adminProhibited}, {adminProhibited, hostUnreach}, {hostUnreach, noNeighbour},
		{noNeighbour, silent}, {silent, localError}, {localError, unheard},
	} {
		if classes[order[0]].weight <= classes[order[1]].weight {
			t.Errorf("class %d does not outweigh %d", order[0], order[1])
		}
	}
}

func TestCellOfOneEndpoint(t *testing.T) {
	hear := func(c cell, k class) cell { c, _, _ = c.hear(k, probe.TCP); return c }
	var c cell
	if c.asked() || c.owed() || c.quiet() {
		t.Error("the zero cell was asked")
	}
	if one := c.ask(); one.takeBack() != 0 || !one.quiet() || !one.owed() || one.tries() != 1 {
		t.Errorf("asked once: %#x", one)
	}
	two := c.ask().ask()
	if two.class() != silent || two.tries() != 2 || two.takeBack().tries() != 1 {
		t.Errorf("asked twice: %#x", two)
	}
	if hear(two, localError) != two {
		t.Error("a local error at the second try outweighs silence at the first")
	}
	failed := hear(c.ask(), localError)
	if !failed.owed() || failed.quiet() || failed.state(probe.TCP) != probe.Unknown {
		t.Errorf("failed once: %#x", failed)
	}
	again := failed.ask()
	if again.takeBack() != failed || again.state(probe.TCP) != probe.Filtered {
		t.Errorf("asked again after a failure: %#x, taken back %#x", again, again.takeBack())
	}
	if failed := hear(again, localError); failed.owed() || failed.state(probe.TCP) != probe.Unknown {
		t.Errorf("failed twice: %#x", failed)
	}
	if open := hear(again, synAck); open.takeBack() != open || open.owed() {
		t.Errorf("heard before Send failed: %#x", open)
	}
	c = 0
	for range 40 {
		c = c.ask()
	}
	if c.tries() != engine.MaxTries || c.owed() {
		t.Errorf("asked for ever: %#x", c)
	}
}

func TestDetailsAreBounded(t *testing.T) {
	tab := newTable(4)
	for i := range uint64(maxDetails + 10) {
		tab.keep(i, cellOf(unheard, 1), &probe.Result{Reason: probe.Reset})
	}
	if len(tab.details) != maxDetails {
		t.Errorf("%d results are kept", len(tab.details))
	}
	tab.keep(7, cellOf(hostUnreach, 1), &probe.Result{Reason: probe.PortUnreach})
	if tab.details[7].Reason != probe.PortUnreach {
		t.Error("a stronger answer did not replace the details of a weaker one")
	}
	tab.forget(7, cellOf(portUnreach, 1))
	if tab.details[7] != nil {
		t.Error("details are not forgotten")
	}
}
