package scan_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"onmux/probe"
	"onmux/scan"
	"onmux/scan/engine"
	"onmux/scan/scantest"
	"onmux/scan/simnet"
	"onmux/scan/target"
)

// TestShardsArePartsOfTheWhole runs every shard and puts them together.
func TestShardsArePartsOfTheWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := scantest.NewPlan(t, both, "10.0.0.0/24", "2001:db8::/122")
		for _, n := range []int{1, 2, 3, 7} {
			seen := map[probe.Endpoint]int{}
			for i := range n {
				s := scantest.Run(t.Context(), scan.Config{
					Plan: plan, Engine: simnet.New(simnet.Config{Host: mixed}), Retries: -1, Seed: 5, Shard: target.Shard{I: i + 1,
						N: n},
				})
				s.RequireComplete(t)
				for e, r := range s.Results(t) {
					seen[e]++
					if state, _ := truth(mixed, e); r.State != state {
						t.Errorf("shard %d of %d: %v reported as %v, is %v", i+1, n, e, r.State, state)
					}
				}
				if share := plan.Len() / uint64(n); s.Targets < share || s.Targets > share+1 {
					t.Errorf("shard %d of %d has %d targets", i+1, n, s.Targets)
				}
			}
			for i := range plan.Len() {
				if e := plan.At(i); seen[e] != 1 {
					t.Errorf("%v is in %d of %d shards", e, seen[e], n)
				}
			}
		}
	})
}

// TestRoundTripsComeFromStamps checks times that the engine did not measure.
func TestRoundTripsComeFromStamps(t *testing.T) {
	for _, rate := range []float64{50, 10_000, 100_000} {
		synctest.Test(t, func(t *testing.T) {
			rtt := func(e probe.Endpoint) time.Duration {
				return time.Duration(lastByte(e.Addr)+1) * time.Millisecond / 4
			}
			host := func(e probe.Endpoint) simnet.Host {
				return simnet.Host{Reason: probe.Reset, RTT: rtt(e), LossOut: 0.2, Duplicate: 0.3}
			}
			s := scantest.Run(t.Context(), scan.Config{
				Plan: scantest.NewPlan(
					t,
					[]probe.Port{tcp417},
					"10.0.0.0/24",
				), Engine: simnet.New(simnet.Config{Host: host, KnowsTry: true}),
				Rate: rate, Retries: 14, All: true,
			})
			s.RequireComplete(t)
			for e, r := range s.Results(t) {
				if got, want := time.Duration(r.RTT), rtt(e); r.State == probe.Closed && got != want {
					t.Errorf("at %v a second: %v took %v, reported as %v", rate, e, want, got)
				}
			}
		})
	}
}

// TestLimitedUDPDecidesNothing asks hosts on more UDP ports than they refuse
// without a pause.
func TestLimitedUDPDecidesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ports []probe.Port
		for n := range 20 {
			ports = append(ports, probe.Port{Number: uint16(400 + n), Proto: probe.UDP})
		}
		host := func(e probe.Endpoint) simnet.Host {
			switch {
			case lastByte(e.Addr) >= 8:
				return simnet.Host{}
			case e.Port == 417:
				return simnet.Host{Reason: probe.UDPResponse, RTT: time.Millisecond}
			}
			return simnet.Host{Reason: probe.PortUnreach, RTT: time.Millisecond, ICMP: simnet.Limit{Burst: 6, Rate: 1}}
		}
		plan := scantest.NewPlan(t, ports, "10.0.0.0/28")
		s := scantest.Run(t.Context(), scan.Config{Plan: plan, Engine: simnet.New(simnet.Config{Host: host}), Retries: -1})
		s.RequireComplete(t)
		if s.Passes != scan.DefaultRetries+1 { // two, and others for the payloads
			t.Errorf("%d passes", s.Passes)
		}
		undecided := 0
		for e, r := range s.Results(t) {
			doubted := slices.Contains(r.Notes, string(probe.DoubtHostLimits))
			if want := lastByte(e.Addr) < 8 && r.State == probe.OpenFiltered; doubted != want {
				t.Errorf("%v is %v, notes %q", e, r.State, r.Notes)
			}
			if doubted {
				undecided++
			}
		}
		if undecided == 0 || noted(s.Coverage, scan.CoverUndecided).Count != uint64(undecided) {
			t.Errorf("%d undecided, coverage %+v", undecided, s.Coverage)
		}
	})
}

// TestLimitedRouterIsNoLoss has a router refuse for a silent network, a few
// times a second: that must not look like hosts that answer late.
func TestLimitedRouterIsNoLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := func(e probe.Endpoint) simnet.Host {
			if lastByte(e.Addr) < 10 {
				return simnet.Host{Reason: probe.Reset, RTT: time.Millisecond}
			}
			return simnet.Host{
				Reason:    probe.HostUnreach,
				Responder: router,
				RTT:       3 * time.Second,
				ICMP:      simnet.Limit{Burst: 6, Rate: 10},
			}
		}
		start := time.Now()
		s := scantest.Run(t.Context(), scan.Config{
			Plan: scantest.NewPlan(
				t,
				[]probe.Port{tcp417},
				"10.0.0.0/23",
			), Engine: simnet.New(simnet.Config{Host: host}), Retries: -1,
		})
		s.RequireComplete(t)
		s.Results(t)
		if s.Passes != 2 || *s.Loss != 0 || s.States["closed"] != 20 {
			t.Errorf("%+v", s.Summary)
		}
		if d := time.Since(start); d > 3*time.Second {
			t.Errorf("a router's late words made the scan wait %v", d)
		}
	})
}

func TestRangeNamesItsResponder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		other := netip.MustParseAddr("192.0.2.253")
		host := func(e probe.Endpoint) simnet.Host {
			h := simnet.Host{Reason: probe.HostUnreach, Responder: router, RTT: time.Millisecond}
			if e.Proto == probe.UDP && lastByte(e.Addr) == 7 {
				h.Responder = other
			}
			return h
		}
		s := scantest.Run(
			t.Context(),
			scan.Config{Plan: scantest.NewPlan(t, both, "10.0.0.0/28"), Engine: simnet.New(simnet.Config{Host: host})},
		)
		s.RequireComplete(t)
		if len(s.Findings) != 2 {
			t.Fatalf("reported %v", s.Findings)
		}
		for i, want := range []netip.Addr{router, {}} {
			if r := s.Findings[i].(scan.Range); r.Responder != want {
				t.Errorf("%v: the responder is %v, want %v", r.Proto, r.Responder, want)
			}
		}
	})
}

// TestProgressNeverGoesBack checks what Progress promises.
func TestProgressNeverGoesBack(t *testing.T) {
	for _, rate := range []float64{20, 1000, math.Inf(1)} {
		synctest.Test(t, func(t *testing.T) {
			start, calls := time.Now(), 0
			var last scan.Progress
			host := func(e probe.Endpoint) simnet.Host {
				return simnet.Host{Reason: probe.SynAck, RTT: 300 * time.Millisecond, LossBack: 0.3}
			}
			s := scantest.Run(t.Context(), scan.Config{
				Plan: scantest.NewPlan(
					t,
					[]probe.Port{tcp417},
					"10.0.0.0/24",
				), Engine: simnet.New(simnet.Config{Host: host}), Rate: rate, Retries: -1,
				Watch: func(p scan.Progress) {
					calls++
					if p.Done < last.Done || p.Open < last.Open || p.Pass < last.Pass || p.Done > p.Total || p.ETA < 0 {
						t.Errorf("%+v after %+v", p, last)
					}
					last = p
				},
			})
			s.RequireComplete(t)
			seconds := time.Since(start).Seconds()
			if n := ordinary(s.Summary); last.Done != n || last.Total != n || last.Open != s.States["open"] || last.ETA != 0 {
				t.Errorf("the last report was %+v of %+v", last, s.Summary)
			}
			if perSecond := float64(calls) / seconds; calls > 5 && (perSecond < 5 || perSecond > 11) {
				t.Errorf("reported %.1f times a second", perSecond)
			}
		})
	}
}

// busyEngine takes one probe in every other call, and none while blocked.
type busyEngine struct {
	*simnet.Network
	calls   int
	blocked func() bool
}

func (b *busyEngine) Send(ctx context.Context, batch []engine.Probe) (int, error) {
	short := fmt.Errorf("%w: out of local ports", probe.ErrBusy)
	if b.blocked() {
		return 0, short
	}
	if b.calls++; b.calls%10 == 0 {
		n, err := b.Network.Send(ctx, batch[:1])
		return n, errors.Join(err, short)
	}
	return b.Network.Send(ctx, batch)
}

func TestShortageSlowsAndLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		e := &busyEngine{Network: simnet.New(simnet.Config{Host: mixed}), blocked: func() bool {
			d := time.Since(start)
			return d > 20*time.Millisecond && d < 20*time.Second
		}}
		plan := scantest.NewPlan(t, both, "10.0.0.0/22")
		s := scantest.Run(t.Context(), scan.Config{Plan: plan, Engine: e, Retries: -1})
		s.RequireComplete(t)
		for e, r := range s.Results(t) {
			if state, _ := truth(mixed, e); r.State != state {
				t.Errorf("%v reported as %v, is %v", e, r.State, state)
			}
		}
		if s.Probes != e.Probes() || s.Targets != plan.Len() {
			t.Errorf("%d probes left, reported as %+v", e.Probes(), s.Summary)
		}
		if n := noted(s.Notes, scan.NoteSlowed); n.Rate != 100 || n.Cause == nil {
			t.Errorf("notes %+v", s.Notes)
		}
	})
}

// TestShortageForGood never takes another probe: in the first pass the rest is
// unknown, in the second silence stands.
func TestShortageForGood(t *testing.T) {
	for _, after := range []uint64{0, 100, 520} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			net := simnet.New(simnet.Config{Host: mixed})
			e := &busyEngine{Network: net, blocked: func() bool { return net.Probes() >= after }}
			plan := scantest.NewPlan(t, both, "10.0.0.0/24")
			s := scantest.Run(t.Context(), scan.Config{Plan: plan, Engine: e, Retries: -1})
			if s.Err != nil || s.Complete || s.Targets != 512 || s.NotReached != 0 {
				t.Errorf("after %d: %v, %+v", after, s.Err, s.Outcome)
			}
			if d := time.Since(start); d < 30*time.Second || d > 40*time.Second {
				t.Errorf("after %d: gave up after %v", after, d)
			}
			unknown := uint64(0)
			for e, r := range s.Results(t) {
				if state, _ := truth(mixed, e); r.State == probe.Unknown && r.Tries == 0 {
					unknown++
					if !strings.Contains(r.Error, "out of local ports") {
						t.Errorf("%v: %q", e, r.Error)
					}
				} else if r.State != state {
					t.Errorf("%v reported as %v, is %v", e, r.State, state)
				}
			}
			if unknown+min(s.Probes, 512) != 512 {
				t.Errorf("after %d: %d unknown, %d probes; coverage %+v", after, unknown, s.Probes, s.Coverage)
			}
		})
	}
}

// TestNetworksGoneBad runs seeds of a network that loses, doubles and delays.
func TestNetworksGoneBad(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		synctest.Test(t, func(t *testing.T) {
			host := func(e probe.Endpoint) simnet.Host {
				h := mixed(e)
				h.LossOut, h.LossBack, h.Duplicate, h.Late, h.Delay = 0.1, 0.1, 0.2, 0.1, 700*time.Millisecond
				if h.Reason == probe.LocalError || h.Reason == probe.NoNeighbor {
					h.LossOut, h.LossBack = 0, 0
				}
				if knowsTry := seed%4 < 2; h.Reason == probe.LocalError && !knowsTry {
					h.Late = 0 // an engine that does not know the try fails at once
				}
				return h
			}
			plan := scantest.NewPlan(t, both, "10.0.0.0/22")
			s := scantest.Run(t.Context(), scan.Config{
				Plan: plan, Engine: simnet.New(simnet.Config{Host: host, Seed: seed, CountPending: seed%2 == 0,
					KnowsTry: seed%4 < 2}), Retries: 14, Seed: seed,
			})
			s.RequireComplete(t)
			wrong := 0
			for e, r := range s.Results(t) {
				if state, _ := truth(host, e); r.State != state {
					if wrong++; r.Reason != probe.NoResponse {
						t.Errorf("%v reported as %v (%v), is %v", e, r.State, r.Reason, state)
					}
				}
			}
			if wrong > 8 {
				t.Errorf("seed %d: %d silent that answer, %.2f expected", seed, wrong, *s.ExpectedMissed)
			}
		})
	}
}

// TestLateAnswersHaveATime: what answers the first try during the second one is reported with
// its round-trip time, and more patience than usual finds those that take longer.
func TestLateAnswersHaveATime(t *testing.T) {
	far := map[string]time.Duration{
		"10.0.0.7": 900 * time.Millisecond,
		"10.0.0.8": 1500 * time.Millisecond,
		"10.0.0.9": 2600 * time.Millisecond,
	}
	for patience, want := range map[time.Duration]int{0: 255, 5 * time.Second: 256} {
		synctest.Test(t, func(t *testing.T) {
			n := simnet.New(simnet.Config{Seed: 7, KnowsTry: true, Host: func(e probe.Endpoint) simnet.Host {
				if d := far[e.Addr.String()]; d > 0 {
					return simnet.Host{Reason: probe.SynAck, RTT: d}
				}
				return simnet.Host{Reason: probe.Reset, RTT: time.Millisecond}
			}})
			s := scantest.Run(
				t.Context(),
				scan.Config{
					Plan:    scantest.NewPlan(t, []probe.Port{tcp417}, "10.0.0.0/24"),
					Engine:  n,
					Retries: -1,
					Timeout: patience,
					All:     true,
				},
			)
			s.RequireComplete(t)
			answered := 0
			for e, r := range s.Results(t) {
				d := far[e.Addr.String()]
				if r.State == probe.Filtered {
					continue
				}
				answered++
				if got := time.Duration(r.RTT); d > 0 && (got < d || got > d+time.Millisecond) {
					t.Errorf("patience %v: %v answered after %v, reported as %v", patience, e, d, got)
				}
			}
			if s.Late == 0 || s.Repeated > 3 || s.Forged != 0 {
				t.Errorf("patience %v: %+v", patience, s.Summary)
			}
			if answered != want {
				t.Errorf("patience %v: %d answered: %+v", patience, answered, s.Summary)
			}
		})
	}
}
