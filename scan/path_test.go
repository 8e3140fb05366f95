package scan_test

import (
	"math"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"onmux/probe"
	"onmux/probe/nettest/race"
	"onmux/scan"
	"onmux/scan/engine"
	"onmux/scan/scantest"
	"onmux/scan/simnet"
	"onmux/scan/target"
)

// longPath has hosts at distances from 20 to 300 ms, with jitter that puts answers
// out of order, and some of them come twice.
func longPath(a netip.Addr) simnet.Path {
	far := time.Duration(lastByte(a)) * 7919 % 281
	return simnet.Path{RTT: (20 + far) * time.Millisecond, Jitter: 40 * time.Millisecond, Duplicate: 0.3}
}

// lossyPath loses a tenth each way.
func lossyPath(a netip.Addr) simnet.Path {
	w := longPath(a)
	w.RTT /= 4
	w.LossOut, w.LossBack = 0.1, 0.1
	return w
}

// lossyNet is 512 hosts at the end of lossy paths, half of them open and half
// closed, at 10.92.4.0/23, and as many that are silent, at 10.92.6.0/23.
func lossyNet(seed uint64) *testNet {
	var hosts []hostCase
	for i := range 1024 {
		f := hostCase{respond: always(open), tcp: probe.SynAck, udp: probe.UDPResponse}
		switch {
		case i >= 512:
			f = hostCase{respond: always(), tcp: none, udp: none}
		case i%2 == 1:
			f = hostCase{respond: always(closed), tcp: probe.Reset, udp: probe.PortUnreach, self: true}
		}
		hosts = append(hosts, f)
	}
	w := newTestNet(hosts, netip.MustParseAddr("10.92.4.0"), netip.MustParseAddr("fd92::400"))
	w.path, w.seed = lossyPath, seed
	return w
}

// checkLossy asks such hosts. No more may be missed than the summary expects and
// spare, and nothing else may be reported of the others. It returns what was missed
// and what was expected to be.
func (w *testNet) checkLossy(t *testing.T, c scan.Config, spare float64) (missed, expected float64) {
	t.Helper()
	s := scantest.Run(t.Context(), c)
	s.RequireComplete(t)
	for e, r := range s.Results(t) {
		switch want := reason(w.at[e.Addr], e.Proto, false); {
		case r.Reason == none && want != none:
			missed++
		case r.Reason != want || r.State != probe.Verdict(e.Proto, want, true):
			t.Errorf("%v is reported as %v (%v) %s, want %v", e, r.State, r.Reason, r.Error, want)
		case r.RTT > 0 && time.Duration(r.RTT) < w.path(e.Addr).RTT:
			t.Errorf("%v answered after %v, and the path takes %v", e, time.Duration(r.RTT), w.path(e.Addr).RTT)
		}
	}
	if s.ExpectedMissed == nil || s.Loss == nil {
		t.Fatalf("no loss measured: %+v", s.Summary)
	}
	if missed > *s.ExpectedMissed+spare {
		t.Errorf("%v hosts were missed, and %.2f expected to be: %+v", missed, *s.ExpectedMissed, s.Summary)
	}
	if _, exact := c.Engine.(*packetEngine); exact && math.Abs(*s.Loss-0.19) > 0.06 {
		t.Errorf("a loss of 0.19 was measured as %.3f", *s.Loss)
	}
	t.Logf("%v missed, %.2f expected, loss %.3f, %d passes, %d probes, %v",
		missed, *s.ExpectedMissed, *s.Loss, s.Passes, s.Probes, time.Duration(s.Duration))
	return missed, *s.ExpectedMissed
}

// TestTruthFarAway checks the whole truth table at the end of long paths.
func TestTruthFarAway(t *testing.T) {
	for _, p := range probe.Protos() {
		synctest.Test(t, func(t *testing.T) {
			w := newTestNet(hostCases(), netip.MustParseAddr("10.92.1.1"), netip.MustParseAddr("fd92::101"))
			w.path, w.seed = longPath, 417
			w.check(t, p, func(plan *target.Plan) engine.Engine { return newPacketEngine(t, w, plan) }, false)
		})
	}
}

// TestTruthOfLossyPaths asks ten networks with the defaults. How
// many hosts are missed is chance; in all of them together it may not be far from
// what was expected.
func TestTruthOfLossyPaths(t *testing.T) {
	t.Parallel()
	for _, p := range probe.Protos() {
		missed, expected := 0.0, 0.0
		for seed := range uint64(10 / race.Nth) {
			synctest.Test(t, func(t *testing.T) {
				w := lossyNet(seed)
				plan := scantest.NewPlan(t, []probe.Port{{Number: 417, Proto: p}}, "10.92.4.0/22")
				m, e := w.checkLossy(
					t,
					scan.Config{Plan: plan, Engine: newPacketEngine(t, w, plan), Retries: -1, Seed: seed, All: true},
					2,
				)
				missed, expected = missed+m, expected+e
			})
		}
		if math.Abs(missed-expected) > 3*math.Sqrt(expected+1) {
			t.Errorf("%v: %v hosts were missed, and %.1f expected to be", p, missed, expected)
		}
		t.Logf("%v: %v missed, %.1f expected", p, missed, expected)
	}
}
