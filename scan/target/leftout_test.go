package target_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"onmux/probe"
	"onmux/report/phrase/coverage"
	"onmux/scan/target"
)

func TestPlanLeftOut(t *testing.T) {
	own := []netip.Prefix{
		netip.MustParsePrefix("10.0.0.7/24"), netip.MustParsePrefix("10.0.0.0/31"), netip.MustParsePrefix("10.0.0.8/32"),
		netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("2001:db8::1/120"), {},
	}
	for _, tt := range []struct {
		c                      target.Config
		targets, exclude, want string
		left                   []string
	}{
		{target.Config{}, "10.0.0.0/24", "", "10.0.0.0-10.0.0.254",
			[]string{"10.0.0.255 is left out: broadcast address of a network of this machine"}},
		{target.Config{}, "10.0.0.0/24 10.0.0.255", "", "10.0.0.0-10.0.0.255", nil},
		{target.Config{}, "10.0.0.255", "", "10.0.0.255", nil},
		{target.Config{}, "127.0.0.0/8 2001:db8::/120", "", "127.0.0.0-127.255.255.255 2001:db8::-2001:db8::ff", nil},
		{target.Config{}, "10.0.1.0/29", "10.0.1.2-3 10.0.1.7 10.9.9.9", "10.0.1.0-10.0.1.1 10.0.1.4-10.0.1.6",
			[]string{"3 addresses are excluded"}},
		{target.Config{}, "10.0.1.0/30", "10.0.1.0", "10.0.1.1-10.0.1.3", []string{"1 address is excluded"}},
		{target.Config{}, "dual.example one.example", "dual.example", "192.0.2.1",
			[]string{"2 addresses are excluded"}},
		{target.Config{}, "fe80::1%a fe80::2%a fe80::1%b ::1", "fe80::1", "::1 fe80::2%a",
			[]string{"2 addresses are excluded"}},
		{target.Config{}, "fe80::1%a fe80::1%b", "fe80::1%b", "fe80::1%a", []string{"1 address is excluded"}},
		{target.Config{}, "fe80::%a/126", "fe80::2", "fe80::%a-fe80::1%a fe80::3%a", []string{"1 address is excluded"}},
		{target.Config{}, "local.example", "", "192.0.2.9",
			[]string{"link-local addresses of local.example are left out: they came without a zone"}},
		{target.Config{IPv4: true}, "dual.example", "", "192.0.2.7",
			[]string{"IPv6 addresses of dual.example are left out (-4)"}},
		{target.Config{IPv4: true}, "dual.example 10.0.0.1 ::1 ::2 fe80::/10 fe80::1%a", "", "10.0.0.1 192.0.2.7", []string{
			"::1, ::2, fe80::/10 and 1 more are left out: they are IPv6 (-4)", "IPv6 addresses of dual.example are left " +
				"out (-4)"}},
		{target.Config{IPv6: true}, "dual.example six.example", "", "2001:db8::6-2001:db8::7",
			[]string{"IPv4 addresses of dual.example are left out (-6)"}},
		{target.Config{}, "223.255.255.255-240.0.0.2 239.0.0.0", "", "223.255.255.255 239.0.0.0", []string{
			"268,435,455 addresses from 224.0.0.0 to 239.255.255.255 are left out: multicast",
			"240.0.0.0, 240.0.0.1 and 240.0.0.2 are left out: reserved"}},
		{target.Config{}, "255.255.255.254-255.255.255.255 255.255.255.255 10.0.0.0/24", "",
			"10.0.0.0-10.0.0.254 255.255.255.255",
			[]string{
				"255.255.255.254 is left out: reserved", "10.0.0.255 is left out: broadcast address of a network of this machine"}},
		{target.Config{}, "::/126", "", "::1-::3", []string{":: is left out: no host can have such an address"}},
	} {
		tt.c.Targets, tt.c.Exclude = strings.Fields(tt.targets), strings.Fields(tt.exclude)
		tt.c.Ports = []probe.Port{{Number: 417, Proto: probe.TCP}}
		tt.c.Own, tt.c.Resolve = own, target.FakeDNS
		p, err := target.NewPlan(t.Context(), tt.c)
		if err != nil {
			t.Errorf("%s: %v", tt.targets, err)
			continue
		}
		if got := target.Shown(p); got != tt.want {
			t.Errorf("%s less %s: got %s, want %s", tt.targets, tt.exclude, got, tt.want)
		}
		if got := coverage.LeftOut(p); !slices.Equal(got, tt.left) {
			t.Errorf("%s less %s:\n got %q\nwant %q", tt.targets, tt.exclude, got, tt.left)
		}
	}
}

// Where nothing is left to ask, the error names all that was left out.
func TestNothingLeft(t *testing.T) {
	for _, tt := range []struct {
		c             target.Config
		targets, want string
	}{
		{target.Config{}, "224.0.0.0/24",
			"no targets: 224.0.0.0-224.0.0.255 (256 addresses) are left out: multicast; name an address by itself to probe it"},
		{target.Config{IPv4: true}, "six.example", "no targets: IPv6 addresses of six.example are left out (-4)"},
		{target.Config{IPv4: true}, "six.example ::1",
			"no targets: ::1 is left out: it is IPv6 (-4); IPv6 addresses of six.example are left out (-4)"},
	} {
		tt.c.Targets, tt.c.Ports = strings.Fields(tt.targets), []probe.Port{{Number: 417, Proto: probe.TCP}}
		tt.c.Resolve = target.FakeDNS
		_, err := target.NewPlan(t.Context(), tt.c)
		got := coverage.PlanError(err)
		if got == nil || got.Error() != tt.want || !target.IsUsage(err) || !target.IsUsage(got) {
			t.Errorf("%s:\n got %v\nwant %s", tt.targets, got, tt.want)
		}
	}
}
