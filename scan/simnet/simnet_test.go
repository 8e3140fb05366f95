package simnet_test

import (
	"fmt"
	"io"
	"math"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"onmux/probe"
	"onmux/scan/engine"
	"onmux/scan/simnet"
)

func probes(n, try int) (batch []engine.Probe) {
	a := netip.MustParseAddr("10.0.0.0")
	for i := range n {
		batch = append(batch, engine.Probe{
			Index: uint64(i), Try: try, Wait: time.Second,
			Endpoint: probe.Endpoint{Addr: a, Port: 417, Proto: probe.UDP},
		})
		a = a.Next()
	}
	return batch
}

// receive sends a batch and lists what comes back within d.
func receive(t *testing.T, n *simnet.Network, batch []engine.Probe, d time.Duration) (all []string) {
	t.Helper()
	start := time.Now()
	if sent, err := n.Send(t.Context(), batch); sent != len(batch) || err != nil {
		t.Fatal(sent, err)
	}
	time.AfterFunc(d, func() { n.Close() })
	buf := make([]engine.Answer, 7)
	for {
		got, err := n.Receive(t.Context(), buf)
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range buf[:got] {
			all = append(all, fmt.Sprint(a.Index, a.Try, a.At.Sub(start), a.Reason, a.State))
		}
	}
}

func TestSameSeedSameNetwork(t *testing.T) {
	run := func(seed uint64) (all []string) {
		synctest.Test(t, func(t *testing.T) {
			host := func(probe.Endpoint) simnet.Host {
				return simnet.Host{Reason: probe.UDPResponse, RTT: time.Millisecond, Jitter: time.Second,
					LossOut: 0.2, LossBack: 0.2, Duplicate: 0.2, Late: 0.2, Delay: time.Second}
			}
			all = receive(t, simnet.New(simnet.Config{Host: host, Seed: seed}), probes(500, 1), time.Minute)
		})
		return all
	}
	one, again, other := run(1), run(1), run(2)
	if !slices.Equal(one, again) {
		t.Error("the same seed makes two networks")
	}
	if slices.Equal(one, other) {
		t.Error("two seeds make the same network")
	}
	if want := 500 * 0.8 * 0.8 * 1.2; math.Abs(float64(len(one))-want) > 60 {
		t.Errorf("%d answers, expected about %.0f", len(one), want)
	}
}

func TestPendingCountsWhatMayBeAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := func(e probe.Endpoint) simnet.Host {
			switch e.Addr.As4()[3] {
			case 0:
				return simnet.Host{}
			case 1:
				return simnet.Host{Reason: probe.UDPResponse, RTT: 2 * time.Second} // after its wait
			}
			return simnet.Host{Reason: probe.UDPResponse, RTT: time.Millisecond, Duplicate: 1}
		}
		n := simnet.New(simnet.Config{Host: host, CountPending: true})
		if _, err := n.Send(t.Context(), probes(4, 1)); err != nil || n.Pending() != 4 {
			t.Fatal(n.Pending(), err)
		}
		buf := make([]engine.Answer, 16)
		for i, want := range []struct{ got, before int }{{2, 4}, {2, 2}, {1, 0}} { // answers, their doubles, the late one
			if got, err := n.Receive(t.Context(), buf); got != want.got || err != nil {
				t.Errorf("call %d: %d answers, %v", i, got, err)
			}
			if p := n.Pending(); p != want.before {
				t.Errorf("call %d: %d pending, want %d", i, p, want.before)
			}
		}
		n.Close()
		if got, err := n.Receive(t.Context(), buf); got != 0 || err != io.EOF {
			t.Errorf("after Close %d, %v", got, err)
		}
	})
}

func TestUnreachablesAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		router := netip.MustParseAddr("192.0.2.1")
		host := func(probe.Endpoint) simnet.Host {
			return simnet.Host{Reason: probe.HostUnreach, Responder: router, ICMP: simnet.Limit{Burst: 6, Rate: 1}}
		}
		if all := receive(t, simnet.New(simnet.Config{Host: host}), probes(100, 1), time.Minute); len(all) != 6 {
			t.Errorf("%d unreachables at once", len(all))
		}
	})
}
