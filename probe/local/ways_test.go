package local

import (
	"net/netip"
	"slices"
	"testing"

	"onmux/probe"
	"onmux/probe/local/ipvs"
	"onmux/probe/local/nat"
)

// The load balancer sends on what comes for its services at addresses of this machine.
func TestBalanced(t *testing.T) {
	own := netip.MustParseAddr("10.96.0.1")
	server := netip.MustParseAddrPort("10.244.0.5:8080")
	w := ways{services: []ipvs.Service{
		{Proto: probe.TCP, Addr: own, Port: 417, Servers: []netip.AddrPort{server}},
		{Proto: probe.TCP, Addr: own, Port: 418}, // without a server nothing answers
		{Proto: probe.TCP, Addr: netip.MustParseAddr("192.0.2.1"), Port: 419, Servers: []netip.AddrPort{server}},
		{Mark: 7, Servers: []netip.AddrPort{server}},
	}}
	w.own([]netip.Addr{own})
	for number, want := range map[uint16]int{417: 1, 418: 0, 419: 0, 420: 0} {
		p := probe.Port{Number: number, Proto: probe.TCP}
		all := w.redirects(p)
		if len(all) != want || len(w.redirects(probe.Port{Number: number, Proto: probe.UDP})) != 0 {
			t.Errorf("%s: %+v", p, all)
		}
		v := Judge(Facts{Port: p, NAT: Rules{Redirects: all}, Programs: Programs{Services: w.byMark()}})
		if redirected := v.Verdict == Redirected; redirected != (want > 0) || !redirected && len(v.Facts.Caveats) == 0 {
			t.Errorf("%s: %s, %q", p, v.Verdict, v.Facts.Caveats)
		}
	}
	r := w.redirects(probe.Port{Number: 417, Proto: probe.TCP})[0]
	if r.Means != nat.IPVS || r.Service != "10.96.0.1:417" || r.Target.Addr != server.Addr() ||
		r.Target.Ports.First != 8080 {
		t.Errorf("%+v", r)
	}
	if got, want := w.selected(), []probe.Port{{Number: 417, Proto: probe.TCP}}; !slices.Equal(got, want) {
		t.Errorf("selected %v, want %v", got, want)
	}
}
