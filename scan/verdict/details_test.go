package verdict

import (
	"testing"

	"onmux/probe"
)

func TestDetailsAreBounded(t *testing.T) {
	tab := make(Details)
	for i := range uint64(MaxDetails + 10) {
		tab.Keep(i, CellOf(Unanswered, 1), &probe.Result{Reason: probe.Reset})
	}
	if len(tab) != MaxDetails {
		t.Errorf("%d results are kept", len(tab))
	}
	tab.Keep(7, CellOf(HostUnreach, 1), &probe.Result{Reason: probe.PortUnreach})
	if tab[7].Reason != probe.PortUnreach {
		t.Error("a stronger answer did not replace the details of a weaker one")
	}
	tab.Forget(7, CellOf(PortUnreach, 1))
	if tab[7] != nil {
		t.Error("details are not forgotten")
	}
}
