package report_test

import (
	"fmt"
	"strings"
	"testing"

	"onmux/probe"
	. "onmux/report/expect"
	. "onmux/report/record"
	. "onmux/report/reporttest"
)

// TestDoubtsAreNamed: what is not known, and why, stands where the reader looks.
func TestDoubtsAreNamed(t *testing.T) {
	rules := Stream{Started: Starts("verify"), Ended: Ends(3, map[string]uint64{"holds": 1, "cannot-tell": 2}),
		Findings: []Finding{
			Rule{Name: "one", About: "probe", Outcome: Holds},
			Rule{Name: "two", About: "probe", Outcome: CannotTell, Error: "no certificate was seen"},
			Rule{Name: "three", About: "scan", Outcome: CannotTell},
		}}
	rules.Ended.Outcome = CannotTell
	perhaps := Stream{Started: Starts("diff"), Ended: Ends(3, map[string]uint64{}), Findings: []Finding{
		Change{What: Vanished, Address: Addr4, Port: 417, Proto: probe.TCP, Old: "open", New: "not reported",
			Confidence: probe.Low, Notes: []string{"the new report does not have it"}},
	}}
	perhaps.Ended.Outcome = CannotTell
	empty := Stream{Started: Starts("diff"), Ended: Ends(3, map[string]uint64{})}
	empty.Ended.Outcome = Holds
	for _, c := range []struct {
		format string
		of     Stream
		want   []string
	}{
		{"nagios", rules, []string{"ONMUX UNKNOWN - two: no certificate was seen (and 1 more) |",
			"\nthree: could not be determined\n"}},
		{"nagios", perhaps, []string{"ONMUX UNKNOWN - 192.0.2.1:417/tcp vanished, not certain: the new report does " +
			"not have it |"}},
		{"nagios", empty, []string{"ONMUX OK - no change |"}},
		{"github", rules, []string{"::warning title=onmux verify%3A could not tell::two: no certificate was seen\n",
			"::three: could not be determined\n", "::could not tell: 1 holds, 2 undecided\n"}},
		{"github", perhaps, []string{"192.0.2.1:417/tcp vanished, not certain",
			"could not tell: no change that is certain\n"}},
		{"github", empty, []string{"::notice title=onmux diff%3A done::no change\n"}},
		{"markdown", perhaps, []string{"onmux diff: no change that is certain\n"}},
		{"html", perhaps, []string{"<h1>onmux diff: no change that is certain</h1>",
			`not certain: vanished</td><td data-name="was">open</td><td data-name="is">not reported</td>`}},
		{"html", empty, []string{"<h1>onmux diff: no change</h1>"}},
		{"markdown", empty, []string{"onmux diff: no change\n"}},
	} {
		out := string(c.of.Write(t, c.format))
		for _, w := range c.want {
			if !strings.Contains(out, w) {
				t.Errorf("%s of %s lacks %q:\n%s", c.format, c.of.Started.Command, w, out)
			}
		}
	}
	judge := NewJudge(nil)
	for _, f := range rules.Findings {
		judge.Finding(f)
	}
	if got := judge.Doubt(); got != "two: no certificate was seen" || judge.Outcome() != CannotTell {
		t.Errorf("%q, %s", got, judge.Outcome())
	}
	for n := range 30 { // GitHub shows ten of a kind
		rules.Findings = append(rules.Findings, Rule{Name: fmt.Sprint(n), About: "scan", Outcome: CannotTell})
	}
	if out := string(rules.Write(t, "github")); strings.Count(out, "::warning") != 10 {
		t.Errorf("%d warnings:\n%s", strings.Count(out, "::warning"), out)
	}
}
