package text

import (
	"testing"
	"time"

	"onmux/scan/control"
)

func TestShares(t *testing.T) {
	at := func(second int) time.Time { return time.Unix(int64(second), 0) }
	got := shares([]control.Window{
		{From: at(0), To: at(1), Asked: 10, Answered: 10}, {From: at(1), To: at(2), Asked: 8},
		{From: at(4), To: at(5), Asked: 2, Answered: 1}, {From: at(3), To: at(4), Asked: 1, Answered: 7},
	}, true)
	if want := "#_  +#"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
