package netlink

import (
	"net/netip"
	"testing"
)

// What Linux 6 wrote, on a little-endian machine, for the route to 10.42.1.2 through
// 10.41.1.2, and for one over IPv4 through fe80::2 (RFC 5549).
const (
	gateway4 = "\x02\x20\x00\x00\xfe\x00\x00\x01\x00\x02\x00\x00" + // struct rtmsg
		"\x08\x00\x0f\x00\xfe\x00\x00\x00" + "\x08\x00\x01\x00\x0a\x2a\x01\x02" + // RTA_TABLE, RTA_DST
		"\x08\x00\x04\x00\x03\x00\x00\x00" + "\x08\x00\x07\x00\x0a\x29\x01\x01" + // RTA_OIF, RTA_PREFSRC
		"\x08\x00\x05\x00\x0a\x29\x01\x02" + "\x08\x00\x19\x00\x00\x00\x00\x00" // RTA_GATEWAY, RTA_UID
	via6 = "\x02\x20\x00\x00\xfe\x00\x00\x01\x00\x02\x00\x00" +
		"\x16\x00\x12\x00\x0a\x00\xfe\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00" + // RTA_VIA
		"\x08\x00\x04\x00\x03\x00\x00\x00"
)

func TestParseRoute(t *testing.T) {
	dst := netip.MustParsePrefix("10.42.1.2/32")
	head := gateway4[:12]
	plain := Route{Family: 2, Type: 1, Flags: 0x200}
	with := func(change func(*Route)) Route { r := plain; change(&r); return r }
	for _, tt := range []struct {
		name  string
		bytes string
		want  Route
		ok    bool
	}{
		{"a gateway", gateway4, with(func(r *Route) {
			r.Dst, r.Interface = dst, 3
			r.Source, r.Gateway = netip.MustParseAddr("10.41.1.1"), netip.MustParseAddr("10.41.1.2")
		}), true},
		{"a gateway of the other family", via6, with(func(r *Route) {
			r.Interface, r.Gateway = 3, netip.MustParseAddr("fe80::2")
		}), true},
		{"this machine", "\x02\x20\x00\x00\xfe\x00\x00\x02\x00\x02\x00\x00", with(func(r *Route) { r.Type = 2 }), true},
		{"for some sources", "\x02\x20\x18\x00\xfe\x00\x00\x01\x00\x02\x00\x00", with(func(r *Route) {
			r.BySource = true
		}), true},
		{"cut off", gateway4[:40], with(func(r *Route) { r.Dst, r.Interface = dst, 3 }), true},
		{"an attribute of no length", head + "\x00\x00\x04\x00\x03\x00\x00\x00", plain, true},
		{"an attribute that is too long", head + "\xff\xff\x04\x00\x03\x00\x00\x00", plain, true},
		{"a gateway of no family", head + "\x07\x00\x05\x00\x0a\x29\x01\x00" + "\x06\x00\x12\x00\x02\x00", plain, true},
		{"an MTU and a tunnel",
			head + "\x0c\x00\x08\x00\x08\x00\x02\x00\x00\x05\x00\x00" + "\x06\x00\x15\x00\x01\x00\x00\x00",
			with(func(r *Route) { r.MTU, r.Encap = 1280, true }), true},
		{"nothing", "", Route{}, false},
	} {
		if got, ok := parseRoute([]byte(tt.bytes)); got != tt.want || ok != tt.ok {
			t.Errorf("%s: %+v, %v", tt.name, got, ok)
		}
	}
}
