package scan_test

import (
	"fmt"
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

// TestLimitedNetworksCostNothing: where ICMP errors are limited, as those of Linux hosts and
// routers are, a scan takes as long as its passes do, and sends as few probes.
func TestLimitedNetworksCostNothing(t *testing.T) {
	t.Parallel()
	const (
		perSecond = 10_000
		confirm   = 200 * time.Millisecond // that some control answers after the last pass
	)
	for _, c := range []struct {
		name    string
		proto   probe.Proto
		waits   time.Duration // of all passes
		refuses func(a netip.Addr) bool
	}{
		{"refused ports", probe.UDP, 3900 * time.Millisecond, func(netip.Addr) bool { return true }},
		{"hosts that a router cannot reach", probe.TCP, 1100 * time.Millisecond, func(a netip.Addr) bool {
			return lastByte(a)%4 == 1
		}},
	} {
		for _, targets := range []string{"10.0.0.0/24", "10.0.0.0/22"} {
			for _, sockets := range []bool{false, true} {
				name := fmt.Sprintf("%s, %s, sockets %v", c.name, targets, sockets)
				synctest.Test(t, func(t *testing.T) {
					host := func(e probe.Endpoint) simnet.Host {
						h := simnet.Host{Reason: probe.HostUnreach, Responder: router, RTT: time.Millisecond}
						switch {
						case e.Proto == probe.UDP:
							h.Reason, h.Responder, h.LimitOf = probe.PortUnreach, netip.Addr{}, router
						case !c.refuses(e.Addr):
							return simnet.Host{Reason: probe.Reset, RTT: time.Millisecond}
						}
						h.ICMP = simnet.Limit{Burst: 6, Rate: 1}
						return h
					}
					s := scantest.Run(t.Context(), scan.Config{
						Plan: scantest.NewPlan(t, []probe.Port{{Number: 417, Proto: c.proto}}, targets), Retries: -1,
						Engine: simnet.New(simnet.Config{Host: host, KnowsTry: true, CountPending: sockets, MeasureRTT: sockets}),
					})
					s.RequireComplete(t)
					n := float64(ordinary(s.Summary))
					if float64(s.Probes) > max(1.05*n, n+16) {
						t.Errorf("%s: %d probes, of which %v are of the passes", name, s.Probes, n)
					}
					sending := time.Duration(n / perSecond * float64(time.Second))
					if took := time.Duration(s.Duration); took > (sending+c.waits)*105/100+confirm {
						t.Errorf("%s: it took %v: %+v, %+v", name, took, s.Summary, s.Notes)
					}
				})
			}
		}
	}
}
