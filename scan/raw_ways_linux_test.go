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

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/nettest"
	"onmux/probe/request"
	"onmux/scan"
	"onmux/scan/engine"
	"onmux/scan/raw"
	"onmux/scan/simnet"
)

// address gives a device of the namespace that it is called in an address.
func address(device, prefix string) func() error {
	return func() error {
		l, err := netlink.LinkByName(device)
		if err != nil {
			return err
		}
		a, err := netlink.ParseAddr(prefix)
		if err != nil {
			return err
		}
		a.Flags = unix.IFA_F_NODAD
		return netlink.AddrAdd(l, a)
	}
}

// here runs steps in the test's own namespace.
func here(t testing.TB, steps ...func() error) {
	t.Helper()
	for i, step := range steps {
		if err := step(); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
	}
}

// peerOf is the host's end of the link.
func peerOf(h *nettest.Host) string { return "vh" + strings.TrimPrefix(h.Device, "vt") }

// TestRawManyNeighbours asks 2,046 neighbours that are all there, twice as many as
// the kernel's table bears (gc_thresh3), and none of them comes to stand in it.
func TestRawManyNeighbours(t *testing.T) {
	h := newHost(t)
	here(t, address(h.Device, "10.94.7.254/21"))
	// Linux answers ARP for every address that is local.
	do(t, h, route("10.94.0.0/21", "lo", unix.RTN_LOCAL, netip.Addr{}), address(peerOf(h), "10.94.7.253/32"), sysctl("ipv4/conf/all/rp_filter", "0"), func() error {
		l, err := netlink.LinkByName(peerOf(h))
		if err != nil {
			return err
		}
		return netlink.RouteAdd(&netlink.Route{LinkIndex: l.Attrs().Index, Scope: netlink.SCOPE_LINK,
			Dst: &net.IPNet{IP: net.IPv4(10, 94, 7, 254), Mask: net.CIDRMask(32, 32)}})
	})
	l, err := netlink.LinkByName(h.Device)
	if err != nil {
		t.Fatal(err)
	}
	before, err := netlink.NeighList(l.Attrs().Index, netlink.FAMILY_V4)
	if err != nil {
		t.Fatal(err)
	}
	plan := planOf(t, []probe.Port{tcp417}, "10.94.0.1-10.94.7.252")
	s := sweep(t.Context(), scan.Config{Plan: plan, Engine: newRaw(t, raw.Config{Targets: plan}), Rate: 20000, Retries: 2})
	s.ok(t)
	if s.States["closed"] != plan.Len() {
		t.Errorf("%+v", s.Summary)
	}
	after, err := netlink.NeighList(l.Attrs().Index, netlink.FAMILY_V4)
	if err != nil || len(after) > len(before)+1 {
		t.Errorf("the kernel has %d neighbours, had %d, %v", len(after), len(before), err)
	}
}

// vlan adds a tagged device with addresses to one of the namespace.
func vlan(name, device string, prefixes ...string) func() error {
	return func() error {
		parent, err := netlink.LinkByName(device)
		if err != nil {
			return err
		}
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.ParentIndex = name, parent.Attrs().Index
		v := &netlink.Vlan{LinkAttrs: attrs, VlanId: 417}
		if err := netlink.LinkAdd(v); err != nil {
			return err
		}
		for _, p := range prefixes {
			if err := address(name, p)(); err != nil {
				return err
			}
		}
		return netlink.LinkSetUp(v)
	}
}

// TestRawOverVLAN asks on a tagged network, on the link and behind a next hop.
func TestRawOverVLAN(t *testing.T) {
	h := newHost(t)
	if err := vlan("tagged", h.Device, "10.95.0.1/24", "fd95::1/64")(); errors.Is(err, unix.EOPNOTSUPP) {
		t.Skip("this kernel has no VLANs:", err)
	} else if err != nil {
		t.Fatal(err)
	}
	do(t, h, vlan("tagged", peerOf(h), "10.95.0.2/24", "fd95::2/64"), route("10.96.0.0/24", "lo", unix.RTN_LOCAL, netip.Addr{}))
	here(t, route("10.96.0.0/24", "tagged", 0, netip.MustParseAddr("10.95.0.2")))
	var l net.Listener
	do(t, h, func() (err error) { l, err = net.Listen("tcp", ":417"); return err })
	defer l.Close()
	plan := planOf(t, []probe.Port{tcp417, {Number: 418, Proto: probe.TCP}}, "10.95.0.2-3", "10.96.0.7", "fd95::2-fd95::3")
	s := sweep(t.Context(), scan.Config{Plan: plan, Engine: newRaw(t, raw.Config{Targets: plan}), Retries: 1, All: true})
	s.ok(t)
	for e, r := range s.told(t) {
		want := probe.Reset
		switch {
		case lastByte(e.Addr) == 3:
			want = probe.NoNeighbour
		case e.Port == 417:
			want = probe.SynAck
		}
		if r.Reason != want {
			t.Errorf("%v is %v (%v) %s", e, r.State, r.Reason, r.Error)
		}
	}
}

// TestRawSmallMTU has a link that takes less than a payload: what fits is asked,
// and what does not is told so.
func TestRawSmallMTU(t *testing.T) {
	nettest.Need(t)
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
	w := &world{at: map[netip.Addr]fact{netip.MustParseAddr("10.97.0.2"): {deed: always(open)}}, asked: map[probe.Endpoint]int{}}
	pumping.Go(func() { pump(w, device) })
	defer func() { device.Close(); pumping.Wait() }()
	long := uint16(0)
	for port := uint16(1); long == 0; port++ {
		if len(request.Payloads(port)[0]) > 40 {
			long = port
		}
	}
	plan := planOf(t, []probe.Port{tcp417, udp417, {Number: long, Proto: probe.UDP}}, "10.97.0.2")
	s := sweep(t.Context(), scan.Config{Plan: plan, Engine: newRaw(t, raw.Config{Targets: plan}), Retries: 1, Timeout: 200 * time.Millisecond, All: true})
	s.ok(t)
	for e, r := range s.told(t) {
		if e.Port == 417 && r.State != probe.Open || e.Port == long && (r.Reason != probe.LocalError || !strings.Contains(r.Error, "MTU")) {
			t.Errorf("%v is %v (%v) %s", e, r.State, r.Reason, r.Error)
		}
	}
}

// TestRawPortsAreReserved has another program try to take the ports of a scan,
// on any address, while it goes on.
func TestRawPortsAreReserved(t *testing.T) {
	nettest.Need(t)
	device, err := tun("tunports", "10.98.0.1/24")
	if err != nil {
		t.Skip("no TUN devices:", err)
	}
	got := make(map[probe.Proto]uint16)
	w := &world{asked: map[probe.Endpoint]int{}, at: map[netip.Addr]fact{netip.MustParseAddr("10.98.0.2"): {}}}
	reached := make(chan struct{})
	var pumping sync.WaitGroup
	w.at[netip.MustParseAddr("10.98.0.2")] = fact{deed: portsSeen(got, reached)}
	pumping.Go(func() { pump(w, device) })
	defer func() { device.Close(); pumping.Wait() }()
	plan := planOf(t, both, "10.98.0.2")
	e := newRaw(t, raw.Config{Targets: plan})
	defer e.Close()
	for i := range plan.Len() {
		if _, err := e.Send(t.Context(), []engine.Probe{{Index: i, Endpoint: plan.At(i), Try: 1, Wait: time.Second}}); err != nil {
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

// TestRawSmallMTUOnLink is the same on an Ethernet, where the probe is written
// only when the neighbour has answered.
func TestRawSmallMTUOnLink(t *testing.T) {
	h := newHost(t)
	l, err := netlink.LinkByName(h.Device)
	if err == nil {
		err = netlink.LinkSetMTU(l, 68)
	}
	if err != nil {
		t.Fatal(err)
	}
	plan := planOf(t, []probe.Port{tcp417, {Number: 5060, Proto: probe.UDP}}, h.Addr4.String())
	s := sweep(t.Context(), scan.Config{Plan: plan, Engine: newRaw(t, raw.Config{Targets: plan}), Retries: 1, All: true})
	s.ok(t)
	for e, r := range s.told(t) {
		want := probe.Reset
		if e.Proto == probe.UDP {
			want = probe.LocalError
		}
		if r.Reason != want {
			t.Errorf("%v is %v (%v) %s", e, r.State, r.Reason, r.Error)
		}
	}
}

// portsSeen notes from where each protocol is asked, and says when both are known.
func portsSeen(got map[probe.Proto]uint16, reached chan struct{}) deed {
	return func(q simnet.Query, _ int) [][]byte {
		if got[q.Proto] = q.From.Port(); len(got) == 2 {
			close(reached)
		}
		return nil
	}
}
