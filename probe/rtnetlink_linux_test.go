package probe

import (
	"net/netip"
	"syscall"
	"testing"
)

// What Linux 6 wrote, on a little-endian machine, when asked for the route to
// 10.42.1.2 through 10.41.1.2, and to fe80::2 on a link.
const (
	route4 = "\x4c\x00\x00\x00\x18\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00" + // struct nlmsghdr
		"\x02\x20\x00\x00\xfe\x00\x00\x01\x00\x02\x00\x00" + // struct rtmsg
		"\x08\x00\x0f\x00\xfe\x00\x00\x00" + "\x08\x00\x01\x00\x0a\x2a\x01\x02" + // RTA_TABLE, RTA_DST
		"\x08\x00\x04\x00\x03\x00\x00\x00" + "\x08\x00\x07\x00\x0a\x29\x01\x01" + // RTA_OIF, RTA_PREFSRC
		"\x08\x00\x05\x00\x0a\x29\x01\x02" + "\x08\x00\x19\x00\x00\x00\x00\x00" // RTA_GATEWAY, RTA_UID
	via6 = "\x02\x20\x00\x00\xfe\x00\x00\x01\x00\x02\x00\x00" +
		"\x16\x00\x12\x00\x0a\x00\xfe\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00" + // RTA_VIA, RFC 5549
		"\x08\x00\x04\x00\x03\x00\x00\x00"
)

func TestParseRoute(t *testing.T) {
	body, err := parseReply([]byte(route4), 24)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		bytes string
		want  hop1
		ok    bool
	}{
		{"a gateway", string(body), hop1{device: 3, gateway: netip.MustParseAddr("10.41.1.2")}, true},
		{"a gateway of the other family", via6, hop1{device: 3, gateway: netip.MustParseAddr("fe80::2")}, true},
		{"this machine", "\x02\x20\x00\x00\xfe\x00\x00\x02\x00\x02\x00\x00", hop1{local: true}, true},
		{"cut off", string(body[:40]), hop1{device: 3}, true},
		{"an attribute of no length", string(body[:12]) + "\x00\x00\x04\x00\x03\x00\x00\x00", hop1{}, true},
		{"an attribute that is too long", string(body[:12]) + "\xff\xff\x04\x00\x03\x00\x00\x00", hop1{}, true},
		{"a gateway of no family", string(body[:12]) + "\x07\x00\x05\x00\x0a\x29\x01\x00" + "\x06\x00\x12\x00\x02\x00", hop1{}, true},
		{"nothing", "", hop1{}, false},
	} {
		if got, ok := parseRoute([]byte(tt.bytes)); got != tt.want || ok != tt.ok {
			t.Errorf("%s: %+v, %v", tt.name, got, ok)
		}
	}
	for _, bad := range []string{"", route4[:15], "\xff\xff\xff\xff" + route4[4:], "\x00\x00\x00\x00" + route4[4:]} {
		if _, err := parseReply([]byte(bad), 24); err == nil {
			t.Errorf("%q passes", bad)
		}
	}
	// struct nlmsgerr: -ENOENT, and what it is about
	if _, err := parseReply([]byte("\x14\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\xfe\xff\xff\xff"), 28); err != syscall.ENOENT {
		t.Error(err)
	}
	if _, err := parseReply([]byte(route4), 28); err == nil {
		t.Error("a route passes for a neighbour")
	}
}

func FuzzParseRoute(f *testing.F) {
	f.Add([]byte(route4))
	f.Add([]byte(via6))
	f.Fuzz(func(t *testing.T, b []byte) {
		if body, err := parseReply(b, 24); err == nil {
			parseRoute(body)
		}
		parseRoute(b)
	})
}
