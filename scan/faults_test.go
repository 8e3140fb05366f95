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
		fault{name: "half of the networks gone at 0.5", passes: func(e probe.Endpoint, after time.Duration) bool {
			return after < at(0.5) || e.Addr.As4()[2] < 4
		}},
		fault{name: "a link that carries a fifth", link: simnet.Limit{Burst: 50, Rate: 200},
			passes: func(probe.Endpoint, time.Duration) bool { return true }},
	)
}

// TestFaults: whatever happens to the path, no endpoint is reported as anything but
// its true state or unknown, and a scan that leaves one unknown, or unasked, does not
// end as if all were well. Not here is what no control can show: an outage that is
// shorter than the time between two control probes, and one before which nobody has
// answered but by refusing UDP: as ICMP errors are limited, that is no control.
func TestFaults(t *testing.T) {
	t.Parallel()
	for _, size := range []struct {
		targets string
		rate    float64
		unit    time.Duration
	}{
		{"10.0.0.0/28", 100, 200 * time.Millisecond},
		{"10.0.0.0/24", 1000, 256 * time.Millisecond},
		{"10.0.0.0/21", 1000, 2 * time.Second},
	} {
		for i, f := range faults(size.unit) {
			for seed := range uint64(4) {
				if size.unit > time.Second && int(seed+seed/2)%2 != i%2 {
					continue // half of the combinations, another half with the next fault
				}
				port, sockets := tcp417, seed%2 > 0
				if seed/2 > 0 {
					port = udp417
				}
				name := fmt.Sprintf("%s, %s, %s, sockets %v", size.targets, f.name, port.Proto, sockets)
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						f.test(t, scan.Config{
							Plan: scantest.NewPlan(t, []probe.Port{port}, size.targets), Rate: size.rate, Seed: seed, All: true, Retries: -1,
						}, simnet.Config{KnowsTry: true, CountPending: sockets, MeasureRTT: sockets, Seed: seed})
					})
				})
			}
		}
	}
}

// pathTruth is how an endpoint of TestFaults answers while the path works.
func pathTruth(e probe.Endpoint) probe.Reason {
	reasons := map[probe.Proto][3]probe.Reason{
		probe.TCP: {probe.NoResponse, probe.SynAck, probe.Reset},
		probe.UDP: {probe.NoResponse, probe.UDPResponse, probe.PortUnreach},
	}
	return reasons[e.Proto][min(lastByte(e.Addr)%4, 2)]
}

// test scans a network with the fault.
func (f fault) test(t *testing.T, c scan.Config, network simnet.Config) {
	start := time.Now()
	network.Link = f.link
	network.Host = func(e probe.Endpoint) simnet.Host {
		h := simnet.Host{Reason: pathTruth(e), RTT: 20 * time.Millisecond}
		if !f.passes(e, time.Since(start)) {
			h.Reason = probe.NoReason
		}
		return h
	}
	c.Engine = simnet.New(network)
	s := scantest.Run(t.Context(), c)
	wrong, unknown, answered := 0, 0, 0
	for e, r := range s.Results(t) {
		switch want := pathTruth(e); {
		case r.State == probe.Unknown:
			unknown++
		case r.State != probe.Verdict(e.Proto, want, true):
			wrong++
		case r.Reason != probe.NoResponse && r.Reason != probe.PortUnreach:
			answered++
		}
	}
	if wrong > 0 && answered > 0 {
		t.Errorf("%d wrong, %d unknown, %+v, %+v", wrong, unknown, s.Summary, s.Controls)
	}
	if (unknown > 0 || s.NotReached > 0) && s.Complete {
		t.Errorf("complete, with %d unknown: %+v", unknown, s.Summary)
	}
	if f.name == "none" && (unknown > 0 || !s.Complete) {
		t.Errorf("%d unknown, complete %v", unknown, s.Complete)
	}
}
