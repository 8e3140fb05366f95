package scan_test

import (
	"testing"
	"time"

	"onmux/probe/nettest"
	"onmux/scan"
	"onmux/scan/scantest"
	"onmux/scan/target"
)

// TestTruthOfLimitedICMPOverTun asks hosts whose ICMP errors are rare, and hosts
// on many ports, with a kernel and its clock.
func TestTruthOfLimitedICMPOverTun(t *testing.T) {
	t.Parallel()
	for _, method := range engines {
		t.Run(method.name, func(t *testing.T) {
			t.Parallel()
			config := func(t *testing.T, p *target.Plan) scan.Config {
				return scan.Config{Plan: p, Engine: method.make(t, p), Retries: 1, Timeout: 300 * time.Millisecond, All: true}
			}
			t.Run("one port", func(t *testing.T) {
				if !nettest.OwnNamespace(t) {
					return
				}
				w, sent := limitedNet()
				serveOnTun(t, w)
				w.checkLimited(t, sent, config(t, scantest.NewPlan(t, both, "10.92.8.0/24", "fd92::800/120")))
			})
			t.Run("many ports", func(t *testing.T) {
				if !nettest.OwnNamespace(t) {
					return
				}
				w, sent, ports := manyPorts()
				serveOnTun(t, w)
				w.checkManyPorts(t, sent, config(t, scantest.NewPlan(t, ports, "10.92.9.0/28", "fd92::900/124")))
			})
		})
	}
}
