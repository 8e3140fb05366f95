package connect_test

import (
	"context"
	"net/netip"
	"slices"
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

// smallTable is the kernel's table with room for a few beside what is in it already.
type smallTable struct {
	connect.Table
	room int
	plan netip.Prefix
	most int // entries of the plan
}

func (s *smallTable) Read(ctx context.Context, ipv6 bool) (connect.TableUse, error) {
	u, err := s.Table.Read(ctx, ipv6)
	others := func(a netip.Addr) bool { return !s.plan.Contains(a) }
	s.most = max(s.most, len(slices.DeleteFunc(slices.Clone(u.Addrs), others)))
	u.Taken = len(u.Addrs)
	u.Limit = s.room
	return u, err
}

// TestOnLink asks more neighbors than a table holds, of which few exist: none of those is
// reported silent, all others are reported missing, and half of the table stays free.
func TestOnLink(t *testing.T) {
	t.Parallel()
	h := nettest.NewReadyHost(t)
	h.Setup(t, nettest.Route("10.91.1.0/28", "lo", unix.RTN_LOCAL, netip.Addr{}))
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
	plan := scantest.NewPlan(t, []probe.Port{tcp417}, "10.91.1.0/25")
	table := &smallTable{Table: connect.SystemTable(), room: 160, plan: netip.MustParsePrefix("10.91.1.0/25")}
	e := connect.New(connect.Config{Own: own, Table: table})
	s := scantest.Run(t.Context(), scan.Config{Plan: plan, Engine: e, Retries: 1, All: true})
	s.RequireComplete(t)
	there := netip.MustParsePrefix("10.91.1.0/28")
	wrong := 0
	for ep, r := range s.Results(t) {
		want := probe.NoNeighbor
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
	if notes := e.Notes(); len(notes) != 1 || notes[0].Kind != engine.NoteNeighborTable {
		t.Errorf("notes %v", notes)
	}
	if table.most == 0 || table.most > table.room/2 {
		t.Errorf("%d neighbors in a table of %d", table.most, table.room)
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
