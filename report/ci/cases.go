package ci

import (
	"cmp"
	"strings"

	"onmux/probe"
	"onmux/probe/listen"
	"onmux/probe/local"
	"onmux/probe/ports"
	"onmux/report/phrase"
	"onmux/report/record"
	"onmux/scan"
	"onmux/scan/wire"
)

// testCase is one thing that was looked at, as test reports have it.
type testCase struct {
	name       string // "192.0.2.1:417/tcp"; "count" for what is expected of all together
	text       string // what was found, in one line
	violations []record.Violation
	unsure     string // why it is not known
	skipped    string // why it does not count
	fails      string // what a rule found that fails, and whose violations have not come yet
}

// cases makes test cases of a stream. Violations follow the record that they are
// of, so each waits until the next.
type cases struct {
	write   func(testCase) error
	command string
	some    bool // a record came
	unsure  bool // a case is
	held    *testCase
}

func (c *cases) start(s record.Start) { c.command = s.Command }

// subject makes a case of an endpoint, a range or a verdict.
func (c *cases) subject(f record.Finding) error {
	err := c.flush()
	s, _ := record.About(f)
	c.held = &testCase{name: s.What, text: phrase.Sentence(f)}
	if s.Word == record.Unknown {
		c.held.unsure = cmp.Or(s.Error, phrase.NotKnown)
	}
	return err
}

// Endpoint makes a case of it.
func (c *cases) Endpoint(r probe.Result) error { return c.subject(r) }

// Range makes one case of all its endpoints.
func (c *cases) Range(r scan.Range) error { return c.subject(r) }

// Verdict makes a case of it.
func (c *cases) Verdict(v local.Verdict) error { return c.subject(v) }

// Attempt makes no case: its endpoint does.
func (c *cases) Attempt(probe.Attempt) error { return c.flush() }

// Listener makes no case: its port's verdict does, which stands before it.
func (c *cases) Listener(local.Listener) error { return nil }

// Event is no test either: what is expected is of the verdict.
func (c *cases) Event(local.Event) error { return nil }

// Flow makes no case: what is expected of clients is a violation.
func (c *cases) Flow(wire.Flow) error { return nil }

// Arrival makes no case: nothing is expected of it.
func (c *cases) Arrival(listen.Arrival) error { return nil }

// Port makes no case: nothing was looked at.
func (c *cases) Port(ports.Info) error { return c.flush() }

// Rule makes a case that waits for its violations.
func (c *cases) Rule(r record.Rule) error {
	err := c.flush()
	c.held = &testCase{name: r.Name, text: r.Outcome.String() + phrase.Suffix(": ", r.Found)}
	switch r.Outcome {
	case record.Fails:
		c.held.fails = cmp.Or(r.Found, r.Outcome.String())
	case record.CannotTell:
		c.held.unsure = cmp.Or(r.Error, phrase.NotKnown)
	}
	return err
}

// Change makes a case that fails, or one that does not count because it is not certain. Those
// that are Undecided are in the coverage only.
func (c *cases) Change(ch record.Change) error {
	t := testCase{name: ch.Place(), text: ch.What}
	switch {
	case ch.Undecided:
		return c.flush()
	case ch.Confidence == probe.Low:
		t.skipped = ch.New + ", was " + ch.Old + "; " + phrase.NotCertain(ch)
	default:
		t.violations = []record.Violation{{What: t.name, Expected: ch.Old, Actual: ch.New}}
	}
	return cmp.Or(c.flush(), c.write(t))
}

// Violation joins the case that it is of, or makes one.
func (c *cases) Violation(v record.Violation) error {
	if c.held != nil && (c.held.name == v.What || c.held.name == v.Rule && v.Rule != "") {
		c.held.violations = append(c.held.violations, v)
		return nil
	}
	return cmp.Or(c.flush(), c.write(testCase{name: cmp.Or(v.Rule, v.What), violations: []record.Violation{v}}))
}

// end writes what waited. That a report is incomplete is a case too, and so is
// that it is empty: Jenkins takes a report without cases for a broken build.
func (c *cases) end(e record.End) error {
	some := c.some
	err := c.flush()
	switch {
	case err != nil:
	case e.Cut():
		err = c.write(testCase{name: wholeReport, unsure: "it is incomplete: " + strings.Join(e.Coverage, "; ")})
	case e.Outcome == record.CannotTell && !c.unsure:
		err = c.write(testCase{name: wholeReport, unsure: phrase.Join(phrase.Nothing(c.command, true), "", e.Coverage...)})
	case !some:
		err = c.write(testCase{name: wholeReport, text: phrase.Nothing(c.command, false)})
	}
	return err
}

const wholeReport = "the whole report"

// flush writes the case that waits.
func (c *cases) flush() error {
	c.some = true
	if c.held == nil {
		return nil
	}
	held := *c.held
	c.held = nil
	c.unsure = c.unsure || held.unsure != ""
	if held.fails != "" && len(held.violations) == 0 { // the report was cut off there
		held.violations = []record.Violation{{What: held.name, Expected: "what its rule expects", Actual: held.fails}}
	}
	return c.write(held)
}
