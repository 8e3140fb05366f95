package report

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/scan"
)

// testCase is one thing that was looked at, as test reports tell it.
type testCase struct {
	name       string // "192.0.2.1:417/tcp"; "count" for what is expected of all together
	text       string // what was found, in one line
	violations []Violation
	unsure     string // why it could not be told
	fails      bool   // the violation stands for others that are not at hand yet
}

// title is the case in one line.
func (c testCase) title() string {
	if c.text == "" {
		return c.name
	}
	return c.name + " " + c.text
}

// cases makes test cases of a stream. Violations follow the finding that they
// are of, so each waits until the next. Reports replayed from one document
// have them all at the end: they come out as cases of their own.
type cases struct {
	tell func(testCase) error
	none string // what a report of nothing says
	told bool
	held *testCase

	failed map[string]bool // rules that were told to fail before their violations were
	joins  bool            // tell takes violations that come later
}

func (c *cases) start(s Start) {
	c.none = nothing(s.Command, false)
}

// nothing is said of a report that tells nothing.
func nothing(command string, doubted bool) string {
	switch {
	case command != "diff":
		return "nothing was found"
	case doubted:
		return "no change that is certain"
	}
	return "no change"
}

func (c *cases) finding(f Finding) error {
	c.told = true
	if v, ok := f.(Violation); ok {
		if c.held != nil && (c.held.name == v.What || c.held.name == v.Rule && v.Rule != "") {
			c.held.violations = append(c.held.violations, v)
			return nil
		}
		err := c.flush()
		if c.failed[v.Rule] && !c.joins {
			return err // a document has its violations behind everything else
		}
		return cmp.Or(err, c.tell(testCase{name: cmp.Or(v.Rule, v.What), violations: []Violation{v}}))
	}
	if change, ok := f.(Change); ok {
		return cmp.Or(c.flush(), c.tell(change.testCase()))
	}
	if r, ok := f.(Rule); ok {
		err := c.flush()
		c.held = &testCase{name: r.Name, text: r.Outcome.String() + suffix(": ", r.Found)}
		c.held.fails = r.Outcome == Fails
		if r.Outcome == CannotTell {
			c.held.unsure = cmp.Or(r.Error, "could not be told")
		}
		return err
	}
	s, ok := about(f)
	if !ok {
		return c.flush()
	}
	err := c.flush()
	c.held = &testCase{name: s.what, text: sentence(f)}
	if s.word == unknown {
		c.held.unsure = cmp.Or(errorOf(f), "could not be told")
	}
	return err
}

// end flushes what waited. That a report is incomplete is a case too, and so is
// that there is nothing to tell: Jenkins takes a report without cases for a
// broken build.
func (c *cases) end(e End) error {
	err := c.flush()
	if err == nil && e.Complete && !c.told {
		err = c.tell(testCase{name: "the whole report", text: c.none})
	}
	if err == nil && !e.Complete {
		err = c.tell(testCase{name: "the whole report", unsure: "it is incomplete: " + strings.Join(e.Coverage, "; ")})
	}
	return err
}

func (c *cases) flush() error {
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
		held.violations = []Violation{{What: held.name, Expected: "what its rule says", Actual: strings.TrimPrefix(held.text, Fails.String()+": ")}}
	}
	return c.tell(held)
}

// testCase is the change as a case that fails, or that cannot be told.
func (c Change) testCase() testCase {
	t := testCase{name: c.place(), text: c.What}
	if c.Confidence == probe.Low {
		t.unsure = fmt.Sprintf("%s, was %s; not certain: %s", c.New, c.Old, strings.Join(c.Notes, "; "))
	} else {
		t.violations = []Violation{{What: t.name, Expected: c.Old, Actual: c.New}}
	}
	return t
}

// suffix is text behind a separator, or nothing.
func suffix(separator, text string) string {
	if text == "" {
		return ""
	}
	return separator + text
}

// doubtful says of a finding why it cannot be told, in one line, or "".
func doubtful(f Finding) string {
	switch f := f.(type) {
	case Rule:
		if f.Outcome == CannotTell {
			return f.Name + ": " + cmp.Or(f.Error, "could not be told")
		}
		return ""
	case Change:
		if f.Confidence == probe.Low {
			return fmt.Sprintf("%s %s, not certain: %s", f.place(), f.What, strings.Join(f.Notes, "; "))
		}
		return ""
	}
	if s, ok := about(f); ok && s.word == unknown {
		return unmeasured(s, f)
	}
	return ""
}

// breach says what is wrong, in one line.
func (v Violation) breach() string {
	return fmt.Sprintf("%s: expected %s, found %s", v.subject(), v.Expected, v.Actual)
}

// subject is what it is about, behind the name of its rule.
func (v Violation) subject() string {
	if v.Rule != "" {
		return v.Rule + ": " + v.What
	}
	return v.What
}

func errorOf(f Finding) string {
	switch f := f.(type) {
	case probe.Result:
		return f.Error
	case scan.Range:
		return f.Error
	case local.Verdict:
		return f.Error
	}
	return ""
}

// sentence tells a finding in one line, without what it is about.
func sentence(f Finding) string {
	switch f := f.(type) {
	case probe.Result:
		return f.State.String() + because(f.Reason, f.RTT) + spoken(f.Service)
	case scan.Range:
		return f.State.String() + because(f.Reason, 0)
	case local.Verdict:
		return string(f.Verdict) + ": " + f.Why
	case local.Listener:
		return fmt.Sprintf("%s, reachable: %s%s", f.State, within(f), heldBy(f.Owners))
	}
	return ""
}

func because(r probe.Reason, rtt probe.Millis) string {
	var parts []string
	if r != probe.NoReason {
		parts = append(parts, r.String())
	}
	if rtt > 0 {
		parts = append(parts, exactly(rtt))
	}
	if parts == nil {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

// spoken is ", ssh OpenSSH 9.2p1".
func spoken(s *probe.Service) string {
	if s == nil {
		return ""
	}
	return ", " + strings.Join(strings.Fields(s.Name+" "+s.Product+" "+s.Version), " ")
}

// heldBy is ", held by sshd (pid 12)".
func heldBy(owners []local.Owner) string {
	var names []string
	for _, o := range owners {
		names = append(names, fmt.Sprintf("%s (pid %d)", cmp.Or(o.Name, "a process"), o.PID))
	}
	if names == nil {
		return ""
	}
	return ", held by " + strings.Join(names, ", ")
}

// exactly is a duration as documents have it, with its unit: "8 µs", "12.345 ms".
func exactly(m probe.Millis) string {
	if d := time.Duration(m).Round(time.Microsecond); d < 100*time.Microsecond {
		return human(time.Duration(m))
	}
	return milliseconds(m) + " ms"
}

// milliseconds is a duration as documents have it.
func milliseconds(m probe.Millis) string {
	b, _ := m.MarshalJSON()
	return string(b)
}

// outcomeOf is what came of the expectations, also in a report that does not
// tell it.
func outcomeOf(e End, violations int) Outcome {
	switch {
	case e.Outcome != 0:
		return e.Outcome
	case violations > 0:
		return Fails
	case !e.Complete || e.Summary.States[unknown] > 0:
		return CannotTell
	}
	return Holds
}

// tallied is "1 open, 200 closed, 55 filtered", in the order of the words of
// the command.
func tallied(command string, states map[string]uint64) string {
	var parts []string
	for _, w := range vocabulary(command) {
		if n := states[w]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, tally{w, n}.said()))
		}
	}
	return strings.Join(parts, ", ")
}
