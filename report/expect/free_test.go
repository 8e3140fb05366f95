package expect_test

import (
	"testing"

	"onmux/probe"
	"onmux/probe/local"
	. "onmux/report/expect"
	. "onmux/report/record"
)

// A port that only another network namespace holds can be bound here.
func TestFreeElsewhere(t *testing.T) {
	for _, c := range []struct {
		expect string
		word   local.Word
		want   Outcome
	}{
		{"free", local.Elsewhere, Holds},
		{"elsewhere", local.Elsewhere, Holds},
		{"elsewhere", local.Free, Fails},
		{"listening", local.Elsewhere, Fails},
		{"free", local.Connected, Fails},
		{"free=1", local.Elsewhere, Holds},
		{"free=0", local.Elsewhere, Fails},
		{"elsewhere=1", local.Elsewhere, Holds},
		{"elsewhere=0", local.Free, Holds},
	} {
		e, err := Parse(c.expect, "check")
		if err != nil {
			t.Fatal(err)
		}
		j := NewJudge([]Expectation{e})
		j.Finding(local.Verdict{Port: 417, Proto: probe.TCP, Verdict: c.word})
		j.End(End{Complete: true})
		if got := j.Outcome(); got != c.want {
			t.Errorf("--expect %s, %s: %s, want %s", c.expect, c.word, got, c.want)
		}
	}
}
