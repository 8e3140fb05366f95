package scan_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"onmux/probe"
	"onmux/probe/nettest"
	"onmux/probe/ports"
	"onmux/scan"
	"onmux/scan/connect"
	"onmux/scan/engine"
)

// serve listens on an address of this namespace over both protocols; UDP
// datagrams are echoed.
func serve(t *testing.T, at netip.AddrPort) {
	t.Helper()
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
	if err != nil {
		t.Fatal(err)
	}
	u, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close(); u.Close() })
	echo(l, u)
}

func echo(l *net.TCPListener, u *net.UDPConn) {
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	go func() {
		buf := make([]byte, 2048)
		for {
			_, from, err := u.ReadFromUDPAddrPort(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			u.WriteToUDPAddrPort([]byte("here"), from)
		}
	}()
}

// TestConnectOnLoopback asks a whole loopback network, where two addresses
// serve the port.
func TestConnectOnLoopback(t *testing.T) {
	nettest.Need(t)
	open := []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.77")}
	for _, a := range open {
		serve(t, netip.AddrPortFrom(a, 417))
	}
	for _, all := range []bool{false, true} {
		plan := planOf(t, both, "127.0.0.0-255", "::1")
		s := sweep(t.Context(), scan.Config{Plan: plan, Engine: connect.New(connect.Config{Evidence: all}), Retries: -1, All: all})
		s.ok(t)
		for e, r := range s.told(t) {
			want := probe.Closed
			if e.Addr == open[0] || e.Addr == open[1] {
				want = probe.Open
			}
			if b := lastByte(e.Addr); b == 0 || b == 255 { // what these are is the system's business
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

// TestConnectCases asks hosts behind a link, with a firewall each, over sockets
// and the kernel's own ICMP.
func TestConnectCases(t *testing.T) {
	nettest.Need(t)
	h := newHost(t)
	for _, a := range []netip.Addr{h.Addr4, h.Addr6} {
		for _, port := range []uint16{80, 81} {
			var l *net.TCPListener
			var u *net.UDPConn
			err := h.Do(func() (err error) {
				at := netip.AddrPortFrom(a, port)
				if l, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at)); err != nil {
					return err
				}
				u, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close(); u.Close() })
			echo(l, u)
		}
	}
	for _, proto := range []string{"tcp", "udp"} {
		h.Rule(t, "inet", nettest.Rule{Proto: proto, Port: 81, Do: nettest.Drop()})
		h.Rule(t, "ip", nettest.Rule{Proto: proto, Port: 82, Do: nettest.Unreachable(13)})
		h.Rule(t, "ip6", nettest.Rule{Proto: proto, Port: 82, Do: nettest.Unreachable(1)})
	}
	ports, err := ports.Parse([]string{"80-83"}, probe.Protos())
	if err != nil {
		t.Fatal(err)
	}
	plan := planOf(t, ports, h.Addr4.String(), h.Addr6.String())
	s := sweep(t.Context(), scan.Config{Plan: plan, Engine: connect.New(connect.Config{}), Retries: 1})
	s.ok(t)
	want := map[probe.Port]probe.State{
		{Number: 80, Proto: probe.TCP}: probe.Open, {Number: 80, Proto: probe.UDP}: probe.Open,
		{Number: 81, Proto: probe.TCP}: probe.Filtered, {Number: 81, Proto: probe.UDP}: probe.OpenFiltered,
		{Number: 82, Proto: probe.TCP}: probe.Filtered, {Number: 82, Proto: probe.UDP}: probe.Filtered,
		{Number: 83, Proto: probe.TCP}: probe.Closed, {Number: 83, Proto: probe.UDP}: probe.Closed,
	}
	for e, r := range s.told(t) {
		if state := want[probe.Port{Number: e.Port, Proto: e.Proto}]; r.State != state {
			t.Errorf("%v told %v (%v), is %v", e, r.State, r.Reason, state)
		}
		if e.Port == 81 && r.Tries != 2 {
			t.Errorf("%v was asked %d times", e, r.Tries)
		}
	}
}

// newHost makes a host and waits until it answers: a link takes up to a second
// to come up, and IPv6 until then.
func newHost(t testing.TB) *nettest.Host {
	t.Helper()
	h := nettest.NewHost(t)
	for _, a := range []netip.Addr{h.Addr4, h.Addr6} {
		for start := time.Now(); ; {
			_, err := net.DialTimeout("tcp", netip.AddrPortFrom(a, 9).String(), time.Second)
			if errors.Is(err, syscall.ECONNREFUSED) {
				break
			}
			if time.Since(start) > 20*time.Second {
				t.Fatalf("%v does not answer: %v", a, err)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	return h
}

// TestConnectInterrupted cancels while attempts at a silent host are under way.
func TestConnectInterrupted(t *testing.T) {
	nettest.Need(t)
	h := nettest.NewHost(t)
	h.Rule(t, "inet", nettest.Rule{Proto: "tcp", Port: 417, Do: nettest.Drop()})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var sent atomic.Int64
	e := &counting{Engine: connect.New(connect.Config{Attempts: 1}), sent: &sent, stop: cancel}
	plan := planOf(t, []probe.Port{tcp417}, h.Addr4.String(), h.Addr6.String())
	s := sweep(ctx, scan.Config{Plan: plan, Engine: e, Retries: -1, Timeout: 200 * time.Millisecond})
	s.told(t)
	if s.err != nil || s.Complete || s.Targets+s.NotReached != 2 || s.NotReached == 0 {
		t.Errorf("%v, %+v", s.err, s.Outcome)
	}
	for start := time.Now(); ; time.Sleep(time.Millisecond) {
		left := stillScanning()
		if len(left) == 0 {
			return
		}
		if time.Since(start) > 20*time.Second {
			t.Fatalf("still running:\n%s", strings.Join(left, "\n\n"))
		}
	}
}

// stillScanning are the stacks of goroutines that run this package's code, but for
// the test's own. (The runtime and the tests' hosts have goroutines that come and go.)
func stillScanning() []string {
	all := make([]byte, 1<<20)
	all = all[:runtime.Stack(all, true)]
	return slices.DeleteFunc(strings.Split(string(all), "\n\n"), func(stack string) bool {
		return !strings.Contains(stack, "onmux/scan.") || strings.Contains(stack, "testing.tRunner")
	})
}

// counting stops after the first probe was taken.
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

func TestConnectClosed(t *testing.T) {
	e := connect.New(connect.Config{Attempts: 2})
	for range 2 {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
	if n, err := e.Receive(t.Context(), make([]engine.Answer, 4)); n != 0 || err != io.EOF {
		t.Errorf("after Close Receive returns %d, %v", n, err)
	}
	p := engine.Probe{Endpoint: probe.Endpoint{Addr: netip.MustParseAddr("127.0.0.1"), Port: 417, Proto: probe.TCP}, Wait: time.Second}
	if n, err := e.Send(t.Context(), []engine.Probe{p}); n != 0 || err == nil || errors.Is(err, probe.ErrBusy) {
		t.Errorf("after Close Send returns %d, %v", n, err)
	}
	if e.Pending() != 0 {
		t.Errorf("%d pending", e.Pending())
	}
}

// TestConnectManyPorts asks every port of one address at the pace the machine
// allows: local ports must suffice.
func TestConnectManyPorts(t *testing.T) {
	nettest.Need(t)
	ports, err := ports.Parse([]string{"1-20000"}, []probe.Proto{probe.TCP})
	if err != nil {
		t.Fatal(err)
	}
	plan := planOf(t, ports, "127.0.0.9")
	s := sweep(t.Context(), scan.Config{Plan: plan, Engine: connect.New(connect.Config{}), Rate: math.Inf(1), Retries: -1})
	s.ok(t)
	if s.States["closed"] != plan.Len() {
		t.Errorf("%+v", s.Summary)
	}
	t.Log(fmt.Sprint(s.Notes), time.Duration(s.Duration))
}
