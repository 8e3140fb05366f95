package scantest

import (
	"context"
	"maps"
	"slices"
	"testing"

	"onmux/probe"
	"onmux/scan"
	"onmux/scan/target"
)

// NewPlan is the plan of ports and targets.
func NewPlan(t testing.TB, ports []probe.Port, targets ...string) *target.Plan {
	t.Helper()
	p, err := target.NewPlan(t.Context(), target.Config{Targets: targets, Ports: ports})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Scan is a scan that was run, and its findings.
type Scan struct {
	scan.Outcome
	Err      error
	Findings []scan.Finding
}

// Run runs a scan and collects its findings.
func Run(ctx context.Context, c scan.Config) Scan {
	var s Scan
	s.Outcome, s.Err = scan.Run(ctx, c, func(f scan.Finding) error {
		s.Findings = append(s.Findings, f)
		return nil
	})
	return s
}

// RequireComplete fails the test if the scan failed or did not reach all targets.
func (s Scan) RequireComplete(t testing.TB) {
	t.Helper()
	if s.Err != nil {
		t.Errorf("error: %v", s.Err)
	}
	if !s.Complete {
		t.Errorf("not complete: %+v", s.Coverage)
	}
}

// Results expands the findings to one result for each endpoint. It fails the
// test if an endpoint has two, a range does not hold as many addresses as it
// counts, or the sums do not add up. The kinds of its doubts are added to its notes.
func (s Scan) Results(t testing.TB) map[probe.Endpoint]probe.Result {
	t.Helper()
	all := make(map[probe.Endpoint]probe.Result)
	add := func(r probe.Result) {
		if _, twice := all[r.Endpoint]; twice {
			t.Errorf("%v has two results", r.Endpoint)
		}
		if r.State == probe.Unknown && r.Error == "" {
			t.Errorf("%v is unknown without an error", r.Endpoint)
		}
		if r.RTT != 0 && !r.Reason.IsAnswer() {
			t.Errorf("%v is %v (%v), with a round-trip time", r.Endpoint, r.State, r.Reason)
		}
		for _, d := range r.Doubts { // tests look for both in one place
			r.Notes = append(slices.Clip(r.Notes), string(d.Kind))
		}
		all[r.Endpoint] = r
	}
	for _, f := range s.Findings {
		switch f := f.(type) {
		case probe.Result:
			add(f)
		case scan.Range:
			expand(t, f, add)
		default:
			t.Errorf("a finding of kind %q", f.Kind())
		}
	}
	states := map[string]uint64{}
	for _, r := range all {
		states[r.State.String()]++
	}
	if !maps.Equal(states, s.States) {
		t.Errorf("results %v, summary %v", states, s.States)
	}
	if uint64(len(all)) != s.Targets {
		t.Errorf("results of %d endpoints, of %d targets", len(all), s.Targets)
	}
	return all
}

// expand passes the results of a range to add.
func expand(t testing.TB, f scan.Range, add func(probe.Result)) {
	t.Helper()
	if f.Count < 2 {
		t.Errorf("a range of %d", f.Count)
	}
	a := f.First
	for i := range f.Count {
		add(probe.Result{
			Endpoint: probe.Endpoint{Addr: a, Port: f.Port, Proto: f.Proto}, State: f.State, Reason: f.Reason,
			Tries: f.Tries, Responder: f.Responder, Error: f.Error, Doubts: f.Doubts, Notes: f.Notes,
		})
		if i == f.Count-1 && a != f.Last {
			t.Errorf("%v–%v does not hold %d addresses", f.First, f.Last, f.Count)
		}
		a = a.Next()
	}
}
