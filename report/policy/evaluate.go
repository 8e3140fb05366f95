package policy

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"strings"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/report/expect"
	"onmux/report/phrase"
	"onmux/report/record"
	"onmux/scan"
)

// Bounds of what is kept of one rule.
const (
	maxListed     = 4 // findings that are reported one by one
	maxViolations = 10_000
)

// evaluation judges one rule by the findings about it. It keeps counts, not findings.
type evaluation struct {
	record.Nop
	rule       Rule
	judge      *expect.Judge
	exceptions []*expect.Judge // of Scan.Except, in that order
	found      []bool          // whether there was a finding about these
	violations violationList
	listed     []string // the first findings, in words
	counts     map[string]uint64
	targets    uint64
	observed   observed
	open       []probe.Endpoint // of a network, up to one more than maxOpen
}

func newEvaluation(r Rule) *evaluation {
	e := &evaluation{
		rule: r, judge: expect.NewJudge(r.Expect), counts: make(map[string]uint64),
		violations: violationList{rule: r.Name, known: make(map[[3]string]bool)},
	}
	if r.Scan != nil {
		for _, x := range r.Scan.Except {
			e.exceptions = append(e.exceptions, expect.NewJudge([]expect.Expectation{x.Expect}))
		}
		e.found = make([]bool, len(e.exceptions))
	}
	return e
}

// Endpoint judges a result by the rule, or by the exception for its endpoint.
func (e *evaluation) Endpoint(r probe.Result) error {
	if i := e.exception(r.Addr, probe.Port{Number: r.Port, Proto: r.Proto}); i >= 0 {
		e.violations.add(e.exceptions[i].Finding(r))
		return nil
	}
	if e.rule.Probe != nil {
		e.observed.result(r)
	}
	if r.State == probe.Open && len(e.open) <= maxOpen {
		e.open = append(e.open, r.Endpoint)
	}
	e.count(r.State.String(), 1)
	e.list(r)
	e.violations.add(e.judge.Finding(r))
	return nil
}

// Range judges a range by the rule, without the exceptions in it.
func (e *evaluation) Range(r scan.Range) error {
	if e.rule.Scan != nil {
		p := probe.Port{Number: r.Port, Proto: r.Proto}
		for i, x := range e.rule.Scan.Except {
			if x.Addr.Less(r.First) || r.Last.Less(x.Addr) || e.exception(x.Addr, p) != i {
				continue
			}
			e.violations.add(e.exceptions[i].Finding(probe.Result{
				Endpoint: probe.Endpoint{Addr: x.Addr, Port: r.Port, Proto: r.Proto},
				State:    r.State, Reason: r.Reason, Error: r.Error,
			}))
			r.Count--
		}
	}
	if r.Count > 0 {
		e.count(r.State.String(), r.Count)
		e.violations.add(e.judge.Finding(r))
	}
	return nil
}

// Verdict judges the verdict on a port of this machine.
func (e *evaluation) Verdict(v local.Verdict) error {
	e.count(string(v.Verdict), 1)
	e.list(v)
	e.violations.add(e.judge.Finding(v))
	return nil
}

// Listener judges a socket of this machine by its owner.
func (e *evaluation) Listener(l local.Listener) error {
	e.observed.listener(l)
	e.violations.add(e.judge.Finding(l))
	return nil
}

func (e *evaluation) count(word string, n uint64) {
	e.counts[word] += n
	e.targets += n
}

func (e *evaluation) list(f record.Finding) {
	if len(e.listed) <= maxListed {
		e.listed = append(e.listed, phrase.OneLine(f))
	}
}

// exception returns the index of the exception for an endpoint, or -1. One that names the
// port goes before one for all ports of the host.
func (e *evaluation) exception(a netip.Addr, p probe.Port) int {
	found := -1
	if e.rule.Scan == nil {
		return found
	}
	for i, x := range e.rule.Scan.Except {
		if x.Addr != a || x.Port != p && x.Port != (probe.Port{}) {
			continue
		}
		e.found[i] = true
		if found < 0 || x.Port == p {
			found = i
		}
	}
	return found
}

// result returns the judgement. err, if not nil, is why the command of the rule could not run.
func (e *evaluation) result(end record.End, err error) (record.Rule, []record.Violation) {
	if err != nil {
		end.Summary.NotReached = math.MaxInt64 // how many is not known
	}
	e.violations.add(e.judge.End(end))
	doubt := e.judge.Doubt()
	out := record.Rule{
		Name: e.rule.Name, About: e.rule.section, Outcome: e.judge.Outcome(), Found: e.summary(), File: e.rule.file,
		Line: e.rule.line,
	}
	for i, j := range e.exceptions {
		e.violations.add(j.End(end))
		doubt = cmp.Or(doubt, j.Doubt())
		if o := j.Outcome(); o == record.Fails || o == record.CannotTell && out.Outcome == record.Holds {
			out.Outcome = o
		}
		if !e.found[i] && out.Outcome == record.Holds {
			out.Outcome, out.Error = record.CannotTell, "the exception "+e.rule.Scan.Except[i].Text+" was not probed"
		}
	}
	switch {
	case out.Outcome == record.Fails:
	case err != nil:
		out.Outcome, out.Error = record.CannotTell, err.Error()
	case !end.Complete && out.Outcome == record.CannotTell:
		out.Error = cmp.Or(out.Error, doubt, "not everything could be probed")
	case out.Outcome == record.CannotTell:
		out.Error = cmp.Or(out.Error, doubt)
	}
	if e.violations.more > 0 {
		out.Found += fmt.Sprintf("; %d more violations", e.violations.more)
	}
	phrase.ByAddress(e.violations.kept) // a scan finds them in any order
	return out, e.violations.kept
}

// summary is what was found, in one line.
func (e *evaluation) summary() string {
	if n := len(e.listed); n > 0 && n <= maxListed && uint64(n) == e.targets {
		return strings.Join(e.listed, "; ")
	}
	return phrase.Tally(e.rule.section, e.counts)
}

// violationList keeps the violations of one rule, each once, up to maxViolations.
type violationList struct {
	rule  string
	kept  []record.Violation
	known map[[3]string]bool // what each is about, and what was expected and found
	more  int                // that are not kept
}

func (l *violationList) add(violations []record.Violation) {
	for _, v := range violations {
		v.Rule = l.rule
		key := [3]string{v.What, v.Expected, v.Actual}
		if l.known[key] {
			continue // two expectations of one rule may be violated alike
		}
		if len(l.kept) >= maxViolations {
			l.more++
			continue
		}
		l.known[key] = true
		l.kept = append(l.kept, v)
	}
}
