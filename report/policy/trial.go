package policy

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"strings"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/report"
	"onmux/scan"
)

// Bounds of what is kept of one rule, to tell it one by one.
const (
	maxTold = 20
	maxHeld = 10_000 // violations
)

// Trial holds a rule against findings. It keeps counts, not findings.
type Trial struct {
	rule       Rule
	judge      *report.Judge
	except     []*report.Judge // of Scan.Except, in that order
	seen       []bool          // whether anything was found of these
	violations []report.Violation
	known      map[report.Violation]bool
	more       int      // violations that are not kept
	found      []string // what there is to say of one or a few things
	counts     map[string]uint64
	targets    uint64
	sight      sight
	open       []probe.Endpoint // of a network, as many as a snapshot names
}

// Trial begins to judge.
func (r Rule) Trial() *Trial {
	t := &Trial{rule: r, judge: report.NewJudge(r.Expect), counts: make(map[string]uint64), known: make(map[report.Violation]bool)}
	if r.Scan != nil {
		for _, x := range r.Scan.Except {
			t.except = append(t.except, report.NewJudge([]report.Expectation{x.Expect}))
		}
		t.seen = make([]bool, len(t.except))
	}
	return t
}

// Finding takes what was found.
func (t *Trial) Finding(f report.Finding) {
	switch f := f.(type) {
	case probe.Result:
		if i := t.excepted(f.Addr, probe.Port{Number: f.Port, Proto: f.Proto}); i >= 0 {
			t.exception(i, f)
			return
		}
		t.count(f.State.String(), 1)
		if t.rule.Probe != nil {
			t.sight.result(f)
		}
		if f.State == probe.Open && len(t.open) <= maxOpen {
			t.open = append(t.open, f.Endpoint)
		}
		t.say(f)
		t.hold(t.judge.Finding(f))
	case scan.Range:
		t.span(f)
	case local.Verdict:
		t.count(string(f.Verdict), 1)
		t.say(f)
		t.hold(t.judge.Finding(f))
	case local.Listener:
		t.sight.listener(f)
		t.hold(t.judge.Finding(f))
	}
}

func (t *Trial) count(word string, n uint64) {
	t.counts[word] += n
	t.targets += n
}

func (t *Trial) say(f report.Finding) {
	if len(t.found) <= maxTold {
		t.found = append(t.found, report.OneLine(f))
	}
}

// excepted is which exception an endpoint is, or -1. One that names the port goes before
// one that names all of the host.
func (t *Trial) excepted(a netip.Addr, p probe.Port) int {
	found := -1
	if t.rule.Scan == nil {
		return found
	}
	for i, x := range t.rule.Scan.Except {
		if x.Addr != a || x.Port != p && x.Port != (probe.Port{}) {
			continue
		}
		t.seen[i] = true
		if found < 0 || x.Port == p {
			found = i
		}
	}
	return found
}

func (t *Trial) exception(i int, f report.Finding) {
	t.hold(t.except[i].Finding(f))
}

// span takes a range apart where it holds exceptions.
func (t *Trial) span(f scan.Range) {
	p := probe.Port{Number: f.Port, Proto: f.Proto}
	if t.rule.Scan != nil {
		for i, x := range t.rule.Scan.Except {
			if !x.Addr.Less(f.First) && !f.Last.Less(x.Addr) && t.excepted(x.Addr, p) == i {
				t.exception(i, probe.Result{Endpoint: probe.Endpoint{Addr: x.Addr, Port: f.Port, Proto: f.Proto}, State: f.State, Reason: f.Reason, Error: f.Error})
				f.Count--
			}
		}
	}
	if f.Count > 0 {
		t.count(f.State.String(), f.Count)
		t.hold(t.judge.Finding(f))
	}
}

func (t *Trial) hold(violations []report.Violation) {
	for _, v := range violations {
		v.Rule = t.rule.Name
		if t.known[v] {
			continue // a closed port is neither open nor does it speak
		}
		if len(t.violations) >= maxHeld {
			t.more++
			continue
		}
		t.known[v] = true
		t.violations = append(t.violations, v)
	}
}

// End judges. The error, if there is one, is why the question could not be
// asked.
func (t *Trial) End(end report.End, err error) (report.Rule, []report.Violation) {
	if err != nil { // how many were not asked is not known
		end.Summary.NotReached = math.MaxInt64
	}
	t.hold(t.judge.End(end))
	doubt := t.judge.Doubt()
	out := report.Rule{Name: t.rule.Name, About: t.rule.at.Section, Outcome: t.judge.Outcome(), Found: t.summary()}
	for i, j := range t.except {
		t.hold(j.End(end))
		doubt = cmp.Or(doubt, j.Doubt())
		if o := j.Outcome(); o == report.Fails || o == report.CannotTell && out.Outcome == report.Holds {
			out.Outcome = o
		}
		if !t.seen[i] && out.Outcome == report.Holds {
			out.Outcome, out.Error = report.CannotTell, "the exception "+t.rule.Scan.Except[i].Text+" was not asked"
		}
	}
	switch {
	case out.Outcome == report.Fails:
	case err != nil:
		out.Outcome, out.Error = report.CannotTell, err.Error()
	case !end.Complete && out.Outcome == report.CannotTell:
		out.Error = cmp.Or(out.Error, doubt, "not everything could be asked")
	case out.Outcome == report.CannotTell:
		out.Error = cmp.Or(out.Error, doubt)
	}
	if t.more > 0 {
		out.Found += fmt.Sprintf("; %d more violations", t.more)
	}
	return out, t.violations
}

// summary is what was found, in one line.
func (t *Trial) summary() string {
	if n := len(t.found); n > 0 && n <= 4 && uint64(n) == t.targets {
		return strings.Join(t.found, "; ")
	}
	return report.Tally(t.rule.at.Section, t.counts)
}
