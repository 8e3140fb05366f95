package scan_test

import (
	"net/netip"
	"testing"
	"time"

	"onmux/probe"
	"onmux/probe/nettest"
	"onmux/scan"
	"onmux/scan/engine"
	"onmux/scan/target"
)

// TestTruthFarAwayOverTun holds the whole truth at the end of long ways, with a
// kernel and its clock.
func TestTruthFarAwayOverTun(t *testing.T) {
	nettest.Need(t)
	for _, method := range engines {
		t.Run(method.name, func(t *testing.T) {
			w := newWorld(facts(), netip.MustParseAddr("10.92.1.1"), netip.MustParseAddr("fd92::101"))
			w.way, w.seed = farAway, 417
			overTun(t, w)
			for _, p := range probe.Protos() {
				w.hold(t, p, func(p *target.Plan) engine.Engine { return method.make(t, p) }, method.sockets)
			}
		})
	}
}

// TestTruthOfLossyWaysOverTun asks hosts that all answer, so that the sweep ends
// when all have, and a tenth is lost each way.
func TestTruthOfLossyWaysOverTun(t *testing.T) {
	nettest.Need(t)
	for _, method := range engines {
		t.Run(method.name, func(t *testing.T) {
			w := lossyNet(417)
			overTun(t, w)
			plan := planOf(t, both, "10.92.4.0/23")
			w.holdLossy(t, scan.Config{Plan: plan, Engine: method.make(t, plan), Retries: -1, Timeout: 500 * time.Millisecond, All: true}, 2)
		})
	}
}
