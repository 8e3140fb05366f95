package report_test

import (
	"strings"
	"testing"

	. "onmux/report"

	. "onmux/report/record"
)

// TestNothingIsACase: a report of nothing has a case that passes, as harnesses
// take one without cases for a broken run.
func TestNothingIsACase(t *testing.T) {
	for _, c := range []struct{ format, command, want string }{
		{"junit", "diff", "<testcase classname=\"onmux.diff\" name=\"the whole report\">\n<system-out>no change</system-out>\n</testcase>"},
		{"junit", "check", "<system-out>nothing was found</system-out>"},
		{"tap", "diff", "\nok 1 - the whole report no change\n1..1\n"},
	} {
		var b strings.Builder
		h, err := New(c.format, &b, Options{})
		if err != nil {
			t.Fatal(err)
		}
		stream{start: starts(c.command), end: ends(0, nil)}.tell(t, h)
		if !strings.Contains(b.String(), c.want) {
			t.Errorf("%s of %s: no %q in\n%s", c.format, c.command, c.want, b.String())
		}
	}
}

// TestRuleWithoutItsViolation: a rule that fails is a case that fails, also where what it
// was violated by comes later, as in a document, or never, as in a report that was cut off.
func TestRuleWithoutItsViolation(t *testing.T) {
	late := Violation{Rule: "r", What: "a port", Expected: "free", Actual: "listening"}
	for _, c := range []struct {
		format string
		then   []Finding
		want   []string
		not    string
	}{
		{"tap", nil, []string{"\nnot ok 1 - r fails", "1..1"}, "\nok"},
		{"tap", []Finding{late}, []string{"\nnot ok 1 - r fails", "1..1"}, "not ok 2"},
		{"junit", nil, []string{`failures="1"`, "what its rule says"}, ""},
		{"junit", []Finding{late}, []string{`tests="1" failures="1"`, "expected free, found listening"}, "what its rule says"},
	} {
		var b strings.Builder
		h, err := New(c.format, &b, Options{})
		if err != nil {
			t.Fatal(err)
		}
		found := append([]Finding{Rule{Name: "r", Outcome: Fails, Found: "80/tcp listening"}}, c.then...)
		stream{start: starts("verify"), findings: found, end: ends(1, nil)}.tell(t, h)
		for _, want := range c.want {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%s: no %q in\n%s", c.format, want, b.String())
			}
		}
		if c.not != "" && strings.Contains(b.String(), c.not) {
			t.Errorf("%s: %q in\n%s", c.format, c.not, b.String())
		}
	}
}
