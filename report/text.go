package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/probe/ports"
	"onmux/probe/wording"
	"onmux/scan"
)

// maxViolations bounds the violations that are told one by one unless all are
// asked for.
const maxViolations = 20

// teller writes for people. Quiet, it writes one line a verdict and nothing
// else, made for scripts: "417/tcp listening" for check, "10.0.0.7:417/tcp open"
// for every endpoint of a probe and for every open one of a scan. What was
// expected, and whether it could be measured, is then in the exit code alone.
type teller struct {
	*canvas
	Options
	w          io.Writer
	command    string
	ports      checkText
	endpoints  endpoints
	attempts   attempts
	changes    changes
	explained  bool // a port was told: a blank line stands before the next
	violations []Violation
	violated   uint64
	ofRule     int    // violations of the last rule that were told
	untold     uint64 // violations that are counted only
}

func newText(w io.Writer, o Options) Handler {
	t := &teller{canvas: newCanvas(o.Width, o.Color), Options: o, w: w}
	t.ports.teller, t.endpoints.teller, t.attempts.teller, t.changes.teller = t, t, t, t
	return t
}

func (t *teller) Start(s Start) error {
	t.command = s.Command
	return nil
}

// Finding tells at once what cannot wait, and keeps the rest for the end.
func (t *teller) Finding(f Finding) error {
	switch f := f.(type) {
	case probe.Result:
		t.endpoints.result(f)
	case probe.Attempt:
		t.attempts.attempt(f)
	case scan.Range:
		t.endpoints.span(f)
	case local.Verdict:
		t.ports.verdict(f)
	case local.Listener:
		t.ports.listener(f)
	case ports.Info:
		t.explain(f)
	case Rule:
		t.rule(f)
	case Change:
		t.changes.change(f)
	case Violation:
		t.violation(f)
	default:
		return fmt.Errorf("the text report knows no %q", f.Kind())
	}
	return t.flush()
}

// End tells what waited, then what else there is to know, and in the last line
// or lines how it ended.
func (t *teller) End(e End) error {
	t.ports.end()
	if t.Verbosity == Quiet {
		return t.flush()
	}
	if t.command == "diff" {
		t.changes.end(e)
		return t.flush()
	}
	t.endpoints.end(e)
	if t.Verbosity == Verbose || !e.Complete {
		for _, s := range e.Coverage {
			t.line(0, 2, span{Visible(s), faint})
		}
	}
	for _, v := range t.violations {
		t.tellViolation(v)
	}
	if t.untold > 0 {
		t.line(0, 2, span{fmt.Sprintf("and %s (-v lists all)", counted(t.untold, "more violation", "more violations")), alarm})
	}
	for _, h := range e.Hints {
		t.line(0, 2, span{"hint: ", faint}, span{Visible(h), plain})
	}
	if t.command != "explain" { // which has nothing to add up
		t.sum(e)
	}
	t.incomplete(e)
	if t.violated > 0 {
		t.line(0, 2, span{"expectation failed: " + counted(t.violated, "violation", "violations"), alarm})
	}
	return t.flush()
}

func (t *teller) flush() error {
	_, err := t.w.Write(t.out.Bytes())
	t.out.Reset()
	return err
}

func (t *teller) violation(v Violation) {
	t.violated++
	switch {
	case t.Verbosity == Quiet:
	case v.Rule != "" && t.ofRule >= maxViolations && t.Verbosity != Verbose:
		t.untold++
	case v.Rule != "": // its rule was just told
		t.ofRule++
		t.line(7, 9, span{Visible(v.What) + ": expected " + Visible(v.Expected) + ", found " + Visible(v.Actual), bad})
	case t.Verbosity == Verbose && t.command != "check":
		t.tellViolation(v)
	case t.Verbosity == Verbose || len(t.violations) < maxViolations:
		t.violations = append(t.violations, v)
	default:
		t.untold++
	}
}

func (t *teller) tellViolation(v Violation) {
	what, expected, actual := Visible(v.What), Visible(v.Expected), Visible(v.Actual)
	if v.Port != 0 {
		actual = what + " is " + actual
	} // otherwise it is a count: "expected open=0, but open=1"
	t.line(0, 2, span{fmt.Sprintf("expected %s, but %s", expected, actual), alarm})
}

// sum is the line that adds up: "4 endpoints: 1 open, 3 closed".
func (t *teller) sum(e End) {
	s := e.Summary
	one, many := t.nouns()
	if s.Targets == 0 && t.command == "check" {
		if e.Complete {
			t.line(0, 2, span{"found nothing that listens", strong})
		}
		return
	}
	line := []span{{counted(s.Targets, one, many), strong}}
	if s.Duration > 0 && t.command == "scan" {
		line = append(line, span{" in " + strings.ReplaceAll(human(time.Duration(s.Duration)), " ", glue), plain})
	}
	for i, c := range tallies(s.States) {
		sep := ", "
		if i == 0 {
			sep = ": "
		}
		line = append(line, span{sep + wording.Number(c.count) + glue, plain}, span{Visible(c.said()), tone(c.word)})
	}
	for _, figure := range figures(s, t.command) {
		line = append(line, span{"; " + figure, plain})
	}
	t.line(0, 2, line...)
}

// figures say how far a scan can be relied on, and what it cost.
func figures(s scan.Summary, command string) []string {
	var out []string
	if s.Loss != nil {
		f := "loss" + glue + percent(*s.Loss)
		if s.ExpectedMissed != nil {
			f += ", " + estimate(*s.ExpectedMissed) + glue + "expected missed"
		}
		out = append(out, f)
	} else if command == "scan" && s.Targets > 0 {
		out = append(out, "loss not measurable")
	}
	if s.Contradictions > 0 {
		out = append(out, counted(s.Contradictions, "contradiction", "contradictions"))
	}
	if s.Probes > 0 && command == "scan" {
		f := counted(s.Probes, "probe", "probes")
		if s.Passes > 1 { // the first needs no word
			f += " in " + counted(uint64(s.Passes), "pass", "passes")
		}
		out = append(out, f)
	}
	return out
}

// incomplete says what was not reached.
func (t *teller) incomplete(e End) {
	if e.Complete {
		return
	}
	_, many := t.nouns()
	sentence := "incomplete: not everything could be asked"
	if n := e.Summary.NotReached; n > 0 {
		verb := "were"
		if n == 1 {
			verb = "was"
		}
		sentence = fmt.Sprintf("incomplete: %s of %s %s %s not reached", wording.Number(n), wording.Number(e.Summary.Targets+n), many, verb)
	}
	t.line(0, 2, span{sentence, maybe})
}

func (t *teller) nouns() (one, many string) {
	switch t.command {
	case "check":
		return "port", "ports"
	case "verify":
		return "rule", "rules"
	}
	return "endpoint", "endpoints"
}

// tone is the style of a state or verdict.
func tone(word string) style {
	switch word {
	case probe.Open.String(), string(local.Listening):
		return yes
	case probe.Closed.String(), string(local.Free):
		return no
	case probe.Unreachable.String():
		return bad
	case unknown:
		return wrong
	}
	return maybe
}
