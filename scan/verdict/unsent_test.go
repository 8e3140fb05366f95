package verdict

import (
	"slices"
	"testing"

	"onmux/probe"
)

// Whatever the order in which it becomes known that no try left: only when it is known of all is
// the verdict a local error.
func TestUnsent(t *testing.T) {
	for _, order := range [][]int{
		{1, 2}, {2, 1}, {1, 2, 3}, {1, 3, 2}, {2, 1, 3}, {2, 3, 1}, {3, 1, 2}, {3, 2, 1}, {3, 3, 1, 2},
	} {
		u, n := make(Unsent), slices.Max(order)
		c := CellOf(Silence, n)
		for at, try := range order {
			if c.Class() != Silence { // the others never left
				c, _, _ = c.Merge(LocalError, probe.TCP)
				continue
			}
			before, all := u.Add(7, try, c)
			if all != (at == len(order)-1) {
				t.Errorf("%v: after %d answers, all tries never left: %v", order, at+1, all)
			}
			if c = before; all {
				c, _, _ = c.Merge(LocalError, probe.TCP)
			}
		}
		if c != CellOf(LocalError, n) {
			t.Errorf("%v: %v after %d tries", order, c.Class(), c.Tries())
		}
	}
}

// A try that left is silence, and what is remembered is bounded.
func TestUnsentIsBounded(t *testing.T) {
	u := make(Unsent)
	for i := range uint64(2 * MaxDetails) {
		if c, all := u.Add(i, 2, CellOf(Silence, 2)); c != CellOf(Silence, 2) || all {
			t.Fatalf("%v, %v", c.Class(), all)
		}
	}
	if len(u) != MaxDetails {
		t.Errorf("%d are remembered", len(u))
	}
	if c, all := u.Add(3*MaxDetails, 1, CellOf(Silence, 2)); c != CellOf(Unanswered, 2) || all {
		t.Errorf("%v, %v", c.Class(), all)
	}
}
