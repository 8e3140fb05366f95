package report_test

import (
	"strings"
	"testing"

	. "onmux/report"
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
