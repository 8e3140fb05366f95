package scan_test

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"

	"onmux/probe"
	"onmux/probe/nettest"
	"onmux/probe/nettest/nft"
	"onmux/probe/request"
	"onmux/scan"
	"onmux/scan/connect"
	"onmux/scan/engine"
	"onmux/scan/raw"
	"onmux/scan/scantest"
	"onmux/scan/simnet"
	"onmux/scan/target"
)

// tunWorld is a network behind a TUN device where a.2 is open and all else silent,
// and a.2.0/24 has a route.
func newTunHost(t *testing.T, name, self, open4 string) {
	t.Helper()
	device, err := tun(name, self)
	if err != nil {
		t.Skip("no TUN devices:", err)
	}
	w := &testNet{
		at:    map[netip.Addr]hostCase{netip.MustParseAddr(open4): {respond: always(open)}},
		asked: map[probe.Endpoint]int{},
	}
	var pumping sync.WaitGroup
	pumping.Go(func() { serve(w, device) })
	t.Cleanup(func() { device.Close(); pumping.Wait() })
}

// TestRawRouteDisappears takes the route away in the middle of a scan that the
// kernel routes: what could not be asked is reported unknown, with the reason, and
// not silent.
func TestRawRouteDisappears(t *testing.T) {
	if !nettest.OwnNamespace(t) {
		return
	}
	newTunHost(t, "tungone", "10.99.0.1/32", "10.99.128.2")
	nettest.Setup(t, route("10.99.128.0/20", "tungone", 0, netip.Addr{}))
	plan := scantest.NewPlan(t, []probe.Port{tcp417}, "10.99.128.0/20")
	var once sync.Once
	s := scantest.Scan{}
	s.Outcome, s.Err = scan.Run(
		t.Context(),
		scan.Config{
			Plan:    plan,
			Engine:  newRaw(t, raw.Config{Targets: plan}),
			Rate:    4000,
			Retries: 1,
			Timeout: 100 * time.Millisecond,
		},
		func(f scan.Finding) error {
			s.Findings = append(s.Findings, f)
			once.Do(func() { // the open one
				_, dst, err := net.ParseCIDR("10.99.128.0/20")
				if err == nil {
					err = netlink.RouteDel(&netlink.Route{Dst: dst})
				}
				if err != nil {
					t.Error(err)
				}
			})
			return nil
		},
	)
	results := s.Results(t)
	if s.States["open"] != 1 || s.States["unknown"] == 0 {
		t.Errorf("%+v, %v", s.Summary, s.Err)
	}
	for e, r := range results {
		if r.State == probe.Unknown && !strings.Contains(r.Error, "no route") {
			t.Fatalf("%v: %q", e, r.Error)
		}
		if r.Reason == probe.NoResponse && r.Tries != 2 && s.Complete {
			t.Fatalf("%v is reported as silent after %d tries", e, r.Tries)
		}
	}
	t.Logf("%+v %v %v", s.Summary, s.Err, s.Coverage)
}

// TestRawFirewalledOutput has a firewall of this machine drop what is sent: that
// is reported, and is not silence.
func TestRawFirewalledOutput(t *testing.T) {
	if !nettest.OwnNamespace(t) {
		return
	}
	newTunHost(t, "tunwall", "10.100.0.1/24", "10.100.0.2")
	f := nft.New(nftables.TableFamilyIPv4)
	drop := nft.Verdict(expr.VerdictDrop, "")
	f.Rule(f.Filter(nftables.ChainHookOutput), nft.CompareAddr(expr.CmpOpEq, "10.100.0.2"), drop)
	if err := f.Flush(); err != nil {
		t.Skip("no nftables:", err)
	}
	t.Cleanup(func() { f.Delete() })
	for name, make := range map[string]func(*target.Plan) engine.Engine{
		"packets": func(p *target.Plan) engine.Engine { return newRaw(t, raw.Config{Targets: p}) },
		"sockets": func(*target.Plan) engine.Engine { return connect.New(connect.Config{}) },
	} {
		plan := scantest.NewPlan(t, both, "10.100.0.2")
		s := scantest.Run(
			t.Context(),
			scan.Config{Plan: plan, Engine: make(plan), Retries: 1, Timeout: 200 * time.Millisecond, All: true},
		)
		s.RequireComplete(t)
		for e, r := range s.Results(t) {
			// Linux' TCP takes its own firewall for a network that loses packets.
			if name == "sockets" && e.Proto == probe.TCP {
				continue
			}
			if r.State != probe.Unknown || r.Reason != probe.LocalError || r.Error == "" {
				t.Errorf("%s: %v is %v (%v) %s", name, e, r.State, r.Reason, r.Error)
			}
		}
	}
}

// TestRawSmallMTU has a link that takes less than a payload: what fits is asked,
// and what does not is reported.
func TestRawSmallMTU(t *testing.T) {
	if !nettest.OwnNamespace(t) {
		return
	}
	device, err := tun("tunsmall", "10.97.0.1/24")
	if err != nil {
		t.Skip("no TUN devices:", err)
	}
	var pumping sync.WaitGroup
	l, err := netlink.LinkByName("tunsmall")
	if err == nil {
		err = netlink.LinkSetMTU(l, 68)
	}
	if err != nil {
		t.Fatal(err)
	}
	w := &testNet{
		at:    map[netip.Addr]hostCase{netip.MustParseAddr("10.97.0.2"): {respond: always(open)}},
		asked: map[probe.Endpoint]int{},
	}
	pumping.Go(func() { serve(w, device) })
	defer func() { device.Close(); pumping.Wait() }()
	long := uint16(0)
	for port := uint16(1); long == 0; port++ {
		if len(request.Payloads(port)[0]) > 40 {
			long = port
		}
	}
	plan := scantest.NewPlan(t, []probe.Port{tcp417, udp417, {Number: long, Proto: probe.UDP}}, "10.97.0.2")
	s := scantest.Run(
		t.Context(),
		scan.Config{
			Plan:    plan,
			Engine:  newRaw(t, raw.Config{Targets: plan}),
			Retries: 1,
			Timeout: 200 * time.Millisecond,
			All:     true,
		},
	)
	s.RequireComplete(t)
	for e, r := range s.Results(t) {
		if e.Port == 417 && r.State != probe.Open ||
			e.Port == long && (r.Reason != probe.LocalError || !strings.Contains(r.Error, "MTU")) {
			t.Errorf("%v is %v (%v) %s", e, r.State, r.Reason, r.Error)
		}
	}
}

// TestRawPortsAreReserved has another program try to take the ports of a scan,
// on any address, while it goes on.
func TestRawPortsAreReserved(t *testing.T) {
	if !nettest.OwnNamespace(t) {
		return
	}
	device, err := tun("tunports", "10.98.0.1/24")
	if err != nil {
		t.Skip("no TUN devices:", err)
	}
	got := make(map[probe.Proto]uint16)
	w := &testNet{asked: map[probe.Endpoint]int{}, at: map[netip.Addr]hostCase{netip.MustParseAddr("10.98.0.2"): {}}}
	reached := make(chan struct{})
	var pumping sync.WaitGroup
	w.at[netip.MustParseAddr("10.98.0.2")] = hostCase{respond: portsSeen(got, reached)}
	pumping.Go(func() { serve(w, device) })
	defer func() { device.Close(); pumping.Wait() }()
	plan := scantest.NewPlan(t, both, "10.98.0.2")
	e := newRaw(t, raw.Config{Targets: plan})
	defer e.Close()
	for i := range plan.Len() {
		if _, err := e.Send(t.Context(), []engine.Probe{{Index: i, Endpoint: plan.At(i), Try: 1,
			Wait: time.Second}}); err != nil {
			t.Fatal(err)
		}
	}
	<-reached
	for _, at := range []string{"0.0.0.0", "127.0.0.1", "10.98.0.1", "::", "::1"} {
		a := netip.MustParseAddr(at)
		var held []io.Closer
		l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(a, got[probe.TCP])))
		if err == nil {
			held = append(held, l)
		}
		c, err2 := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, got[probe.UDP])))
		if err2 == nil {
			held = append(held, c)
		}
		for _, err := range []error{err, err2} {
			if !errors.Is(err, syscall.EADDRINUSE) {
				t.Errorf("%s: %v", at, err)
			}
		}
		for _, c := range held {
			c.Close()
		}
	}
}

// portsSeen records the port from which each protocol is asked, and closes reached
// when both are known.
func portsSeen(got map[probe.Proto]uint16, reached chan struct{}) responder {
	return func(q simnet.Query, _ int) [][]byte {
		if got[q.Proto] = q.From.Port(); len(got) == 2 {
			close(reached)
		}
		return nil
	}
}
