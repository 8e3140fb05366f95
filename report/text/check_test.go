package text_test

import (
	"strings"
	"testing"

	"onmux/probe"
	"onmux/probe/local"
	. "onmux/report/record"
	. "onmux/report/reporttest"
)

// Many free ports are written in a line, and those of which something could not be
// looked at in another.
func TestTextFoldsFree(t *testing.T) {
	s := Stream{Started: Start{Command: "check"}, Ended: End{Complete: true}}
	for n := range uint16(12) {
		v := local.Verdict{Port: 1 + n, Proto: probe.TCP, Verdict: local.Free, Why: "why"}
		if n > 8 {
			v.Caveats = []string{"a rule is not known"}
		}
		s.Findings = append(s.Findings, v)
	}
	text := textOf(t, s, Options{})
	want := "tcp 1-9 are free\ntcp 10-12 are free, as far as can be seen: a rule is not known\n"
	if !strings.HasPrefix(text, want) {
		t.Errorf("%q", text)
	}
}
