package scan_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"onmux/probe"
	"onmux/scan"
	"onmux/scan/engine"
	"onmux/scan/scantest"
	"onmux/scan/simnet"
)

func TestCancelledBeforeTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		s := scantest.Run(
			ctx,
			scan.Config{
				Plan:    scantest.NewPlan(t, both, "10.0.0.0/24"),
				Engine:  simnet.New(simnet.Config{Host: mixed}),
				Retries: -1,
			},
		)
		if s.Err != nil || s.Complete || s.Targets != 0 || s.NotReached != 512 || len(s.Findings) != 0 {
			t.Errorf("%v, %+v", s.Err, s.Outcome)
		}
		n := noted(s.Coverage, scan.CoverNotReached)
		if n.Count != 512 || n.Of != 512 || !errors.Is(n.Err, context.Canceled) {
			t.Errorf("coverage %+v", s.Coverage)
		}
	})
}

// TestInterruptedAnywhere cancels after every so many probes, in every pass.
func TestInterruptedAnywhere(t *testing.T) {
	for after := uint64(1); after < 900; after += 37 {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			net := simnet.New(simnet.Config{Host: mixed})
			plan := scantest.NewPlan(t, both, "10.0.0.0/24")
			e := &stopper{Network: net, after: after, stop: cancel}
			s := scantest.Run(ctx, scan.Config{Plan: plan, Engine: e, Retries: -1})
			if s.Err != nil {
				t.Fatal(s.Err)
			}
			results := s.Results(t)
			if s.Targets+s.NotReached != plan.Len() {
				t.Errorf("%d asked and %d not of %d", s.Targets, s.NotReached, plan.Len())
			}
			for e, r := range results { // what was on its way has been received
				if state, _ := truth(mixed, e); r.State != state {
					t.Errorf("after %d: %v reported as %v, is %v", after, e, r.State, state)
				}
			}
			if e.sent() >= after && s.Complete && s.Probes != net.Probes() {
				t.Errorf("after %d: complete, %+v", after, s.Coverage)
			}
			interrupted := func(n scan.Note) bool { return errors.Is(n.Err, context.Canceled) }
			if !s.Complete && s.NotReached == 0 && !slices.ContainsFunc(s.Coverage, interrupted) {
				t.Errorf("after %d: coverage %+v", after, s.Coverage)
			}
			if s.Probes != net.Probes() {
				t.Errorf("%d probes left, %d are reported", net.Probes(), s.Probes)
			}
		})
	}
}

// stopper calls stop when so many probes have been sent.
type stopper struct {
	*simnet.Network
	after uint64
	stop  func()
}

func (s *stopper) sent() uint64 { return s.Network.Probes() }

func (s *stopper) Send(ctx context.Context, batch []engine.Probe) (int, error) {
	n, err := s.Network.Send(ctx, batch)
	if s.sent() >= s.after {
		s.stop()
	}
	return n, err
}

// TestEngineFails lets Send take part of a batch and fail for good, and Receive
// fail: what was found is reported as all the same, and the error is returned.
func TestEngineFails(t *testing.T) {
	broken := errors.New("the interface is gone")
	synctest.Test(t, func(t *testing.T) {
		sent := 0
		e := newScript(func(s *script, _ context.Context, batch []engine.Probe) (int, error) {
			for i, p := range batch {
				if sent++; sent > 100 {
					return i, broken
				}
				s.deliver(p, probe.HostUnreach)
			}
			return len(batch), nil
		})
		s := scantest.Run(t.Context(), scan.Config{Plan: scantest.NewPlan(t, both, "10.0.0.0/24"), Engine: e})
		s.Results(t)
		if !errors.Is(s.Err, broken) || s.Complete || s.Targets != 100 || s.NotReached != 412 || s.Probes != 100 {
			t.Errorf("%v, %+v", s.Err, s.Outcome)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		sent := 0
		e := newScript(func(s *script, _ context.Context, batch []engine.Probe) (int, error) {
			if sent += len(batch); sent == 100 {
				s.fail <- broken
			}
			return len(batch), nil
		})
		s := scantest.Run(t.Context(), scan.Config{Plan: scantest.NewPlan(t, both, "10.0.0.0/24"), Engine: e})
		s.Results(t)
		if !errors.Is(s.Err, broken) || s.Complete || s.Targets < 100 || s.Targets == 512 {
			t.Errorf("%v, %+v", s.Err, s.Outcome)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		e := newScript(func(*script, context.Context, []engine.Probe) (int, error) { return 0, nil })
		s := scantest.Run(t.Context(), scan.Config{Plan: scantest.NewPlan(t, both, "10.0.0.0/24"), Engine: e})
		if !errors.Is(s.Err, io.ErrNoProgress) || s.Targets != 0 {
			t.Errorf("an engine that takes nothing: %v, %+v", s.Err, s.Outcome)
		}
	})
}

// TestEmitFails checks that emit's first error ends the scan and emit.
func TestEmitFails(t *testing.T) {
	broken := errors.New("disk full")
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		o, err := scan.Run(t.Context(), scan.Config{
			Plan: scantest.NewPlan(t, both, "10.0.0.0/20"), Engine: simnet.New(simnet.Config{Host: mixed}), Retries: -1,
		}, func(scan.Finding) error {
			calls++
			return fmt.Errorf("writing: %w", broken)
		})
		if !errors.Is(err, broken) || calls != 1 || o.Complete || o.Targets == 0 || o.Targets+o.NotReached != 8192 {
			t.Errorf("%v after %d calls, %+v", err, calls, o)
		}
	})
}

// TestSlowEmitStallsNothing lets emit take a second for each open endpoint: the
// scan is over long before, and all are reported in the order they were found.
func TestSlowEmitStallsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := func(probe.Endpoint) simnet.Host { return simnet.Host{Reason: probe.SynAck, RTT: time.Millisecond} }
		net := simnet.New(simnet.Config{Host: host})
		start, results := time.Now(), 0
		var lastSent time.Duration
		e := &stopper{Network: net, stop: func() { lastSent = time.Since(start) }}
		o, err := scan.Run(
			t.Context(),
			scan.Config{Plan: scantest.NewPlan(t, []probe.Port{tcp417}, "10.0.0.0/24"), Engine: e},
			func(scan.Finding) error { results++; time.Sleep(time.Second); return nil },
		)
		if err != nil || results != 256 || o.Probes != 256 || lastSent > time.Second {
			t.Errorf("%v: %d reported, %d sent, the last after %v", err, results, o.Probes, lastSent)
		}
	})
}

// netCounter keeps how many probes left for each /24, and how long they took.
type netCounter struct {
	*simnet.Network
	first, last time.Time
	sent        map[netip.Prefix]int
}

func (n *netCounter) Send(ctx context.Context, batch []engine.Probe) (int, error) {
	if n.last = time.Now(); n.first.IsZero() {
		n.first = n.last
	}
	for _, p := range batch {
		net, _ := p.Endpoint.Addr.Prefix(24)
		n.sent[net]++
	}
	return n.Network.Send(ctx, batch)
}

// TestNoNetworkIsAskedTooFast runs scans at the highest rate and counts what each
// /24 gets.
func TestNoNetworkIsAskedTooFast(t *testing.T) {
	for _, tt := range []struct {
		targets []string
		netRate float64
		held    float64 // the rate
	}{
		{[]string{"10.0.0.0/24"}, 100, 100},
		{[]string{"10.0.0.0/22"}, 100, 400},
		{[]string{"10.0.0.0/24", "10.1.0.0/26", "10.2.0.0-15", "127.0.0.0/24"}, 100, 232},
		{[]string{"10.0.0.0/24"}, 0, 0},
		{[]string{"10.0.0.0/24"}, math.Inf(1), 0},
		{[]string{"127.0.0.0/20", "::1"}, 100, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			host := func(probe.Endpoint) simnet.Host { return simnet.Host{Reason: probe.PortUnreach, RTT: time.Millisecond} }
			e := &netCounter{Network: simnet.New(simnet.Config{Host: host}), sent: map[netip.Prefix]int{}}
			s := scantest.Run(
				t.Context(),
				scan.Config{Plan: scantest.NewPlan(t, both, tt.targets...), Engine: e, Rate: math.Inf(1), NetRate: tt.netRate},
			)
			s.RequireComplete(t)
			n := noted(s.Notes, scan.NoteNetworkRate)
			if math.Ceil(n.Rate) != tt.held || n.Most != tt.netRate && tt.held > 0 || len(s.Notes) > 1 {
				t.Errorf("%v: notes %+v, want held to %v", tt.targets, s.Notes, tt.held)
			}
			took := e.last.Sub(e.first).Seconds()
			for net, n := range e.sent {
				if rate := float64(n) / (took + 0.25); tt.held > 0 && !net.Addr().IsLoopback() && rate > 1.05*tt.netRate {
					t.Errorf("%v: %v got %d in %.2f s", tt.targets, net, n, took)
				}
			}
			if tt.held == 0 && took > 0.1 {
				t.Errorf("%v: nothing limits it, and it took %v s", tt.targets, took)
			}
		})
	}
}

// TestALastSilentNetworkIsCapped has one /24 of many be silent: a later pass asks
// only that.
func TestALastSilentNetworkIsCapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := func(e probe.Endpoint) simnet.Host {
			if e.Addr.As4()[2] == 3 {
				return simnet.Host{}
			}
			return simnet.Host{Reason: probe.PortUnreach, RTT: time.Millisecond}
		}
		e := &netCounter{Network: simnet.New(simnet.Config{Host: host}), sent: map[netip.Prefix]int{}}
		s := scantest.Run(
			t.Context(),
			scan.Config{Plan: scantest.NewPlan(t, both, "10.0.0.0/18"), Engine: e, Rate: 6400, NetRate: 100, Retries: 1},
		)
		s.RequireComplete(t)
		if n := noted(s.Notes, scan.NoteNetworkRate); n.Rate != 100 || n.Most != 100 {
			t.Errorf("notes %+v", s.Notes)
		}
	})
}
