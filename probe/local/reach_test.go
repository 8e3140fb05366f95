package local

import (
	"net/netip"
	"testing"
)

func TestReach(t *testing.T) {
	for a, want := range map[string]string{
		"0.0.0.0": "any", "::": "any", "127.0.0.1": "loopback", "127.8.0.1": "loopback", "::1": "loopback",
		"::ffff:127.0.0.1": "loopback", "169.254.1.1": "link-local", "fe80::1%eth0": "link-local",
		"10.1.2.3": "private", "172.31.0.1": "private", "172.32.0.1": "public", "192.168.0.1": "private",
		"100.64.0.1": "private", "100.128.0.1": "public", "fd00::1": "private", "2001:db8::1": "private", "8.8.8.8": "public",
		"198.19.0.1": "private", "203.0.113.1": "private", "192.0.0.8": "private", "192.0.0.9": "public",
		"240.0.0.1": "private",
		"0.1.2.3":   "private", "255.255.255.255": "link-local", "10.255.255.255": "private", "fec0::1": "public",
		"2600::1": "public", "2001:20::1": "public", "2001:2::1": "private", "2001::1": "public", "3fff::1": "private",
		"64:ff9b::1": "public", "64:ff9b:1::1": "private", "2002::1": "public",
		"224.0.0.251": "link-local", "224.0.1.1": "public", "232.1.1.1": "public", "239.255.255.250": "private",
		"ff00::1": "loopback", "ff01::1": "loopback", "ff02::fb": "link-local", "ff03::1": "private", "ff05::2": "private",
		"ff08::1": "private", "ff0e::1": "public", "ff32::8000:1": "link-local", "ff3e::1": "public",
	} {
		if got := reach(netip.MustParseAddr(a), false); got != want {
			t.Errorf("%s: %s, want %s", a, got, want)
		}
		if got := reach(netip.MustParseAddr(a), true); got != "loopback" {
			t.Errorf("%s on a loopback device: %s", a, got)
		}
	}
}
