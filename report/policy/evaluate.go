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

// Bounds of what is kept of one rule, to tell it one by one.
const (
	maxTold = 20
	maxHeld = 10_000 // violations
)

// evaluation judges one rule by the findings about it. It keeps counts, not findings.
type evaluation struct {
	rule       Rule
	judge      *expect.Judge
	except     []*expect.Judge // of Scan.Except, in that order
	seen       []bool          // whether anything was found of these
	violations []record.Violation
	known      map[record.Violation]bool
	more       int      // violations that are not kept
	found      []string // what there is to say of one or a few things
	counts     map[string]uint64
	targets    uint64
	observed   observed
	open       []probe.Endpoint // of a network, as many as a snapshot names
}

func newEvaluation(r Rule) *evaluation {
	e := &evaluation{rule: r, judge: expect.NewJudge(r.Expect), counts: make(map[string]uint64), known: make(map[record.Violation]bool)}
	if r.Scan != nil {
		for _, x := range r.Scan.Except {
			e.except = append(e.except, expect.NewJudge([]expect.Expectation{x.Expect}))
		}
		e.seen = make([]bool, len(e.except))
	}
	return e
}

func (e *evaluation) finding(f record.Finding) {
	switch f := f.(type) {
	case probe.Result:
		if i := e.excepted(f.Addr, probe.Port{Number: f.Port, Proto: f.Proto}); i >= 0 {
			e.exception(i, f)
			return
		}
		e.count(f.State.String(), 1)
		if e.rule.Probe != nil {
			e.observed.result(f)
		}
		if f.State == probe.Open && len(e.open) <= maxOpen {
			e.open = append(e.open, f.Endpoint)
		}
		e.say(f)
		e.hold(e.judge.Finding(f))
	case scan.Range:
		e.span(f)
	case local.Verdict:
		e.count(string(f.Verdict), 1)
		e.say(f)
		e.hold(e.judge.Finding(f))
	case local.Listener:
		e.observed.listener(f)
		e.hold(e.judge.Finding(f))
	}
}

func (e *evaluation) count(word string, n uint64) {
	e.counts[word] += n
	e.targets += n
}

func (e *evaluation) say(f record.Finding) {
	if len(e.found) <= maxTold {
		e.found = append(e.found, phrase.OneLine(f))
	}
}

// excepted is which exception an endpoint is, or -1. One that names the port goes before
// one that names all of the host.
func (e *evaluation) excepted(a netip.Addr, p probe.Port) int {
	found := -1
	if e.rule.Scan == nil {
		return found
	}
	for i, x := range e.rule.Scan.Except {
		if x.Addr != a || x.Port != p && x.Port != (probe.Port{}) {
			continue
		}
		e.seen[i] = true
		if found < 0 || x.Port == p {
			found = i
		}
	}
	return found
}

func (e *evaluation) exception(i int, f record.Finding) {
	e.hold(e.except[i].Finding(f))
}

// span takes a range apart where it holds exceptions.
func (e *evaluation) span(f scan.Range) {
	p := probe.Port{Number: f.Port, Proto: f.Proto}
	if e.rule.Scan != nil {
		for i, x := range e.rule.Scan.Except {
			if !x.Addr.Less(f.First) && !f.Last.Less(x.Addr) && e.excepted(x.Addr, p) == i {
				e.exception(i, probe.Result{Endpoint: probe.Endpoint{Addr: x.Addr, Port: f.Port, Proto: f.Proto}, State: f.State, Reason: f.Reason, Error: f.Error})
				f.Count--
			}
		}
	}
	if f.Count > 0 {
		e.count(f.State.String(), f.Count)
		e.hold(e.judge.Finding(f))
	}
}

func (e *evaluation) hold(violations []record.Violation) {
	for _, v := range violations {
		v.Rule = e.rule.Name
		if e.known[v] {
			continue // a closed port is neither open nor does it speak
		}
		if len(e.violations) >= maxHeld {
			e.more++
			continue
		}
		e.known[v] = true
		e.violations = append(e.violations, v)
	}
}

// end returns the judgement. err, if not nil, is why the command of the rule could not run.
func (e *evaluation) end(end record.End, err error) (record.Rule, []record.Violation) {
	if err != nil { // how many were not asked is not known
		end.Summary.NotReached = math.MaxInt64
	}
	e.hold(e.judge.End(end))
	doubt := e.judge.Doubt()
	out := record.Rule{Name: e.rule.Name, About: e.rule.section, Outcome: e.judge.Outcome(), Found: e.summary()}
	for i, j := range e.except {
		e.hold(j.End(end))
		doubt = cmp.Or(doubt, j.Doubt())
		if o := j.Outcome(); o == record.Fails || o == record.CannotTell && out.Outcome == record.Holds {
			out.Outcome = o
		}
		if !e.seen[i] && out.Outcome == record.Holds {
			out.Outcome, out.Error = record.CannotTell, "the exception "+e.rule.Scan.Except[i].Text+" was not asked"
		}
	}
	switch {
	case out.Outcome == record.Fails:
	case err != nil:
		out.Outcome, out.Error = record.CannotTell, err.Error()
	case !end.Complete && out.Outcome == record.CannotTell:
		out.Error = cmp.Or(out.Error, doubt, "not everything could be asked")
	case out.Outcome == record.CannotTell:
		out.Error = cmp.Or(out.Error, doubt)
	}
	if e.more > 0 {
		out.Found += fmt.Sprintf("; %d more violations", e.more)
	}
	return out, e.violations
}

// summary is what was found, in one line.
func (e *evaluation) summary() string {
	if n := len(e.found); n > 0 && n <= 4 && uint64(n) == e.targets {
		return strings.Join(e.found, "; ")
	}
	return phrase.Tally(e.rule.section, e.counts)
}
