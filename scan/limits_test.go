package scan_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"onmux/probe"
	"onmux/scan"
	"onmux/scan/scantest"
	"onmux/scan/simnet"
)

// TestLimitedNetworksDecideNothing asks one UDP port of networks of three kinds: one
// machine answers for all of a network, at a limited rate; every host answers for
// itself, and half of them drop; the same while every tenth packet is lost. Only of
// the first does silence mean nothing.
func TestLimitedNetworksDecideNothing(t *testing.T) {
	t.Parallel()
	const note = string(probe.DoubtNetworkLimits)
	one := []probe.Port{{Number: 417, Proto: probe.UDP}}
	var many []probe.Port
	for n := range uint16(20) {
		many = append(many, probe.Port{Number: 410 + n, Proto: probe.UDP})
	}
	for _, c := range []struct {
		name    string
		targets []string
		limited string // the network for which one machine answers, as the beginning of its addresses
		loss    float64
		rate    float64
		by      netip.Addr // who refuses, if not the address itself
		many    bool       // ports
	}{
		{"a /24", []string{"10.0.0.0/24"}, "10.0.0.", 0, 0, netip.Addr{}, false},
		{"a /24, slowly", []string{"10.0.0.0/24"}, "10.0.0.", 0, 100, netip.Addr{}, false},
		{"a /28", []string{"10.0.0.0/28"}, "10.0.0.", 0, 0, netip.Addr{}, false},
		{"one of many", []string{"10.0.0.0/20"}, "10.0.7.", 0, 0, netip.Addr{}, false},
		{"one of many with loss", []string{"10.0.0.0/20"}, "10.0.7.", 0.1, 0, netip.Addr{}, false},
		{"a firewall", []string{"10.0.0.0/20"}, "10.0.7.", 0, 0, router, false},
		{"a /20", []string{"10.0.0.0/20"}, "10.0.", 0, 0, netip.Addr{}, false},
		{"of IPv6", []string{"fd00::/120"}, "fd00::", 0, 0, netip.Addr{}, false},
		{"on many ports", []string{"10.0.0.0/24"}, "10.0.0.", 0, 0, netip.Addr{}, true},
		{"a /25 that has answered in the end", []string{"10.0.0.0/25"}, "10.0.0.", 0, 9, netip.Addr{}, false},
		{"none", []string{"10.0.0.0/20"}, "-", 0, 0, netip.Addr{}, false},
		{"none, and loss", []string{"10.0.0.0/20"}, "-", 0.1, 0, netip.Addr{}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				limited := func(a netip.Addr) bool { return strings.HasPrefix(a.String(), c.limited) }
				host := func(e probe.Endpoint) simnet.Host {
					h := simnet.Host{Reason: probe.PortUnreach, RTT: time.Millisecond, LossBack: c.loss}
					switch {
					case limited(e.Addr):
						h.ICMP, h.LimitOf, h.Responder = simnet.Limit{Burst: 6, Rate: 1}, router, c.by
					case lastByte(e.Addr)%2 == 0:
						return simnet.Host{}
					}
					return h
				}
				ports := one
				if c.many {
					ports = many
				}
				retries := 3
				if c.rate == 9 {
					retries = 14
				}
				s := scantest.Run(t.Context(), scan.Config{
					Plan: scantest.NewPlan(t, ports, c.targets...), Engine: simnet.New(simnet.Config{Host: host}),
					Rate: c.rate, Retries: retries, All: true,
				})
				s.RequireComplete(t)
				wrong, silent := 0, 0
				for e, r := range s.Results(t) {
					if r.State == probe.OpenFiltered {
						silent++
						if results := slices.Contains(r.Notes, note) || c.many && len(r.Notes) == 1; results != limited(e.Addr) {
							wrong++
						}
					}
				}
				if wrong > 0 {
					t.Errorf("%d of %d silent endpoints are reported wrongly", wrong, silent)
				}
				noted := noted(s.Coverage, scan.CoverUndecided).Count > 0
				if noted != (c.limited != "-" && silent > 0) {
					t.Errorf("coverage %+v", s.Coverage)
				}
				if s.Loss != nil && (*s.Loss < c.loss-0.03 || *s.Loss > c.loss+0.03) {
					t.Errorf("a loss of %v, which is %v", *s.Loss, c.loss)
				}
			})
		})
	}
}
