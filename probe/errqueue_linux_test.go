package probe

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// The bytes that recvmsg(2) wrote for an ICMP 3/13 from 10.1.0.1 and an ICMPv6
// 1/4 from fe80::2 on interface 3, on little-endian 64-bit Linux.
var (
	// IP_TTL 64
	control4 = "\x14\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x40\x00\x00\x00\x00\x00\x00\x00" +
		"\x30\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x0b\x00\x00\x00" + // IP_RECVERR
		"\x71\x00\x00\x00\x02\x03\x0d\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
		"\x02\x00\x00\x00\x0a\x01\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00"
	control6 = "\x3c\x00\x00\x00\x00\x00\x00\x00\x29\x00\x00\x00\x19\x00\x00\x00" + // IPV6_RECVERR
		"\x6f\x00\x00\x00\x03\x01\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
		"\x0a\x00\x00\x00\x00\x00\x00\x00\xfe\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x03\x00\x00\x00"
)

func TestParseControl(t *testing.T) {
	if unix.SizeofCmsghdr != 16 {
		t.Skip("the recorded bytes are of a 64-bit system")
	}
	cut := func(s string, n int) string { return s[:len(s)-n] }
	for _, tt := range []struct {
		name, control string
		want          queuedError
	}{
		{"v4", control4, queuedError{ICMP{3, 13}, netip.MustParseAddr("10.1.0.1"), 64}},
		{"v6", control6, queuedError{ICMP{1, 4}, netip.MustParseAddr("fe80::2%3"), 0}},
		{"empty", "", queuedError{}},
		{"cut off", cut(control4, 1), queuedError{ttl: 64}},
		{"local origin", "\x30" + control4[25:44] + "\x01" + control4[45:], queuedError{}},
		{"length of a giant", "\xff\xff\xff\xff\xff\xff\xff\xff" + control4[8:], queuedError{}},
		{"length of nothing", "\x00\x00\x00\x00\x00\x00\x00\x00" + control4[8:], queuedError{}},
	} {
		if got := parseControl([]byte(tt.control)); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// Any control bytes must be readable, from a buffer that ends where they end.
func FuzzParseControl(f *testing.F) {
	f.Add([]byte(control4))
	f.Add([]byte(control6))
	f.Add([]byte(control4 + control6))
	f.Fuzz(func(t *testing.T, b []byte) {
		exact := make([]byte, len(b))
		copy(exact, b)
		c := parseControl(exact)
		if c.from.IsValid() && c.icmp == (ICMP{}) && len(b) < unix.CmsgLen(extendedSize) {
			t.Errorf("% x: %+v", b, c)
		}
	})
}
