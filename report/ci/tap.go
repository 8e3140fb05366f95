package ci

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"onmux/report/phrase"
	"onmux/report/record"
)

// tap writes the Test Anything Protocol, version 13
// (https://testanything.org/tap-version-13-specification.html), which harnesses for version
// 14 read, too, but not the other way round: a test point for everything that was looked
// at, and the plan at the end, because the number is not known before. The description of a
// point is the same in each run; what was found is in the YAML block.
type tap struct {
	w io.Writer
	cases
	n int
}

func NewTAP(w io.Writer, _ record.Options) record.Handler {
	t := &tap{w: w}
	t.write = t.point
	return t
}

// Start writes the head.
func (t *tap) Start(s record.Start) error {
	t.start(s)
	_, err := fmt.Fprintf(t.w, "TAP version 13\n# onmux %s %s\n", phrase.Visible(s.Command), phrase.Visible(s.Version))
	return err
}

// End writes the plan.
func (t *tap) End(e record.End) error {
	if err := t.end(e); err != nil {
		return err
	}
	_, err := fmt.Fprintf(t.w, "1..%d\n", t.n)
	return err
}

func (t *tap) point(c testCase) error {
	t.n++
	status, directive := "ok", ""
	switch {
	case len(c.violations) > 0 || c.unsure != "":
		status = "not ok"
	case c.skipped != "":
		directive = " # SKIP not certain"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d - %s%s\n", status, t.n, tapDescription(c.name), directive)
	var message string
	switch {
	case c.unsure != "" || c.skipped != "":
		message = cmp.Or(c.unsure, c.skipped)
	case len(c.violations) > 0:
		message = phrase.Breach(c.violations[0])
	}
	if c.text+message != "" {
		b.WriteString("  ---\n")
		for _, field := range [][2]string{{"message", message}, {"found", c.text}} {
			if field[1] != "" {
				fmt.Fprintf(&b, "  %s: %s\n", field[0], yamlString(field[1]))
			}
		}
		for i, v := range c.violations {
			if i == 0 {
				b.WriteString("  violations:\n")
			}
			fmt.Fprintf(&b, "    - what: %s\n      expected: %s\n      actual: %s\n", yamlString(v.What),
				yamlString(v.Expected), yamlString(v.Actual))
		}
		b.WriteString("  ...\n")
	}
	_, err := io.WriteString(t.w, b.String())
	return err
}

// tapDescription escapes what a harness would take for a directive.
func tapDescription(s string) string { return tapEscapes.Replace(phrase.Visible(s)) }

var (
	tapEscapes  = strings.NewReplacer(`\`, `\\`, "#", `\#`)
	yamlEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`)
)

// yamlString is a double-quoted scalar; what Visible leaves needs no escapes but
// these two.
func yamlString(s string) string {
	return `"` + yamlEscapes.Replace(phrase.Visible(s)) + `"`
}
