package raw_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/nettest"
	"onmux/scan"
	"onmux/scan/link"
	"onmux/scan/raw"
	"onmux/scan/scantest"
)

// TestBehindAGateway asks networks behind a next hop that has all of their
// addresses, or refuses them in the ways that routers have.
func TestBehindAGateway(t *testing.T) {
	t.Parallel()
	h := nettest.NewReadyHost(t)
	h.UnlimitedICMP(t)
	h.Setup(
		t,
		nettest.Route(
			"10.77.0.0/24",
			"lo",
			unix.RTN_LOCAL,
			netip.Addr{},
		),
		nettest.Route("fd77::/120", "lo", unix.RTN_LOCAL, netip.Addr{}),
		nettest.Route(
			"10.77.1.0/24",
			"",
			unix.RTN_UNREACHABLE,
			netip.Addr{},
		),
		nettest.Route("fd77::100/120", "", unix.RTN_UNREACHABLE, netip.Addr{}),
		nettest.Route(
			"10.77.2.0/24",
			"",
			unix.RTN_PROHIBIT,
			netip.Addr{},
		),
		nettest.Route("fd77::200/120", "", unix.RTN_PROHIBIT, netip.Addr{}),
		nettest.Route(
			"10.77.3.0/24",
			"",
			unix.RTN_BLACKHOLE,
			netip.Addr{},
		),
		nettest.Route("fd77::300/120", "", unix.RTN_BLACKHOLE, netip.Addr{}),
	)
	for _, step := range []func() error{nettest.Route("10.77.0.0/16", h.Device, 0, h.Addr4), nettest.Route("fd77::/64",
		h.Device, 0, h.Addr6)} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	var l net.Listener
	h.Setup(t, func() (err error) { l, err = net.Listen("tcp", ":417"); return err })
	defer l.Close()
	// For routes that refuse, Linux sends five errors of IPv4 at once, then one a
	// second (net.ipv4.route.error_burst).
	plan := scantest.NewPlan(
		t,
		both,
		"10.77.0.0/24",
		"10.77.1.1",
		"10.77.2.1",
		"10.77.3.0/24",
		"fd77::/120",
		"fd77::100/120",
		"fd77::200/120",
		"fd77::300/120",
	)
	s := scantest.Run(
		t.Context(),
		scan.Config{Plan: plan, Engine: newRaw(t, raw.Config{Targets: plan}), Rate: 20000, Retries: 1, All: true},
	)
	s.RequireComplete(t)
	for e, r := range s.Results(t) {
		net := e.Addr.AsSlice()[len(e.Addr.AsSlice())-2]
		want := []probe.Reason{probe.SynAck, probe.HostUnreach, probe.AdminProhibited, probe.NoResponse}[net]
		if e.Addr.Is6() && net == 1 {
			want = probe.HostUnreach // Linux sends address unreachable, 1/3
		}
		if net == 0 && e.Proto == probe.UDP {
			want = probe.PortUnreach
		}
		if r.Reason != want && !(e.Addr.Is6() && net == 1 && r.Reason == probe.NetUnreach) {
			t.Fatalf("%v is %v (%v %s) by %v, want %v", e, r.State, r.Reason, r.Error, r.Responder, want)
		}
		if (net == 1 || net == 2) && r.Responder != h.Addr4 && r.Responder != h.Addr6 {
			t.Fatalf("%v: by %v", e, r.Responder)
		}
	}
	t.Logf("%+v %v", s.Summary, s.Notes)
}

// TestOnLink asks a network in which one host of 1,022 is there, and its
// link-local address. The kernel's table of neighbors does not change.
func TestOnLink(t *testing.T) {
	t.Parallel()
	h := nettest.NewReadyHost(t)
	l, err := netlink.LinkByName(h.Device)
	if err != nil {
		t.Fatal(err)
	}
	wide, err := netlink.ParseAddr("10.90.0.1/22")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.AddrAdd(l, wide); err != nil {
		t.Fatal(err)
	}
	local := linkLocal(t, h)
	before, err := netlink.NeighList(l.Attrs().Index, netlink.FAMILY_V4)
	if err != nil {
		t.Fatal(err)
	}
	plan := scantest.NewPlan(t, both, "10.90.0.2-10.90.3.254", h.Addr4.String(), local.WithZone(h.Device).String())
	s := scantest.Run(t.Context(), scan.Config{Plan: plan, Engine: newRaw(t, raw.Config{Targets: plan}), Retries: 2})
	s.RequireComplete(t)
	there := 0
	for e, r := range s.Results(t) {
		if e.Addr == h.Addr4 || e.Addr.Is6() {
			if r.State != probe.Closed {
				t.Errorf("%v is %v (%v)", e, r.State, r.Reason)
			}
			there++
		} else if r.Reason != probe.NoNeighbor || r.State != probe.Unreachable {
			t.Fatalf("%v is %v (%v)", e, r.State, r.Reason)
		}
	}
	if there != 4 {
		t.Errorf("%d endpoints of the host", there)
	}
	after, err := netlink.NeighList(l.Attrs().Index, netlink.FAMILY_V4)
	if err != nil || len(after) > len(before) {
		t.Errorf("the kernel has %d more neighbors, %v", len(after)-len(before), err)
	}
	t.Logf("%d probes in %v", s.Probes, time.Duration(s.Duration))
}

// linkLocal is the host's own link-local address, when it may use it.
func linkLocal(t testing.TB, h *nettest.Host) netip.Addr {
	t.Helper()
	var found netip.Addr
	nettest.Eventually(t, "the host has a link-local address", func() bool {
		h.Setup(t, func() error {
			all, err := netlink.AddrList(nil, netlink.FAMILY_V6)
			for _, a := range all {
				if a.IP.IsLinkLocalUnicast() && a.Flags&unix.IFA_F_TENTATIVE == 0 {
					found, _ = netip.AddrFromSlice(a.IP)
				}
			}
			return err
		})
		return found.IsValid()
	})
	return found
}

// TestDeadGateway asks a network behind a next hop that is not there: nothing is known of it.
func TestDeadGateway(t *testing.T) {
	t.Parallel()
	h := nettest.NewReadyHost(t)
	if err := nettest.Route("10.79.0.0/16", h.Device, 0, h.Addr4.Next())(); err != nil {
		t.Fatal(err)
	}
	plan := scantest.NewPlan(t, []probe.Port{tcp417}, "10.79.0.0/24")
	s := scantest.Run(
		t.Context(),
		scan.Config{Plan: plan, Engine: newRaw(t, raw.Config{Targets: plan}), Retries: 1, Timeout: 100 * time.Millisecond},
	)
	if s.Err != nil || s.Complete || s.States["unknown"] != plan.Len() {
		t.Errorf("%v %+v", s.Err, s.Summary)
	}
	for e, r := range s.Results(t) {
		if !strings.Contains(r.Error, "no route to measure by: the next hop "+h.Addr4.Next().String()) {
			t.Fatalf("%v: %q", e, r.Error)
		}
	}
}

// TestOverTun asks over a device that has no Ethernet, only IP.
func TestOverTun(t *testing.T) {
	t.Parallel()
	h := nettest.NewHost(t)
	here, err := nettest.TUN("tunhere", "10.91.0.1/24", "fd91::1/64")
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
		t.Skip("no TUN devices:", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	var there *os.File
	h.Setup(t, func() (err error) { there, err = nettest.TUN("tunthere", "10.91.0.2/24", "fd91::2/64"); return err })
	var l net.Listener
	h.Setup(t, func() (err error) { l, err = net.Listen("tcp", ":417"); return err })
	defer l.Close()
	var pumps sync.WaitGroup
	for _, p := range [][2]*os.File{{here, there}, {there, here}} {
		pumps.Go(func() {
			buf := make([]byte, 65536)
			for {
				n, err := p[0].Read(buf)
				if err != nil {
					return
				}
				_, _ = p[1].Write(buf[:n])
			}
		})
	}
	defer func() { here.Close(); there.Close(); pumps.Wait() }()
	plan := scantest.NewPlan(t, both, "10.91.0.2", "10.91.0.3", "fd91::2", "fd91::3")
	s := scantest.Run(
		t.Context(),
		scan.Config{Plan: plan, Engine: newRaw(t, raw.Config{Targets: plan}), Retries: 1, All: true},
	)
	s.RequireComplete(t)
	for e, r := range s.Results(t) {
		want := probe.NoResponse
		switch {
		case lastByte(e.Addr) == 2 && e.Proto == probe.TCP:
			want = probe.SynAck
		case lastByte(e.Addr) == 2:
			want = probe.PortUnreach
		}
		if r.Reason != want {
			t.Errorf("%v is %v (%v) %s", e, r.State, r.Reason, r.Error)
		}
	}
}

// TestInterfaceGoesDown switches the link off in the middle of a scan: that is
// an error, and what was found is kept.
func TestInterfaceGoesDown(t *testing.T) {
	t.Parallel()
	for name, down := range map[string]func(h *nettest.Host) error{
		"off": func(h *nettest.Host) error {
			l, err := netlink.LinkByName(h.Device)
			if err == nil {
				err = netlink.LinkSetDown(l)
			}
			return err
		},
		"no carrier": func(h *nettest.Host) error {
			return h.Do(func() error {
				l, err := netlink.LinkByName("vh" + strings.TrimPrefix(h.Device, "vt"))
				if err == nil {
					err = netlink.LinkSetDown(l)
				}
				return err
			})
		},
		"no address": func(h *nettest.Host) error {
			l, err := netlink.LinkByName(h.Device)
			if err != nil {
				return err
			}
			own, err := netlink.ParseAddr(h.Self4.String() + "/24")
			if err != nil {
				return err
			}
			return netlink.AddrDel(l, own)
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := nettest.NewReadyHost(t)
			h.Serve(t, 417)
			h.Setup(t, nettest.Sysctl("ipv4/ip_forward", "0"))
			if err := nettest.Route("10.80.0.0/16", h.Device, 0, h.Addr4)(); err != nil {
				t.Fatal(err)
			}
			plan := scantest.NewPlan(t, []probe.Port{tcp417}, h.Addr4.String(), "10.80.0.0/18")
			var once sync.Once
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			var s scantest.Scan
			s.Outcome, s.Err = scan.Run(
				ctx,
				scan.Config{Plan: plan, Engine: newRaw(t, raw.Config{Targets: plan}), Rate: 20000, Retries: 14},
				func(f scan.Finding) error {
					s.Findings = append(s.Findings, f)
					once.Do(func() { // the open one
						if err := down(h); err != nil {
							t.Error(err)
						}
					})
					return nil
				},
			)
			if !errors.Is(s.Err, link.ErrDown) && !errors.Is(s.Err, link.ErrAddressRemoved) &&
				!errors.Is(s.Err, unix.ENETDOWN) &&
				!errors.Is(s.Err, unix.ENXIO) ||
				s.Complete {
				t.Errorf("%v, complete: %v", s.Err, s.Complete)
			}
			s.Results(t)
			if s.States["open"] != 1 || s.Targets+s.NotReached != plan.Len() {
				t.Errorf("%+v", s.Summary)
			}
			t.Log(s.Err, s.Coverage)
			plan = scantest.NewPlan(t, []probe.Port{tcp417}, h.Self4.Next().String())
			another, err := raw.New(t.Context(), raw.Config{Targets: plan})
			if name == "no carrier" && !errors.Is(err, link.ErrDown) {
				t.Errorf("a new engine: %v", err)
			}
			if err == nil {
				another.Close()
			}
		})
	}
}

// TestTwoAtOnce runs two scans of the same hosts at the same time. Neither
// receives answers of the other.
func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	nettest.Need(t)
	plan := scantest.NewPlan(t, both, "127.9.0.0/21")
	var all sync.WaitGroup
	for range 2 {
		e := newRaw(t, raw.Config{Targets: plan})
		all.Go(func() {
			s := scantest.Run(t.Context(), scan.Config{Plan: plan, Engine: e, Rate: math.Inf(1), Retries: -1})
			s.RequireComplete(t)
			if s.States["closed"] != plan.Len() || s.Contradictions != 0 || len(e.Notes()) > 0 {
				t.Errorf("%+v %+v %v", s.Summary, s.Notes, e.Notes())
			}
		})
	}
	all.Wait()
}

// TestNextHopMoves asks a network behind a next hop whose MAC is wrong in the kernel, and
// behind one that changes it in the middle of the sweep.
func TestNextHopMoves(t *testing.T) {
	t.Parallel()
	for _, moves := range []bool{false, true} {
		t.Run(fmt.Sprintf("moves %v", moves), func(t *testing.T) {
			if !nettest.OwnNamespace(t) {
				return
			}
			h := nettest.NewReadyHost(t)
			h.Setup(t, nettest.Sysctl("ipv4/ip_forward", "1"), nettest.Route("10.78.0.0/16", "lo", unix.RTN_LOCAL, netip.Addr{}))
			l, err := netlink.LinkByName(h.Device)
			if err != nil {
				t.Fatal(err)
			}
			wrong := net.HardwareAddr{2, 0xde, 0xad, 0xbe, 0xef, 0}
			if err := netlink.NeighSet(&netlink.Neigh{LinkIndex: l.Attrs().Index, IP: h.Addr4.AsSlice(), HardwareAddr: wrong,
				State: netlink.NUD_STALE}); err != nil {
				t.Fatal(err)
			}
			if err := nettest.Route("10.78.0.0/16", h.Device, 0, h.Addr4)(); err != nil {
				t.Fatal(err)
			}
			plan := scantest.NewPlan(t, []probe.Port{tcp417}, "10.78.0.0/20")
			c := scan.Config{
				Plan:    plan,
				Engine:  newRaw(t, raw.Config{Targets: plan}),
				Rate:    2000,
				NetRate: math.Inf(1),
				Retries: -1,
			}
			moved := false
			c.Watch = func(p scan.Progress) {
				if moves && !moved && p.Done > 1000 {
					moved = true
					h.Setup(t, func() error {
						all, err := netlink.LinkList()
						for _, l := range all {
							if l.Type() == "veth" {
								err = errors.Join(err, netlink.LinkSetHardwareAddr(l, net.HardwareAddr{2, 0x11, 0x22, 0x33, 0x44, 0x55}))
							}
						}
						return err
					})
				}
			}
			s := scantest.Run(t.Context(), c)
			s.RequireComplete(t)
			if s.States["closed"] != plan.Len() || moves != moved {
				t.Errorf("moves %v: %+v %v %v", moves, s.Summary, s.Coverage, s.Notes)
			}
			t.Logf("%d passes, %d probes, %v", s.Passes, s.Probes, time.Duration(s.Duration))
		})
	}
}
