package link

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/nettest"
)

func TestMain(m *testing.M) { nettest.Main(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually asks again and again for what the kernel does in its own time.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for start := time.Now(); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Since(start) > 20*time.Second {
			t.Fatal("it never came to pass that " + what)
		}
	}
}

func network(t testing.TB, s string) *net.IPNet {
	t.Helper()
	p := netip.MustParsePrefix(s)
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// deadEnd makes an interface with addresses; what it sends is lost.
func deadEnd(t testing.TB, name string, addrs ...string) netlink.Link {
	t.Helper()
	d := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name, MTU: 1500, TxQLen: -1}, PeerName: name + "-end"}
	must(t, netlink.LinkAdd(d))
	t.Cleanup(func() { _ = netlink.LinkDel(d) })
	l, err := netlink.LinkByName(name)
	must(t, err)
	for _, s := range addrs {
		a, err := netlink.ParseAddr(s)
		must(t, err)
		a.Flags = unix.IFA_F_NODAD
		must(t, netlink.AddrAdd(l, a))
	}
	end, err := netlink.LinkByName(name + "-end")
	must(t, err)
	must(t, netlink.LinkSetARPOff(end))
	must(t, nettest.Sysctl("ipv6/conf/"+name+"/accept_dad", "0")()) // its link-local address is valid at once
	must(t, netlink.LinkSetUp(end))
	must(t, netlink.LinkSetUp(l))
	eventually(t, name+" has its link-local address", func() bool {
		all, err := listDevices(t.Context())
		must(t, err)
		return slices.ContainsFunc(all[l.Attrs().Index].addrs, netip.Addr.IsLinkLocalUnicast)
	})
	return l
}

func addRoute(t testing.TB, r netlink.Route) {
	t.Helper()
	if err := netlink.RouteAdd(&r); err != nil {
		t.Fatalf("%+v: %v", r, err)
	}
	t.Cleanup(func() { _ = netlink.RouteDel(&r) })
}

func addRule(t testing.TB, change func(*netlink.Rule)) {
	t.Helper()
	r := netlink.NewRule()
	change(r)
	must(t, netlink.RuleAdd(r))
	t.Cleanup(func() { _ = netlink.RuleDel(r) })
}

// makeRoutes is a namespace with everything that decides a route.
func makeRoutes(t *testing.T) {
	nettest.Need(t)
	a := deadEnd(t, "ma", "10.50.0.1/24", "10.50.0.9/24", "fd50::1/64", "2001:db8:50::1/64")
	b := deadEnd(t, "mb", "10.51.0.1/24", "fd51::1/64")
	ia, ib := a.Attrs().Index, b.Attrs().Index
	ip := net.ParseIP
	addRoute(t, netlink.Route{LinkIndex: ia, Dst: network(t, "10.60.0.0/16"), Gw: ip("10.50.0.2")})
	addRoute(t, netlink.Route{LinkIndex: ib, Dst: network(t, "10.60.16.0/20"), Gw: ip("10.51.0.2"), Src: ip("10.50.0.9")})
	// It loses to metric 0.
	addRoute(t, netlink.Route{LinkIndex: ib, Dst: network(t, "10.60.0.0/16"), Gw: ip("10.51.0.2"), Priority: 50})
	addRoute(t, netlink.Route{Dst: network(t, "10.60.32.0/24"), Type: unix.RTN_BLACKHOLE})
	addRoute(t, netlink.Route{Dst: network(t, "10.60.33.0/24"), Type: unix.RTN_PROHIBIT})
	addRoute(t, netlink.Route{Dst: network(t, "10.60.34.0/24"), Type: unix.RTN_UNREACHABLE})
	addRoute(t, netlink.Route{LinkIndex: ia, Dst: network(t, "10.60.35.0/24"), Gw: ip("10.50.0.3"), MTU: 1280})
	over6 := &netlink.Via{AddrFamily: netlink.FAMILY_V6, Addr: ip("fd50::2")}
	addRoute(t, netlink.Route{LinkIndex: ia, Dst: network(t, "10.60.36.0/24"), Via: over6})
	addRoute(t, netlink.Route{LinkIndex: ib, Dst: network(t, "10.60.40.0/24"), Gw: ip("10.51.0.7"), Table: 100})
	addRoute(t, netlink.Route{LinkIndex: ib, Dst: network(t, "10.60.44.0/23"), Gw: ip("10.51.0.8"), Table: 101})
	addRoute(t, netlink.Route{LinkIndex: ib, Dst: network(t, "10.60.48.0/24"), Gw: ip("10.51.0.9"), Table: 102})
	addRoute(t, netlink.Route{LinkIndex: ib, Dst: network(t, "10.60.52.0/24"), Gw: ip("10.51.0.10"), Table: 103})
	addRule(t, func(r *netlink.Rule) { r.Family, r.Table, r.Priority = netlink.FAMILY_V4, 100, 900 })
	addRule(t, func(r *netlink.Rule) {
		r.Family, r.Table, r.Priority, r.Dst = netlink.FAMILY_V4, 101, 901, network(t, "10.60.45.128/25")
	})
	addRule(t, func(r *netlink.Rule) {
		r.Family, r.Table, r.Priority, r.Src = netlink.FAMILY_V4, 102, 902, network(t, "10.50.0.1/32")
	})
	addRule(t, func(r *netlink.Rule) {
		r.Family, r.Table, r.Priority, r.IPProto = netlink.FAMILY_V4, 103, 903, unix.IPPROTO_TCP
		r.Dport = netlink.NewRulePortRange(417, 417)
	})
	addRoute(t, netlink.Route{LinkIndex: ia, Dst: network(t, "fd60::/32"), Gw: ip("fd50::2")})
	addRoute(t, netlink.Route{LinkIndex: ib, Dst: network(t, "fd60:0:1::/48"), Gw: ip("fd51::2")})
	addRoute(t, netlink.Route{Dst: network(t, "fd60:0:2::/48"), Type: unix.RTN_BLACKHOLE})
	addRoute(t, netlink.Route{LinkIndex: ia, Dst: network(t, "::/0"), Gw: ip("fd50::2")})
}

func span(s string) Span {
	first, last, _ := strings.Cut(s, "-")
	return Span{netip.MustParseAddr(first), netip.MustParseAddr(last)}
}

var tcp417 = probe.Port{Number: 417, Proto: probe.TCP}

func runs(spans ...Span) iter.Seq2[netip.Addr, netip.Addr] {
	return func(yield func(first, last netip.Addr) bool) {
		for _, s := range spans {
			if !yield(s.First, s.Last) {
				return
			}
		}
	}
}

// source is the address that a UDP socket gets to reach a, or why it cannot.
func source(a netip.Addr) (netip.Addr, error) {
	c, err := net.Dial("udp", netip.AddrPortFrom(a, 417).String())
	if err != nil {
		return netip.Addr{}, err
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap().WithZone(""), nil
}

// Every route equals the kernel's for that very address.
func TestRoutesAreTheKernels(t *testing.T) {
	makeRoutes(t)
	asks := []probe.Port{{Number: 417, Proto: probe.TCP}, {Number: 417, Proto: probe.UDP}}
	spans := []Span{
		span("10.49.255.0-10.51.1.255"), span("10.60.0.0-10.60.63.255"), span("127.0.0.0-127.0.0.255"),
		span("::1-::1"), span("2001:db8:50::-2001:db8:50::ff"), span("2001:db8:99::-2001:db8:99::ff"),
		span("fd50::-fd50::ff"), span("fd60::-fd60:0:3::ff"), span("fd99::-fd99::ff"),
	}
	table, err := Routes(t.Context(), RouteConfig{Runs: runs(spans...), Ports: asks})
	must(t, err)
	var edges []netip.Addr
	for _, s := range spans {
		edges = append(edges, s.First, s.Last)
	}
	for _, s := range []string{"10.60.15.255", "10.60.16.0", "10.60.31.255", "10.60.32.0", "10.60.32.255", "10.60.33.7",
		"10.60.34.7", "10.60.35.0", "10.60.36.0",
		"10.60.36.255", "10.60.37.0", "10.60.40.0", "10.60.41.0", "10.60.45.127", "10.60.45.128", "10.60.45.255",
		"10.60.46.0", "10.60.48.3", "10.60.52.9",
		"10.50.0.1", "10.50.0.2", "10.50.0.9", "10.50.0.255", "10.50.1.0", "fd60:0:0:ffff::", "fd60:0:1::", "fd60:0:2::1",
		"fd60:0:3::1", "fd50::1", "fd50::2"} {
		edges = append(edges, netip.MustParseAddr(s))
	}
	for range 2000 {
		s := spans[rand.IntN(len(spans))]
		edges = append(edges, between(s))
	}
	for _, a := range edges {
		for i, ask := range asks {
			got := table.Find(a, i)
			want := kernelRoute(t, a, ask)
			if got == nil || describe(got) != want {
				t.Fatalf("%s %v goes %s, the kernel returns %s", a, ask, describe(got), want)
			}
		}
		if b := table.Find(a, 1); b.Err == unix.EACCES {
			continue // package net allows broadcasts to its sockets
		}
		src, err := source(a)
		if got := table.Find(a, 1); got.Err == nil != (err == nil) || got.Err == nil && got.Src != src {
			t.Fatalf("%s: %s, a socket gets %s, %v", a, describe(got), src, err)
		}
	}
	if n := len(table.Routes()); n > 60 {
		t.Errorf("%d routes: equal ones should be one", n)
	}
	t.Logf("%d routes", len(table.Routes()))
}

// between is a random address of a span.
func between(s Span) netip.Addr {
	for {
		b, first := s.Last.As16(), s.First.As16()
		for i := range b {
			if first[i] != b[i] {
				b[i] = byte(rand.Uint32())
			}
			if i == 15 {
				b[i] = byte(rand.Uint32())
			}
		}
		a := netip.AddrFrom16(b)
		if s.First.Is4() {
			a = a.Unmap()
		}
		if s.First.Compare(a) <= 0 && a.Compare(s.Last) <= 0 {
			return a
		}
	}
}

func describe(r *Route) string {
	switch {
	case r == nil:
		return "nowhere"
	case r.Err != nil:
		return r.Err.Error()
	}
	return fmt.Sprintf("%s via %s from %s", r.Device.Name, r.Gateway, r.Src)
}

// kernelRoute asks the kernel for one address, without a table.
func kernelRoute(t *testing.T, a netip.Addr, ask probe.Port) string {
	t.Helper()
	b := builder{t: &Table{}, known: map[routeKey]*Route{}, bySrc: [2]bool{true, true}, byPort: [2]bool{true, true}}
	var err error
	b.devices, err = listDevices(t.Context())
	must(t, err)
	r, err := b.ask(t.Context(), a, ask, nil)
	must(t, err)
	return describe(&r)
}

// TestRoutesOfManyRuns: where there are more runs than hulls, each has the route that it
// has as part of one run.
func TestRoutesOfManyRuns(t *testing.T) {
	makeRoutes(t)
	whole := span("10.60.0.0-10.60.255.255")
	var each []Span
	for a := whole.First; !whole.Last.Less(a); a = a.Next().Next() {
		each = append(each, Span{a, a})
	}
	ports := []probe.Port{tcp417}
	want, err := Routes(t.Context(), RouteConfig{Runs: runs(whole), Ports: ports})
	must(t, err)
	many, err := Routes(t.Context(), RouteConfig{Runs: runs(each...), Ports: ports})
	must(t, err)
	routes := make(map[string]bool)
	for _, s := range each {
		got := describe(many.Find(s.First, 0))
		if want := describe(want.Find(s.First, 0)); got != want {
			t.Fatalf("%s: %s, want %s", s.First, got, want)
		}
		routes[got] = true
	}
	if len(routes) < 2 {
		t.Errorf("all have one route: %v", routes)
	}
}

func TestRoutesOfADevice(t *testing.T) {
	makeRoutes(t)
	spans := []Span{
		span("10.60.0.0-10.60.63.255"),
		{netip.MustParseAddr("fe80::1%ma"), netip.MustParseAddr("fe80::9%ma")},
		{netip.MustParseAddr("fe80::1%mb"), netip.MustParseAddr("fe80::9%mb")},
	}
	table, err := Routes(t.Context(), RouteConfig{Runs: runs(spans...), Ports: []probe.Port{tcp417}, Device: "mb"})
	must(t, err)
	for a, want := range map[string]string{"10.60.0.1": "mb", "10.60.17.1": "mb", "fe80::3%mb": "mb", "fe80::3%ma": ""} {
		r := table.Find(netip.MustParseAddr(a), 0)
		if r == nil || want == "" && r.Err == nil || want != "" && (r.Err != nil || r.Device.Name != want) {
			t.Errorf("%s: %s", a, describe(r))
		}
	}
	if _, err := Routes(t.Context(), RouteConfig{Runs: runs(spans...), Device: "none"}); err == nil ||
		!strings.Contains(err.Error(), `no interface "none"`) {
		t.Error(err)
	}
}

func BenchmarkFind(b *testing.B) {
	nettest.Need(b)
	table, err := Routes(
		b.Context(),
		RouteConfig{Runs: runs(span("127.0.0.0-127.255.255.255")), Ports: []probe.Port{tcp417}},
	)
	must(b, err)
	a := netip.MustParseAddr("127.1.2.3")
	b.ReportAllocs()
	for b.Loop() {
		table.Find(a, 0)
	}
}
