package scan

import (
	"net/netip"
	"slices"
	"testing"

	"onmux/probe"
)

// TestNetworksThatAnswerEverywhere: a network is said to answer in its hosts'
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
	want := []string{
		"10.0.1.0/24: all 8 open hosts that were looked at answer on every port: something before them answers in their place",
		"2001:db8::/64: all 8 open hosts that were looked at answer on every port: something before them answers in their place",
	}
	if got := l.notes(); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
