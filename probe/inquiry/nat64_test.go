package inquiry

import (
	"net/netip"
	"slices"
	"testing"
)

// The examples of RFC 6052, section 2.4, table 2, and what is none.
var embeddings = []struct {
	prefix, addr string
	v4           string
}{
	{"2001:db8::/32", "2001:db8:c000:221::", "192.0.2.33"},
	{"2001:db8:100::/40", "2001:db8:1c0:2:21::", "192.0.2.33"},
	{"2001:db8:122::/48", "2001:db8:122:c000:2:2100::", "192.0.2.33"},
	{"2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::", "192.0.2.33"},
	{"2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::", "192.0.2.33"},
	{"2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33", "192.0.2.33"},
	{"64:ff9b::/96", "64:ff9b::192.0.2.33", "192.0.2.33"},
	{"2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100:1", ""},  // something behind it
	{"2001:db8:122:344::/64", "2001:db8:122:344:1c0:2:2100::", ""}, // bits 64 to 71 are not zero
	{"2001:db8:122:344::/64", "2001:db8:122:345:c0:2:2100::", ""},  // another prefix
	{"2001:db8::/33", "2001:db8:c000:221::", ""},                   // no length of a prefix
	{"::ffff:0:0/96", "::ffff:192.0.2.33", ""},                     // IPv4 itself
	{"0.0.0.0/0", "192.0.2.33", ""},
}

func TestNAT64(t *testing.T) {
	for _, tt := range embeddings {
		a := netip.MustParseAddr(tt.addr)
		v4, ok := nat64Target(a, netip.MustParsePrefix(tt.prefix))
		if ok != (tt.v4 != "") || ok && v4.String() != tt.v4 {
			t.Errorf("%s behind %s: %s, %v", tt.addr, tt.prefix, v4, ok)
		}
		if embeds := embeds(a, []netip.Addr{netip.MustParseAddr("192.0.2.33")}); tt.v4 != "" && !embeds {
			t.Errorf("%s embeds nothing", tt.addr)
		}
	}
	if v4, ok := nat64Target(netip.MustParseAddr("2001:db8:122:344::192.0.2.33")); ok {
		t.Errorf("%s without a prefix", v4)
	}
	if embeds(netip.MustParseAddr("2001:db8::1"), []netip.Addr{netip.MustParseAddr("192.0.2.33")}) {
		t.Error("2001:db8::1 embeds 192.0.2.33")
	}
}

func TestPrefixesNAT64(t *testing.T) {
	var answers []netip.Addr
	for _, s := range []string{"64:ff9b::192.0.0.170", "64:ff9b::192.0.0.171", "2001:db8:122:344:c0:0:aa00::",
		"2001:db8::1", "192.0.0.170"} {
		answers = append(answers, netip.MustParseAddr(s))
	}
	want := []netip.Prefix{netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("2001:db8:122:344::/64")}
	if got := nat64Prefixes(answers); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// Whatever a name server answers, a prefix found in it leads back to the addresses
// that it was found by.
func FuzzNAT64(f *testing.F) {
	for _, tt := range embeddings {
		a := netip.MustParseAddr(tt.addr).As16()
		f.Add(a[:])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, ok := netip.AddrFromSlice(b)
		if !ok {
			return
		}
		for _, p := range nat64Prefixes([]netip.Addr{a}) {
			if v4, ok := nat64Target(a, p); !ok || v4.As4()[3]|1 != 171 {
				t.Errorf("%s behind %s: %s, %v", a, p, v4, ok)
			}
		}
	})
}
