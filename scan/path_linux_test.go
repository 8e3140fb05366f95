package scan_test

import (
	"net/netip"
	"testing"
	"time"

	"onmux/probe"
	"onmux/probe/nettest"
	"onmux/scan"
	"onmux/scan/engine"
	"onmux/scan/scantest"
	"onmux/scan/target"
)

// TestTruthFarAwayOverTun checks the whole truth table at the end of long paths, with a
// kernel and its clock.
func TestTruthFarAwayOverTun(t *testing.T) {
	t.Parallel()
	for _, method := range engines {
		t.Run(method.name, func(t *testing.T) {
			if !nettest.OwnNamespace(t) {
				return
			}
			w := newTestNet(hostCases(), netip.MustParseAddr("10.92.1.1"), netip.MustParseAddr("fd92::101"))
			w.path, w.seed = longPath, 417
			serveOnTun(t, w)
			for _, p := range probe.Protos() {
				w.check(t, p, func(p *target.Plan) engine.Engine { return method.make(t, p) }, method.sockets)
			}
		})
	}
}

// TestTruthOfLossyPathsOverTun asks hosts that all answer, so that the scan ends
// when all have, and a tenth is lost each way.
func TestTruthOfLossyPathsOverTun(t *testing.T) {
	t.Parallel()
	for _, method := range engines {
		t.Run(method.name, func(t *testing.T) {
			if !nettest.OwnNamespace(t) {
				return
			}
			w := lossyNet(417)
			serveOnTun(t, w)
			plan := scantest.NewPlan(t, both, "10.92.4.0/23")
			w.checkLossy(
				t,
				scan.Config{Plan: plan, Engine: method.make(t, plan), Retries: -1, Timeout: 500 * time.Millisecond, All: true},
				2,
			)
		})
	}
}
