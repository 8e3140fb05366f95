package raw_test

import (
	"math"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"onmux/probe"
	"onmux/probe/nettest"
	"onmux/scan"
	"onmux/scan/raw"
	"onmux/scan/scantest"
	"onmux/scan/target"
)

// ephemeral are the ports among which scans take their source ports, and two below.
func ephemeral(proto probe.Proto) (all []probe.Port) {
	for n := 32766; n <= math.MaxUint16; n++ {
		all = append(all, probe.Port{Number: uint16(n), Proto: proto})
	}
	return all
}

func scanOwn(t *testing.T, plan *target.Plan) scantest.Scan {
	return scantest.Run(t.Context(), scan.Config{
		Plan: plan, Engine: newRaw(t, raw.Config{Targets: plan, Evidence: true}),
		Rate: 60_000, NetRate: math.Inf(1), Retries: 2, Timeout: 200 * time.Millisecond,
	})
}

// TestOwnPorts has a scan ask this machine on all ports, its own source ports among
// them: only the server's is open, all others are closed.
func TestOwnPorts(t *testing.T) {
	if !nettest.OwnNamespace(t) {
		return
	}
	const served = 32767
	h := nettest.NewReadyHost(t)
	for _, self := range []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback(), h.Self4} {
		nettest.Serve(t, netip.AddrPortFrom(self, served))
		for _, proto := range probe.Protos() {
			s := scanOwn(t, scantest.NewPlan(t, ephemeral(proto), self.String()))
			s.RequireComplete(t)
			for e, r := range s.Results(t) {
				want := probe.Closed
				if e.Port == served {
					want = probe.Open
				}
				if r.State != want {
					t.Errorf("%v is %v (%v) %s", e, r.State, r.Reason, r.Error)
				}
			}
			if s.Forged != 0 || s.Loss != nil && *s.Loss > 0 {
				t.Errorf("%+v", s.Summary)
			}
		}
	}
}

// TestOwnPortsOfTwoScans has two scans ask this machine at the same time. Neither
// takes the other's probes for answers; what cannot be asked for them is unknown.
func TestOwnPortsOfTwoScans(t *testing.T) {
	if !nettest.OwnNamespace(t) {
		return
	}
	plan := scantest.NewPlan(t, ephemeral(probe.UDP), "127.0.0.1")
	nettest.Serve(t, netip.MustParseAddrPort("127.0.0.1:32766"))
	var scans [2]scantest.Scan
	var running sync.WaitGroup
	for i := range scans {
		running.Go(func() { scans[i] = scanOwn(t, plan) })
	}
	running.Wait()
	for _, s := range scans {
		unknown := 0
		for e, r := range s.Results(t) {
			switch {
			case (e.Port == 32766) != (r.State == probe.Open):
				t.Errorf("%v is %v (%v) %s", e, r.State, r.Reason, r.Error)
			case r.State == probe.Unknown:
				unknown++
				if !strings.Contains(r.Error, "another scan on this machine sends from this port") {
					t.Errorf("%v: %q", e, r.Error)
				}
			}
		}
		t.Logf("%d unknown: %+v", unknown, s.Summary)
	}
}
