package scan

import (
	"testing"

	"onmux/probe"
	"onmux/scan/verdict"
)

func TestDetailsAreBounded(t *testing.T) {
	tab := make(details)
	for i := range uint64(maxDetails + 10) {
		tab.keep(i, verdict.CellOf(verdict.Unanswered, 1), &probe.Result{Reason: probe.Reset})
	}
	if len(tab) != maxDetails {
		t.Errorf("%d results are kept", len(tab))
	}
	tab.keep(7, verdict.CellOf(verdict.HostUnreach, 1), &probe.Result{Reason: probe.PortUnreach})
	if tab[7].Reason != probe.PortUnreach {
		t.Error("a stronger answer did not replace the details of a weaker one")
	}
	tab.forget(7, verdict.CellOf(verdict.PortUnreach, 1))
	if tab[7] != nil {
		t.Error("details are not forgotten")
	}
}
