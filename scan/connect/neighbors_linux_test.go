package connect_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/nettest"
	"onmux/scan"
	"onmux/scan/connect"
	"onmux/scan/engine"
	"onmux/scan/scantest"
	"onmux/scan/target"
)

// TestOnLink asks more neighbors than the kernel's table holds, of which few
// exist: none of those is reported silent, and all others are reported missing.
func TestOnLink(t *testing.T) {
	t.Parallel()
	h := nettest.NewReadyHost(t)
	h.Setup(t, nettest.Route("10.91.1.0/26", "lo", unix.RTN_LOCAL, netip.Addr{}))
	l, err := netlink.LinkByName(h.Device)
	if err != nil {
		t.Fatal(err)
	}
	wide, err := netlink.ParseAddr("10.91.15.1/20")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.AddrAdd(l, wide); err != nil {
		t.Fatal(err)
	}
	h.Setup(t, func() error {
		l, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		back, err := netlink.ParseAddr("10.91.15.2/32")
		if err != nil {
			return err
		}
		return netlink.AddrAdd(l, back)
	}, func() error { return hostRoute("10.91.15.1") })
	own, err := target.OwnNetworks()
	if err != nil {
		t.Fatal(err)
	}
	plan := scantest.NewPlan(t, []probe.Port{tcp417}, "10.91.0.0/22", "10.91.8.0/24")
	e := connect.New(connect.Config{Own: own})
	s := scantest.Run(t.Context(), scan.Config{Plan: plan, Engine: e, Retries: 1, All: true})
	s.RequireComplete(t)
	there := netip.MustParsePrefix("10.91.1.0/26")
	wrong := 0
	for ep, r := range s.Results(t) {
		want := probe.NoNeighbour
		if there.Contains(ep.Addr) {
			want = probe.Reset
		}
		if r.Reason != want {
			wrong++
			t.Logf("%v is %v (%v) %s", ep, r.State, r.Reason, r.Error)
		}
	}
	if wrong > 0 {
		t.Errorf("%d are wrong: %+v %v", wrong, s.Summary, e.Notes())
	}
	if notes := e.Notes(); len(notes) != 1 || notes[0].Kind != engine.NoteNeighborRate {
		t.Errorf("notes %v", notes)
	}
	t.Logf("%d probes in %v", s.Probes, time.Duration(s.Duration))
}

// hostRoute leads to an address on the link of whatever device of the namespace that it
// is called in is no loopback.
func hostRoute(to string) error {
	all, err := netlink.LinkList()
	if err != nil {
		return err
	}
	for _, l := range all {
		if l.Type() == "veth" {
			return nettest.Route(to+"/32", l.Attrs().Name, unix.RTN_UNICAST, netip.Addr{})()
		}
	}
	return nil
}
