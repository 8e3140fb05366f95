package connect_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"onmux/probe"
	"onmux/probe/nettest"
	"onmux/probe/ports"
	"onmux/scan"
	"onmux/scan/connect"
	"onmux/scan/engine"
	"onmux/scan/scantest"
)

func TestMain(m *testing.M) { nettest.Main(m) }

var (
	tcp417 = probe.Port{Number: 417, Proto: probe.TCP}
	both   = []probe.Port{tcp417, {Number: 417, Proto: probe.UDP}}
)

func lastByte(a netip.Addr) byte { b := a.AsSlice(); return b[len(b)-1] }

// TestOnLoopback asks a whole loopback network, where two addresses
// serve the port.
func TestOnLoopback(t *testing.T) {
	nettest.Need(t)
	open := []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.77")}
	for _, a := range open {
		nettest.Serve(t, netip.AddrPortFrom(a, 417))
	}
	for _, all := range []bool{false, true} {
		plan := scantest.NewPlan(t, both, "127.0.0.0-255", "::1")
		s := scantest.Run(
			t.Context(),
			scan.Config{Plan: plan, Engine: connect.New(connect.Config{Evidence: all}), Retries: -1, All: all},
		)
		s.RequireComplete(t)
		for e, r := range s.Results(t) {
			want := probe.Closed
			if e.Addr == open[0] || e.Addr == open[1] {
				want = probe.Open
			}
			if b := lastByte(e.Addr); b == 0 || b == 255 { // what these are depends on the system
				continue
			}
			if r.State != want {
				t.Errorf("%v is %v (%v)", e, r.State, r.Reason)
			}
		}
		if s.States["open"] < 4 || s.Loss == nil {
			t.Errorf("%+v", s.Summary)
		}
		t.Logf("%d probes in %v", s.Probes, time.Duration(s.Duration))
	}
}

// TestCases asks hosts behind a link, with a firewall each, over sockets
// and the kernel's own ICMP.
func TestCases(t *testing.T) {
	t.Parallel()
	nettest.Need(t)
	h := nettest.NewReadyHost(t)
	h.Serve(t, 80, 81)
	for _, proto := range []string{"tcp", "udp"} {
		h.Rule(t, "inet", nettest.Rule{Proto: proto, Port: 81, Do: nettest.Drop()})
		h.Rule(t, "ip", nettest.Rule{Proto: proto, Port: 82, Do: nettest.Unreachable(13)})
		h.Rule(t, "ip6", nettest.Rule{Proto: proto, Port: 82, Do: nettest.Unreachable(1)})
	}
	ports, err := ports.Parse([]string{"80-83"}, probe.Protos())
	if err != nil {
		t.Fatal(err)
	}
	plan := scantest.NewPlan(t, ports, h.Addr4.String(), h.Addr6.String())
	s := scantest.Run(t.Context(), scan.Config{Plan: plan, Engine: connect.New(connect.Config{}), Retries: 1})
	s.RequireComplete(t)
	want := map[probe.Port]probe.State{
		{Number: 80, Proto: probe.TCP}: probe.Open, {Number: 80, Proto: probe.UDP}: probe.Open,
		{Number: 81, Proto: probe.TCP}: probe.Filtered, {Number: 81, Proto: probe.UDP}: probe.OpenFiltered,
		{Number: 82, Proto: probe.TCP}: probe.Filtered, {Number: 82, Proto: probe.UDP}: probe.Filtered,
		{Number: 83, Proto: probe.TCP}: probe.Closed, {Number: 83, Proto: probe.UDP}: probe.Closed,
	}
	for e, r := range s.Results(t) {
		if state := want[probe.Port{Number: e.Port, Proto: e.Proto}]; r.State != state {
			t.Errorf("%v is %v (%v), want %v", e, r.State, r.Reason, state)
		}
		if e.Port == 81 && r.Tries != 2 {
			t.Errorf("%v was asked %d times", e, r.Tries)
		}
	}
}

// TestInterrupted cancels while attempts at a silent host are under way.
func TestInterrupted(t *testing.T) {
	nettest.Need(t)
	h := nettest.NewHost(t)
	h.Rule(t, "inet", nettest.Rule{Proto: "tcp", Port: 417, Do: nettest.Drop()})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var sent atomic.Int64
	e := &counting{Engine: connect.New(connect.Config{Attempts: 1}), sent: &sent, stop: cancel}
	plan := scantest.NewPlan(t, []probe.Port{tcp417}, h.Addr4.String(), h.Addr6.String())
	s := scantest.Run(ctx, scan.Config{Plan: plan, Engine: e, Retries: -1, Timeout: 200 * time.Millisecond})
	s.Results(t)
	if s.Err != nil || s.Complete || s.Targets+s.NotReached != 2 || s.NotReached == 0 {
		t.Errorf("%v, %+v", s.Err, s.Outcome)
	}
	nettest.Eventually(t, "no goroutine of the scan runs", func() bool { return len(stillScanning()) == 0 })
}

// stillScanning are the stacks of goroutines that run a scan, apart from the test's
// own. (The runtime and the hosts of tests have goroutines that come and go.)
func stillScanning() []string {
	all := make([]byte, 1<<20)
	all = all[:runtime.Stack(all, true)]
	return slices.DeleteFunc(strings.Split(string(all), "\n\n"), func(stack string) bool {
		return !strings.Contains(stack, "onmux/scan") || strings.Contains(stack, "testing.tRunner")
	})
}

// counting stops after the first probe was sent.
type counting struct {
	*connect.Engine
	sent *atomic.Int64
	stop func()
}

func (c *counting) Send(ctx context.Context, batch []engine.Probe) (int, error) {
	if c.sent.Add(1) == 1 {
		n, err := c.Engine.Send(ctx, batch[:1])
		c.stop()
		return n, errors.Join(err, context.Canceled)
	}
	return c.Engine.Send(ctx, batch)
}

func TestClosed(t *testing.T) {
	e := connect.New(connect.Config{Attempts: 2})
	for range 2 {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
	if n, err := e.Receive(t.Context(), make([]engine.Answer, 4)); n != 0 || err != io.EOF {
		t.Errorf("after Close Receive returns %d, %v", n, err)
	}
	p := engine.Probe{
		Endpoint: probe.Endpoint{Addr: netip.MustParseAddr("127.0.0.1"), Port: 417, Proto: probe.TCP},
		Wait:     time.Second,
	}
	if n, err := e.Send(t.Context(), []engine.Probe{p}); n != 0 || err == nil || errors.Is(err, probe.ErrBusy) {
		t.Errorf("after Close Send returns %d, %v", n, err)
	}
	if e.Pending() != 0 {
		t.Errorf("%d pending", e.Pending())
	}
}

// TestManyPorts asks every port of one address at the pace the machine
// allows: local ports must suffice.
func TestManyPorts(t *testing.T) {
	nettest.Need(t)
	ports, err := ports.Parse([]string{"1-20000"}, []probe.Proto{probe.TCP})
	if err != nil {
		t.Fatal(err)
	}
	plan := scantest.NewPlan(t, ports, "127.0.0.9")
	s := scantest.Run(
		t.Context(),
		scan.Config{Plan: plan, Engine: connect.New(connect.Config{}), Rate: math.Inf(1), Retries: -1},
	)
	s.RequireComplete(t)
	if s.States["closed"] != plan.Len() {
		t.Errorf("%+v", s.Summary)
	}
	t.Log(fmt.Sprint(s.Notes), time.Duration(s.Duration))
}
