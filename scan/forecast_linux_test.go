package scan_test

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/nettest"
	"onmux/scan"
	"onmux/scan/forecast"
	"onmux/scan/scantest"
)

// TestForecastOfRoutes: a plan with several routes is divided where they differ,
// gateways and dead ends included, and ports apart where a rule names one.
func TestForecastOfRoutes(t *testing.T) {
	h := nettest.NewHost(t)
	for _, step := range []func() error{
		route("10.178.1.0/24", h.Device, 0, h.Addr4), route("10.178.2.0/25", "", unix.RTN_UNREACHABLE, netip.Addr{}),
		route("10.178.2.128/25", h.Device, 0, h.Addr4), route("10.178.3.0/24", "", unix.RTN_PROHIBIT, netip.Addr{}),
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { // those without a device do not end with the host
		for kind, dst := range map[int]string{unix.RTN_UNREACHABLE: "10.178.2.0/25", unix.RTN_PROHIBIT: "10.178.3.0/24"} {
			_, network, _ := net.ParseCIDR(dst)
			if err := netlink.RouteDel(&netlink.Route{Dst: network, Type: kind}); err != nil {
				t.Error(err)
			}
		}
	})
	results := func(ports []probe.Port, device string, targets ...string) (all []string) {
		t.Helper()
		f, err := forecast.New(t.Context(), scan.Config{Plan: scantest.NewPlan(t, ports, targets...)}, device)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range f.Routes {
			s := r.First.String() + "-" + r.Last.String() + " " + r.Port
			if r.Interface != "" {
				s += r.Interface + " " + r.Gateway.String() + " " + r.Source.String()
			}
			all = append(all, s+r.Error)
		}
		return all
	}
	via := h.Device + " " + h.Addr4.String() + " " + h.Self4.String()
	link := h.Device + " invalid IP " + h.Self4.String()
	want := []string{
		h.Addr4.String() + "-" + h.Addr4.String() + " " + link,
		"10.178.1.0-10.178.1.255 " +
			via, "10.178.2.0-10.178.2.127 no route to it from this machine (no route to host)", "10.178.2.128-10.178.2.255 " +
			via,
		"10.178.3.0-10.178.3.255 this machine may not send to it: a firewall or route of its own forbids it, or it is a " +
			"broadcast address (permission denied)", "10.178.4.0-10.178.4.255 no route to it from this machine (network " +
			"is unreachable)",
		"127.0.0.1-127.0.0.1 lo invalid IP 127.0.0.1",
	}
	got := results([]probe.Port{tcp417}, "", "10.178.1.0-10.178.4.255", h.Addr4.String(), "127.0.0.1")
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}

	rule := netlink.NewRule()
	rule.Family, rule.IPProto = unix.AF_INET, unix.IPPROTO_TCP
	rule.Dport = netlink.NewRulePortRange(417, 417)
	rule.Table, rule.Priority = 77, 77
	if err := netlink.RuleAdd(rule); err != nil {
		t.Skip("rules of this kernel name no ports:", err)
	}
	t.Cleanup(func() { _ = netlink.RuleDel(rule) })
	l, err := netlink.LinkByName(h.Device)
	if err != nil {
		t.Fatal(err)
	}
	other := &netlink.Route{Table: 77, LinkIndex: l.Attrs().Index, Dst: netlink.NewIPNet([]byte{10, 178, 1, 9})}
	if err := netlink.RouteAdd(other); err != nil {
		t.Fatal(err)
	}
	got = results([]probe.Port{tcp417, {Number: 418, Proto: probe.TCP}}, "", "10.178.1.8-10.178.1.10")
	want = []string{
		"10.178.1.8-10.178.1.8 417/tcp" + via, "10.178.1.9-10.178.1.9 417/tcp" + link,
		"10.178.1.10-10.178.1.10 417/tcp" + via, "10.178.1.8-10.178.1.10 418/tcp" + via,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
