package scan_test

import (
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"onmux/probe"
	"onmux/scan"
	"onmux/scan/scantest"
	"onmux/scan/simnet"
)

// TestScanWithOutages: where hosts that had answered stop, silence is not accepted. If
// they come back, the silent are asked again; if not, the scan ends with an error.
func TestScanWithOutages(t *testing.T) {
	t.Parallel()
	refuses := simnet.Host{Reason: probe.Reset, RTT: 5 * time.Millisecond}
	for _, c := range []struct {
		name     string
		from, to time.Duration // when no host answers
		host     func(e probe.Endpoint) simnet.Host
		complete bool
		missed   uint64 // reported silent though they answer, at most
	}{
		{"never", 0, 0, nil, true, 0},
		{"for two seconds", 2 * time.Second, 4 * time.Second, nil, true, 0},
		{"from the middle on", 2 * time.Second, time.Hour, nil, false, math.MaxUint64},
		{"at the end, for a while", 6 * time.Second, 9 * time.Second, nil, true, 0},
		{"half of them never answer", 2 * time.Second, 3 * time.Second, func(e probe.Endpoint) simnet.Host {
			if e.Addr.As4()[3]%2 == 0 {
				return simnet.Host{}
			}
			return refuses
		}, true, 0},
		{"each answers once", 0, 0, nil, false, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			seen := make(map[probe.Endpoint]bool)
			n := simnet.New(simnet.Config{Seed: 7, KnowsTry: true, Host: func(e probe.Endpoint) simnet.Host {
				past := time.Since(start)
				once := c.name == "each answers once"
				switch {
				case past >= c.from && past < c.to, once && seen[e], once && e.Addr.As4()[2] == 9:
					return simnet.Host{}
				case c.host != nil:
					return c.host(e)
				}
				seen[e] = true
				return refuses
			}})
			s := scantest.Run(
				t.Context(),
				scan.Config{
					Plan:    scantest.NewPlan(t, []probe.Port{tcp417}, "10.0.0.0/18"),
					Engine:  n,
					Rate:    2500,
					NetRate: math.Inf(1),
					Retries: 12,
					Seed:    3,
				},
			)
			if s.Complete != c.complete || (s.Err == nil) != c.complete {
				t.Fatalf("%s: complete %v, %v: %+v", c.name, s.Complete, s.Err, s.Summary)
			}
			silent := s.States["filtered"]
			if c.host != nil {
				silent -= 1 << 13
			}
			switch {
			case c.name == "each answers once": // of those that were reached
				if silent > 256 {
					t.Errorf("%s: %+v", c.name, s.Summary)
				}
			case !c.complete && (s.Loss != nil || s.ExpectedMissed != nil || s.NotReached == 0 ||
				!strings.Contains(s.Err.Error(), "hosts that had answered")):
				t.Errorf("%s: %v %+v", c.name, s.Err, s.Summary)
			case c.complete && silent > c.missed:
				t.Errorf("%s: %d hosts are reported as silent: %+v %+v", c.name, silent, s.Summary, s.Notes)
			}
			if outage := c.to > 0 || !c.complete; outage != (noted(s.Notes, scan.NoteOutage).Kind != "") {
				t.Errorf("%s: notes %+v", c.name, s.Notes)
			}
			t.Logf("%s: %+v, %v, %v", c.name, s.Summary, s.Err, s.Notes)
		})
	}
}
