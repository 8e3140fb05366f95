package phrase

import (
	"testing"
	"time"

	"onmux/scan/control"
)

func TestControls(t *testing.T) {
	from := time.Date(2026, 11, 27, 7, 5, 2, 0, time.UTC)
	for want, c := range map[string]control.Summary{
		"probed endpoints known to answer again: 1 of 1\u00a0probe answered": {Asked: 1, Answered: 1},
		"probed endpoints known to answer again: 90 of 100\u00a0probes answered; 0 % from 07:05:02 to 07:05:04 UTC": {
			Asked: 100, Answered: 90, Worst: &control.Outage{From: from, To: from.Add(2 * time.Second)},
		},
	} {
		if got := Controls(&c); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
