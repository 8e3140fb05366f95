package connect

import (
	"net/netip"
	"testing"

	"onmux/scan/engine"
)

// TestDemand: neighbors are counted once, and a scan gets half of what is free.
func TestDemand(t *testing.T) {
	own := []netip.Prefix{
		netip.MustParsePrefix("10.0.0.7/20"), netip.MustParsePrefix("10.0.3.7/24"), netip.MustParsePrefix("10.0.0.8/20"),
		netip.MustParsePrefix("fd41::1/64"), netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("10.9.9.9/32"),
	}
	type span [2]string
	use := func(n uint64) *engine.NeighborUse {
		return &engine.NeighborUse{Neighbors: n, Limit: 64, Taken: 20, Room: 22}
	}
	for name, c := range map[string]struct {
		ranges []span
		want   *engine.NeighborUse
	}{
		"all of a network": {[]span{{"10.0.0.0", "10.0.15.255"}}, use(4096)},
		"a part of it":     {[]span{{"10.0.15.0", "10.0.16.255"}, {"10.0.0.1", "10.0.0.2"}}, use(258)},
		"IPv6":             {[]span{{"10.0.0.1", "10.0.0.1"}, {"fd41::", "fd41::ff"}}, use(256)},
		"behind a router":  {[]span{{"10.1.0.0", "10.1.255.255"}, {"fd42::", "fd42::ff"}}, nil},
		"this machine":     {[]span{{"127.0.0.0", "127.0.0.255"}, {"10.9.9.9", "10.9.9.9"}}, nil},
	} {
		got := Demand(t.Context(), Config{Own: own, Table: newTableMachine(64, 20)}, func(yield func(a, b netip.Addr) bool) {
			for _, s := range c.ranges {
				if !yield(netip.MustParseAddr(s[0]), netip.MustParseAddr(s[1])) {
					return
				}
			}
		})
		if (got == nil) != (c.want == nil) || got != nil && *got != *c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
