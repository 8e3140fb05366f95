package scan_test

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"onmux/probe"
	"onmux/scan"
	"onmux/scan/control"
	"onmux/scan/scantest"
	"onmux/scan/simnet"
)

// TestRouterICMPRateIsCapped has routers refuse for a network, each error of its own: what one
// of them must send is held down, and then none of it is lost to its limit; many
// together may send as many as they like.
func TestRouterICMPRateIsCapped(t *testing.T) {
	for _, c := range []struct {
		name      string
		routers   byte
		rate      float64
		duplicate float64
		slowed    bool
	}{
		{"one", 1, 10_000, 0, true}, {"one, slowly", 1, 500, 0, false}, {"thirty", 30, 10_000, 0, false},
		{"one, whose errors come twice", 1, 700, 1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				host := func(e probe.Endpoint) simnet.Host {
					return simnet.Host{
						Reason: probe.HostUnreach, Responder: netip.AddrFrom4([4]byte{10, 255, 0, byte(lastByte(e.Addr)) % c.routers}),
						RTT: 2 * time.Millisecond, ICMP: simnet.Limit{Burst: 1000, Rate: 1000}, Duplicate: c.duplicate,
					}
				}
				begun := time.Now()
				s := scantest.Run(t.Context(), scan.Config{
					Plan: scantest.NewPlan(
						t,
						[]probe.Port{tcp417},
						"10.0.0.0/19",
					), Engine: simnet.New(simnet.Config{Host: host}), Rate: c.rate,
				})
				s.RequireComplete(t)
				n := noted(s.Notes, scan.NoteSlowed)
				want := control.RouterErrors{Router: netip.MustParseAddr("10.255.0.0"), Most: 800}
				if slowed := n.Kind != ""; slowed != c.slowed || slowed && n.Cause != want {
					t.Errorf("%+v in %v", s.Notes, time.Since(begun))
				}
				if got := s.States["unreachable"]; got != s.Targets {
					t.Errorf("%d of %d are reported as unreachable: %v", got, s.Targets, s.States)
				}
			})
		})
	}
}
