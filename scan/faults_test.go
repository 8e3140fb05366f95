package scan_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"onmux/probe"
	"onmux/scan"
	"onmux/scan/scantest"
	"onmux/scan/simnet"
)

// A fault is what happens to the path: whether packets to an endpoint pass at a time
// after the scan began.
type fault struct {
	name   string
	passes func(e probe.Endpoint, after time.Duration) bool
	link   simnet.Limit
}

// faults has paths that fail at some moment of a scan that takes about as long as
// unit, wholly or in part, for good or for a while.
func faults(unit time.Duration) (out []fault) {
	at := func(share float64) time.Duration { return time.Duration(share * float64(unit)) }
	for _, start := range []float64{0.05, 0.3, 0.7, 0.95, 1.2} {
		out = append(out, fault{name: fmt.Sprintf("all gone at %v", start),
			passes: func(_ probe.Endpoint, after time.Duration) bool { return after < at(start) }})
		for _, length := range []time.Duration{2 * time.Second, 8 * time.Second} {
			out = append(out, fault{name: fmt.Sprintf("all gone at %v for %v", start, length),
				passes: func(_ probe.Endpoint, after time.Duration) bool {
					return after < at(start) || after > at(start)+length
				}})
		}
		out = append(out, fault{name: fmt.Sprintf("flapping from %v on", start),
			passes: func(_ probe.Endpoint, after time.Duration) bool {
				return after < at(start) || after/(700*time.Millisecond)%2 == 0
			}})
	}
	return append(out,
		fault{name: "none", passes: func(probe.Endpoint, time.Duration) bool { return true }},
		fault{name: "a link that carries a fifth", link: simnet.Limit{Burst: 50, Rate: 200},
			passes: func(probe.Endpoint, time.Duration) bool { return true }},
	)
}

// TestFaults: whatever happens to the path, no endpoint is reported as anything but
// its true state or unknown, and a scan that leaves one unknown, or unasked, does not
// end as if all were well.
func TestFaults(t *testing.T) {
	t.Parallel()
	truth := func(e probe.Endpoint) probe.Reason {
		switch lastByte(e.Addr) % 4 {
		case 0:
			return probe.NoResponse
		case 1:
			return probe.SynAck
		}
		return probe.Reset
	}
	for _, size := range []struct {
		targets string
		rate    float64
		unit    time.Duration
	}{{"10.0.0.0/28", 100, 200 * time.Millisecond}, {"10.0.0.0/24", 1000, 256 * time.Millisecond}, {"10.0.0.0/20", 2000, 2 * time.Second}} {
		for _, f := range faults(size.unit) {
			for seed := range uint64(3) {
				t.Run(fmt.Sprintf("%s, %s, %d", size.targets, f.name, seed), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						start := time.Now()
						host := func(e probe.Endpoint) simnet.Host {
							h := simnet.Host{Reason: truth(e), RTT: 20 * time.Millisecond}
							if f.passes != nil && !f.passes(e, time.Since(start)) {
								h.Reason = probe.NoReason
							}
							return h
						}
						s := scantest.Run(t.Context(), scan.Config{
							Plan: scantest.NewPlan(t, []probe.Port{tcp417}, size.targets), Rate: size.rate, Seed: seed, All: true,
							Engine:  simnet.New(simnet.Config{Host: host, Link: f.link, KnowsTry: true, Seed: seed}),
							Retries: -1,
						})
						wrong, unknown, answered := 0, 0, 0
						for e, r := range s.Results(t) {
							switch want := truth(e); {
							case r.State == probe.Unknown:
								unknown++
							case r.State != probe.Verdict(probe.TCP, want, true):
								wrong++
							case r.Reason != probe.NoResponse:
								answered++
							}
						}
						if wrong > 0 && answered > 0 { // where nobody answers, silence is all that is known
							t.Errorf("%s, %s, seed %d: %d wrong, %d unknown, %+v", size.targets, f.name, seed, wrong, unknown, s.Summary)
						}
						if left := unknown > 0 || s.NotReached > 0; left && s.Complete {
							t.Errorf("%s, %s, seed %d: complete, with %d unknown: %+v", size.targets, f.name, seed, unknown, s.Summary)
						}
						if f.name == "none" && (unknown > 0 || !s.Complete) {
							t.Errorf("%s: %d unknown, complete %v", size.targets, unknown, s.Complete)
						}
					})
				})
			}
		}
	}
}
