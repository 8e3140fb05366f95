package raw_test

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"onmux/probe"
	"onmux/probe/nettest"
	"onmux/probe/ports"
	"onmux/report/phrase/evidence"
	"onmux/scan"
	"onmux/scan/engine"
	"onmux/scan/raw"
	"onmux/scan/scantest"
)

func TestMain(m *testing.M) { nettest.Main(m) }

var (
	tcp417 = probe.Port{Number: 417, Proto: probe.TCP}
	both   = []probe.Port{tcp417, {Number: 417, Proto: probe.UDP}}
)

func lastByte(a netip.Addr) byte { b := a.AsSlice(); return b[len(b)-1] }

// newRaw makes an engine over packets; Run closes it.
func newRaw(t testing.TB, c raw.Config) *raw.Engine {
	t.Helper()
	nettest.Need(t)
	e, err := raw.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestOnLoopback asks a whole loopback network, where two addresses serve the
// port.
func TestOnLoopback(t *testing.T) {
	t.Parallel()
	nettest.Need(t)
	open := []netip.Addr{netip.MustParseAddr("127.0.3.1"), netip.MustParseAddr("127.0.3.77")}
	for _, a := range open {
		nettest.Serve(t, netip.AddrPortFrom(a, 417))
	}
	nettest.Serve(t, netip.MustParseAddrPort("[::1]:417"))
	for _, all := range []bool{false, true} {
		plan := scantest.NewPlan(t, both, "127.0.3.0-255", "::1")
		s := scantest.Run(
			t.Context(),
			scan.Config{Plan: plan, Engine: newRaw(t, raw.Config{Targets: plan, Evidence: all}), Retries: -1, All: all},
		)
		s.RequireComplete(t)
		for e, r := range s.Results(t) {
			want := probe.Closed
			if slices.Contains(open, e.Addr) || e.Addr.Is6() {
				want = probe.Open
			}
			if r.State != want {
				t.Errorf("%v is %v (%v) %s", e, r.State, r.Reason, r.Error)
			}
			// Of an answer that came during a second pass it is not known which probe it answers.
			if want == probe.Open && (r.TTL != 64 || r.RTT <= 0 && r.Tries == 1 || all && len(r.Facts) == 0) {
				t.Errorf("%+v", r)
			}
		}
		if s.Passes != 1 && s.Late == 0 || *s.Loss != 0 { // late where the machine is busy
			t.Errorf("%+v", s.Summary)
		}
		t.Logf("%d probes in %v %v", s.Probes, time.Duration(s.Duration), s.Notes)
	}
}

// TestCases asks hosts on two links at once, with a firewall each, over the
// kernels' own ICMP, and nothing has a third of the addresses.
func TestCases(t *testing.T) {
	t.Parallel()
	nettest.Need(t)
	var targets []string
	hosts := make(map[netip.Addr]bool)
	for range 2 {
		h := nettest.NewReadyHost(t)
		h.Serve(t, 80, 81)
		for _, proto := range []string{"tcp", "udp"} {
			h.Rule(t, "inet", nettest.Rule{Proto: proto, Port: 81, Do: nettest.Drop()})
			h.Rule(t, "ip", nettest.Rule{Proto: proto, Port: 82, Do: nettest.Unreachable(13)})
			h.Rule(t, "ip6", nettest.Rule{Proto: proto, Port: 82, Do: nettest.Unreachable(1)})
		}
		hosts[h.Addr4], hosts[h.Addr6] = true, true
		targets = append(targets, h.Addr4.String()+"-5", h.Addr6.String(), h.Addr6.Next().String())
	}
	targets = append(targets, "127.0.0.1", "192.0.2.1")
	ports, err := ports.Parse([]string{"80-83"}, probe.Protos())
	if err != nil {
		t.Fatal(err)
	}
	plan := scantest.NewPlan(t, ports, targets...)
	s := scantest.Run(
		t.Context(),
		scan.Config{Plan: plan, Engine: newRaw(t, raw.Config{Targets: plan, Evidence: true}), Retries: 1, All: true},
	)
	s.RequireComplete(t)
	want := map[probe.Port]probe.Reason{
		{Number: 80, Proto: probe.TCP}: probe.SynAck, {Number: 80, Proto: probe.UDP}: probe.UDPResponse,
		{Number: 81, Proto: probe.TCP}: probe.NoResponse, {Number: 81, Proto: probe.UDP}: probe.NoResponse,
		{Number: 82, Proto: probe.TCP}: probe.AdminProhibited, {Number: 82, Proto: probe.UDP}: probe.AdminProhibited,
		{Number: 83, Proto: probe.TCP}: probe.Reset, {Number: 83, Proto: probe.UDP}: probe.PortUnreach,
	}
	for e, r := range s.Results(t) {
		reason := probe.NoNeighbor
		switch {
		case hosts[e.Addr]:
			reason = want[probe.Port{Number: e.Port, Proto: e.Proto}]
		case e.Addr == netip.MustParseAddr("127.0.0.1"):
			reason = probe.Reset
			if e.Proto == probe.UDP {
				reason = probe.PortUnreach
			}
		case e.Addr == netip.MustParseAddr("192.0.2.1"):
			reason = probe.LocalError
			if !strings.Contains(r.Error, "no route") {
				t.Errorf("%v: %q", e, r.Error)
			}
		}
		if r.Reason != reason || r.State != probe.Verdict(e.Proto, reason, true) {
			t.Errorf("%v is %v (%v), want %v", e, r.State, r.Reason, reason)
		}
		if (r.Reason == probe.NoResponse || r.Reason == probe.NoNeighbor) && r.Tries != 2 {
			t.Errorf("%v was asked %d times", e, r.Tries)
		}
		if r.Reason == probe.SynAck &&
			!slices.ContainsFunc(evidence.Sentences(&r), func(s string) bool { return strings.HasPrefix(s, "its MAC is ") }) {
			t.Errorf("%v: no MAC in %+v", e, r.Facts)
		}
	}
	t.Logf("%d probes in %v", s.Probes, time.Duration(s.Duration))
}

// TestManyPorts asks every port of one address at the pace the machine allows.
func TestManyPorts(t *testing.T) {
	ports, err := ports.Parse([]string{"1-20000"}, []probe.Proto{probe.TCP})
	if err != nil {
		t.Fatal(err)
	}
	plan := scantest.NewPlan(t, ports, "127.0.0.9")
	s := scantest.Run(
		t.Context(),
		scan.Config{Plan: plan, Engine: newRaw(t, raw.Config{Targets: plan}), Rate: math.Inf(1), Retries: -1},
	)
	s.RequireComplete(t)
	if s.States["closed"] != plan.Len() {
		t.Errorf("%+v", s.Summary)
	}
	t.Log(fmt.Sprint(s.Notes), time.Duration(s.Duration))
}

// TestClosed closes an engine that was never used, twice.
func TestClosed(t *testing.T) {
	plan := scantest.NewPlan(t, both, "127.0.0.1")
	e := newRaw(t, raw.Config{Targets: plan})
	for range 2 {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
	if n, err := e.Receive(t.Context(), make([]engine.Answer, 4)); n != 0 || err == nil {
		t.Errorf("after Close Receive returns %d, %v", n, err)
	}
	if n, err := e.Send(t.Context(), []engine.Probe{{Endpoint: plan.At(0), Try: 1, Wait: time.Second}}); n != 0 ||
		err == nil {
		t.Errorf("after Close Send returns %d, %v", n, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	e = newRaw(t, raw.Config{Targets: plan})
	defer e.Close()
	if n, err := e.Receive(ctx, make([]engine.Answer, 4)); n != 0 || err != context.Canceled {
		t.Errorf("Receive returns %d, %v", n, err)
	}
}
