package socket

import (
	"encoding/binary"
	"strings"
	"testing"
)

func TestParseNetstat(t *testing.T) {
	const names = "TcpExt: SyncookiesSent ListenOverflows ListenDrops Other\n"
	for name, c := range map[string]struct {
		in   string
		want uint64
		ok   bool
	}{
		"as it is":         {names + "TcpExt: 1 37 40 9\nIpExt: InNoRoutes\nIpExt: 0\n", 37, true},
		"elsewhere":        {"IpExt: InNoRoutes\nIpExt: 5\n" + names + "TcpExt: 1 37 37 9\n", 37, true},
		"fewer drops":      {names + "TcpExt: 1 37 5 9\n", 37, true},
		"not there":        {"TcpExt: SyncookiesSent\nTcpExt: 1\n", 0, true},
		"nothing":          {"", 0, true},
		"names alone":      {names, 0, true},
		"a short line":     {names + "TcpExt: 1\n", 0, false},
		"no number":        {names + "TcpExt: 1 x 2 3\n", 0, false},
		"an endless line":  {names + "TcpExt: " + strings.Repeat("1", maxNetstatLine), 0, false},
		"a negative count": {names + "TcpExt: 1 -1 2 3\n", 0, false},
	} {
		got, err := parseNetstat(strings.NewReader(c.in))
		if (err == nil) != c.ok || err == nil && got != c.want {
			t.Errorf("%s: %d, %v", name, got, err)
		}
	}
}

func TestMemInfo(t *testing.T) {
	info := func(n int) []byte {
		var b []byte
		for i := range uint32(n) {
			b = binary.NativeEndian.AppendUint32(b, uint32(100+i))
		}
		return b
	}
	for n, want := range map[int][3]uint32{0: {}, 1: {}, 2: {101, 0, 1}, 8: {101, 0, 1}, 9: {101, 108, 1},
		12: {101, 108, 1}} {
		limit, drops, known := parseMemInfo(info(n))
		if limit != want[0] || drops != want[1] || known != (want[2] == 1) {
			t.Errorf("%d numbers: %d, %d, %t", n, limit, drops, known)
		}
	}
}

func FuzzParseNetstat(f *testing.F) {
	f.Add("TcpExt: ListenOverflows ListenDrops\nTcpExt: 37 40\n")
	f.Add("TcpExt: ListenOverflows\nTcpExt: \n")
	f.Fuzz(func(t *testing.T, in string) {
		r, err := parseNetstat(strings.NewReader(in))
		if err == nil && r != 0 && !strings.Contains(in, "Listen") {
			t.Errorf("%d", r)
		}
	})
}
