package scan_test

import (
	"net/netip"
	"testing"
	"time"

	"onmux/probe"
	"onmux/probe/decoy"
	"onmux/probe/nettest"
	"onmux/scan/engine"
	"onmux/scan/raw"
	"onmux/scan/target"
)

// TestTruthOnEveryPort has hosts do on every port what they do on 417, and looks
// twice at those that are open.
func TestTruthOnEveryPort(t *testing.T) {
	if !nettest.OwnNamespace(t) {
		return
	}
	w := newTestNet(hostCases(), netip.MustParseAddr("10.92.1.1"), netip.MustParseAddr("fd92::101"))
	serveOnTun(t, w)
	w.check(
		t,
		probe.TCP,
		func(p *target.Plan) engine.Engine { return newRaw(t, raw.Config{Targets: p}) },
		false,
		1,
		419,
		65535,
	)
	t.Run("open", w.checkBehavior)
}

// lookTwice asks other ports of hosts that are open, and makes a connection to
// 417 to see what becomes of it.
func (w *testNet) checkBehavior(t *testing.T) {
	conducts := map[string]probe.Behavior{
		"open": probe.NeverAcknowledges, "zero window": probe.ZeroWindow, "SYN-ACK, then RST": probe.ResetsAtOnce,
	}
	looked := 0
	for a, f := range w.at {
		conduct, ok := conducts[f.name]
		if !ok {
			continue
		}
		looked++
		t.Run(a.String(), func(t *testing.T) {
			t.Parallel()
			e := probe.Endpoint{Addr: a, Port: 417, Proto: probe.TCP}
			o, err := decoy.Verify(t.Context(), e, decoy.Options{Timeout: 4 * time.Second})
			if err != nil || o.Behavior != conduct || !o.Everywhere {
				t.Errorf("%s: %+v, %v, want %s everywhere", f.name, o, err, conduct)
			}
		})
	}
	if looked != 2*len(conducts) {
		t.Errorf("looked at %d hosts", looked)
	}
}
