package target

import (
	"net/netip"
	"strings"
	"testing"

	"onmux/probe/wording"
)

func TestNetworks(t *testing.T) {
	for _, tt := range []struct {
		targets string
		want    string // how many addresses lie in each network
	}{
		{"10.0.0.0/24", "256"},
		{"10.0.0.0/23", "256 256"},
		{"10.0.0.250-10.0.2.5", "6 256 6"},
		{"10.0.0.1 10.0.0.3 10.0.0.200-10.0.1.3 10.0.1.9", "58 5"},
		{"127.0.0.0/16 ::1", ""},
		{"126.255.255.250-127.0.0.9 127.255.255.0-128.0.0.3", "6 4"},
		{"127.0.0.1 10.0.0.1 ::1 2001:db8::1", "1 1"},
		{"2001:db8::/112 2001:db8::1:5 2001:db8:0:1::1", "65537 1"},
		{"2001:db8::ffff:ffff:ffff:fff0-2001:db8:0:1::2", "16 3"},
		{"fe80::1%a fe80::2%a fe80::1%b", "2 1"},
		{"255.255.255.255", "1"},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "1"},
	} {
		p, err := NewPlan(t.Context(), Config{Targets: strings.Fields(tt.targets), Ports: onmuxTCP})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		seen := map[netip.Prefix]bool{}
		for lo, hi := range p.Networks {
			got = append(got, wording.Number(hi-lo))
			a, b := p.At(lo).Addr, p.At(hi-1).Addr
			net, _ := a.WithZone("").Prefix(map[bool]int{true: 24, false: 64}[a.Is4()])
			if !net.Contains(b.WithZone("")) || a.IsLoopback() || a.Zone() != b.Zone() || seen[net] && a.Zone() == "" {
				t.Errorf("%s: from %v to %v", tt.targets, a, b)
			}
			seen[net] = true
		}
		if s := strings.ReplaceAll(strings.Join(got, " "), ",", ""); s != tt.want {
			t.Errorf("%s: %s, want %s", tt.targets, s, tt.want)
		}
	}
}
