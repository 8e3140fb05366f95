package scan_test

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"onmux/probe"
	"onmux/scan"
	"onmux/scan/control"
	"onmux/scan/scantest"
	"onmux/scan/simnet"
)

// TestScanSlowsForKnownHosts: where hosts that had answered answer less because
// of the scan's pace, it slows down; where they are just lost, or no host is
// there, it does not.
func TestScanSlowsForKnownHosts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		host   simnet.Host
		link   simnet.Limit
		rate   float64
		slowed bool
	}{
		{"a link that carries a quarter", simnet.Host{Reason: probe.Reset, RTT: 5 * time.Millisecond},
			simnet.Limit{Burst: 25, Rate: 1250}, 5000, true},
		{"a link that carries it", simnet.Host{Reason: probe.Reset, RTT: 5 * time.Millisecond}, simnet.Limit{Burst: 250,
			Rate: 7500}, 5000, false},
		{"no limit", simnet.Host{Reason: probe.Reset, RTT: 5 * time.Millisecond}, simnet.Limit{}, 5000, false},
		{"a fifth is lost", simnet.Host{Reason: probe.Reset, RTT: 5 * time.Millisecond, LossOut: 0.1, LossBack: 0.1},
			simnet.Limit{}, 5000, false},
		{"two fifths are lost", simnet.Host{Reason: probe.Reset, RTT: 5 * time.Millisecond, LossOut: 0.4}, simnet.Limit{},
			5000, false},
		{"no host there", simnet.Host{}, simnet.Limit{Burst: 25, Rate: 1250}, 5000, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			n := simnet.New(
				simnet.Config{Seed: 7, Host: func(probe.Endpoint) simnet.Host { return c.host }, Link: c.link, KnowsTry: true},
			)
			s := scantest.Run(
				t.Context(),
				scan.Config{
					Plan:    scantest.NewPlan(t, []probe.Port{tcp417}, "10.0.0.0/18"),
					Engine:  n,
					Rate:    c.rate,
					NetRate: math.Inf(1),
					Retries: 12,
					Seed:    3,
				},
			)
			s.RequireComplete(t)
			_, slowed := noted(s.Notes, scan.NoteSlowed).Cause.(control.FewerAnswers)
			if slowed != c.slowed {
				t.Errorf("%s: slowed %v; notes %+v", c.name, slowed, s.Notes)
			}
			if silent := s.States["filtered"]; c.host.Reason == probe.Reset && silent > 3 {
				t.Errorf("%s: %d hosts are reported as silent: %+v", c.name, silent, s.Summary)
			}
			t.Logf("%s: %d probes, %d passes, %v, %v", c.name, s.Probes, s.Passes, time.Duration(s.Duration), s.Notes)
			if n.Probes() != s.Probes {
				t.Errorf("%s: %d probes reported, %d sent", c.name, s.Probes, n.Probes())
			}
		})
	}
}
