package scan

import (
	"net/netip"
	"reflect"
	"testing"

	"onmux/probe"
)

// TestNetworksThatAnswerEverywhere: a network is reported to answer in its hosts'
// place if many do on every port, and none does not.
func TestNetworksThatAnswerEverywhere(t *testing.T) {
	l := newFollowUps(Config{}, nil)
	host := func(network string, i int) netip.Addr {
		a := netip.MustParseAddr(network)
		for range i {
			a = a.Next()
		}
		return a
	}
	for i := range manyEverywhere {
		l.count(host("10.0.1.0", i), probe.Openness{Everywhere: true})
		l.count(host("10.0.2.0", i), probe.Openness{Everywhere: i != 3})
		l.count(host("2001:db8::", i), probe.Openness{Everywhere: true})
		if i > 0 {
			l.count(host("10.0.3.0", i), probe.Openness{Everywhere: true})
		}
	}
	want := []Note{
		{Kind: CoverOpenEverywhere, Network: netip.MustParsePrefix("10.0.1.0/24"), Count: 8},
		{Kind: CoverOpenEverywhere, Network: netip.MustParsePrefix("2001:db8::/64"), Count: 8},
	}
	if got := l.notes(); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
}
