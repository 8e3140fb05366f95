package raw_test

import (
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/nettest"
	"onmux/scan"
	"onmux/scan/raw"
	"onmux/scan/scantest"
)

// TestManyNeighbors asks 2,046 neighbors that all answer, twice as many as the
// kernel's table holds (gc_thresh3), and none of them is added to it.
func TestManyNeighbors(t *testing.T) {
	t.Parallel()
	h := nettest.NewReadyHost(t)
	nettest.Setup(t, nettest.Address(h.Device, "10.94.7.254/21"))
	// Linux answers ARP for every address that is local.
	h.Setup(
		t,
		nettest.Route("10.94.0.0/21", "lo", unix.RTN_LOCAL, netip.Addr{}),
		nettest.Address(h.PeerDevice(), "10.94.7.253/32"),
		nettest.Sysctl("ipv4/conf/all/rp_filter", "0"),
		func() error {
			l, err := netlink.LinkByName(h.PeerDevice())
			if err != nil {
				return err
			}
			return netlink.RouteAdd(&netlink.Route{LinkIndex: l.Attrs().Index, Scope: netlink.SCOPE_LINK,
				Dst: &net.IPNet{IP: net.IPv4(10, 94, 7, 254), Mask: net.CIDRMask(32, 32)}})
		},
	)
	l, err := netlink.LinkByName(h.Device)
	if err != nil {
		t.Fatal(err)
	}
	before, err := netlink.NeighList(l.Attrs().Index, netlink.FAMILY_V4)
	if err != nil {
		t.Fatal(err)
	}
	plan := scantest.NewPlan(t, []probe.Port{tcp417}, "10.94.0.1-10.94.7.252")
	s := scantest.Run(
		t.Context(),
		scan.Config{Plan: plan, Engine: newRaw(t, raw.Config{Targets: plan}), Rate: 20000, Retries: 2},
	)
	s.RequireComplete(t)
	if s.States["closed"] != plan.Len() {
		t.Errorf("%+v", s.Summary)
	}
	after, err := netlink.NeighList(l.Attrs().Index, netlink.FAMILY_V4)
	if err != nil || len(after) > len(before)+1 {
		t.Errorf("the kernel has %d neighbors, had %d, %v", len(after), len(before), err)
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
			if err := nettest.Address(name, p)(); err != nil {
				return err
			}
		}
		return netlink.LinkSetUp(v)
	}
}

// TestOverVLAN asks on a tagged network, on the link and behind a next hop.
func TestOverVLAN(t *testing.T) {
	t.Parallel()
	h := nettest.NewReadyHost(t)
	if err := vlan("tagged", h.Device, "10.95.0.1/24", "fd95::1/64")(); errors.Is(err, unix.EOPNOTSUPP) {
		t.Skip("this kernel has no VLANs:", err)
	} else if err != nil {
		t.Fatal(err)
	}
	h.Setup(
		t,
		vlan("tagged", h.PeerDevice(), "10.95.0.2/24", "fd95::2/64"),
		nettest.Route("10.96.0.0/24", "lo", unix.RTN_LOCAL, netip.Addr{}),
	)
	nettest.Setup(t, nettest.Route("10.96.0.0/24", "tagged", 0, netip.MustParseAddr("10.95.0.2")))
	var l net.Listener
	h.Setup(t, func() (err error) { l, err = net.Listen("tcp", ":417"); return err })
	defer l.Close()
	plan := scantest.NewPlan(
		t,
		[]probe.Port{tcp417, {Number: 418, Proto: probe.TCP}},
		"10.95.0.2-3",
		"10.96.0.7",
		"fd95::2-fd95::3",
	)
	s := scantest.Run(
		t.Context(),
		scan.Config{Plan: plan, Engine: newRaw(t, raw.Config{Targets: plan}), Retries: 1, All: true},
	)
	s.RequireComplete(t)
	for e, r := range s.Results(t) {
		want := probe.Reset
		switch {
		case lastByte(e.Addr) == 3:
			want = probe.NoNeighbor
		case e.Port == 417:
			want = probe.SynAck
		}
		if r.Reason != want {
			t.Errorf("%v is %v (%v) %s", e, r.State, r.Reason, r.Error)
		}
	}
}

// TestSmallMTUOnLink is the same on an Ethernet, where the probe is written
// only when the neighbor has answered.
func TestSmallMTUOnLink(t *testing.T) {
	t.Parallel()
	h := nettest.NewReadyHost(t)
	l, err := netlink.LinkByName(h.Device)
	if err == nil {
		err = netlink.LinkSetMTU(l, 68)
	}
	if err != nil {
		t.Fatal(err)
	}
	plan := scantest.NewPlan(t, []probe.Port{tcp417, {Number: 5060, Proto: probe.UDP}}, h.Addr4.String())
	s := scantest.Run(
		t.Context(),
		scan.Config{Plan: plan, Engine: newRaw(t, raw.Config{Targets: plan}), Retries: 1, All: true},
	)
	s.RequireComplete(t)
	for e, r := range s.Results(t) {
		want := probe.Reset
		if e.Proto == probe.UDP {
			want = probe.LocalError
		}
		if r.Reason != want {
			t.Errorf("%v is %v (%v) %s", e, r.State, r.Reason, r.Error)
		}
	}
}
