package ci

import (
	"cmp"
	"strings"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/probe/ports"
	"onmux/report/phrase"
	"onmux/report/record"
	"onmux/scan"
)

// testCase is one thing that was looked at, as test reports have it.
type testCase struct {
	name       string // "192.0.2.1:417/tcp"; "count" for what is expected of all together
	text       string // what was found, in one line
	violations []record.Violation
	unsure     string // why it is not known
	fails      bool   // a rule does, and its violations have not come yet
	actual     string // what that rule found
}

// title is the case in one line.
func (c testCase) title() string {
	if c.text == "" {
		return c.name
	}
	return c.name + " " + c.text
}

// cases makes test cases of a stream. Violations follow the record that they are
// of, so each waits until the next. Reports replayed from one document have them
// all at the end: they come out as cases of their own.
type cases struct {
	write func(testCase) error
	none  string // text of the case of an empty report
	some  bool   // a record came
	held  *testCase

	failed map[string]bool // rules that were written as failed before their violations came
	joins  bool            // write takes violations that come later
}

func (c *cases) start(s record.Start) { c.none = phrase.Nothing(s.Command, false) }

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

// Listener makes no case: its port's verdict does.
func (c *cases) Listener(local.Listener) error { return c.flush() }

// Port makes no case: nothing was looked at.
func (c *cases) Port(ports.Info) error { return c.flush() }

// Rule makes a case that waits for its violations.
func (c *cases) Rule(r record.Rule) error {
	err := c.flush()
	c.held = &testCase{name: r.Name, text: r.Outcome.String() + phrase.Suffix(": ", r.Found),
		fails: r.Outcome == record.Fails, actual: cmp.Or(r.Found, r.Outcome.String())}
	if r.Outcome == record.CannotTell {
		c.held.unsure = cmp.Or(r.Error, phrase.NotKnown)
	}
	return err
}

// Change makes a case that fails, or of which that is not known.
func (c *cases) Change(ch record.Change) error {
	t := testCase{name: ch.Place(), text: ch.What}
	if ch.Confidence == probe.Low {
		t.unsure = ch.New + ", was " + ch.Old + "; " + phrase.NotCertain(ch)
	} else {
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
	err := c.flush()
	if c.failed[v.Rule] && !c.joins {
		return err // a document has its violations behind everything else
	}
	return cmp.Or(err, c.write(testCase{name: cmp.Or(v.Rule, v.What), violations: []record.Violation{v}}))
}

// end writes what waited. That a report is incomplete is a case too, and so is
// that it is empty: Jenkins takes a report without cases for a broken build.
func (c *cases) end(e record.End) error {
	some := c.some
	err := c.flush()
	if err == nil && e.Complete && !some {
		err = c.write(testCase{name: wholeReport, text: c.none})
	}
	if err == nil && !e.Complete {
		err = c.write(testCase{name: wholeReport, unsure: "it is incomplete: " + strings.Join(e.Coverage, "; ")})
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
	if held.fails = held.fails && len(held.violations) == 0; held.fails {
		if c.failed == nil {
			c.failed = make(map[string]bool)
		}
		c.failed[held.name] = true
		held.violations = []record.Violation{{What: held.name, Expected: "what its rule expects", Actual: held.actual}}
	}
	return c.write(held)
}
