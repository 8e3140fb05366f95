package socket

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/netlink"
)

// diagSocket is a struct inet_diag_msg.
func diagSocket(family, state uint8, src netip.AddrPort, attrs ...byte) []byte {
	b := make([]byte, diagMsgLen, diagMsgLen+len(attrs))
	b[0], b[1] = family, state
	binary.BigEndian.PutUint16(b[4:], src.Port())
	copy(b[8:], src.Addr().AsSlice())
	binary.NativeEndian.PutUint32(b[40:], 2)  // device
	binary.NativeEndian.PutUint32(b[44:], 99) // cookie
	binary.NativeEndian.PutUint32(b[56:], 3)  // queue and its limit
	binary.NativeEndian.PutUint32(b[60:], 128)
	binary.NativeEndian.PutUint32(b[64:], 33)  // user
	binary.NativeEndian.PutUint32(b[68:], 777) // inode
	return append(b, attrs...)
}

// attr is a netlink attribute of one byte.
func attr(kind uint16, value byte) []byte {
	b := make([]byte, 8)
	binary.NativeEndian.PutUint16(b[0:], 5)
	binary.NativeEndian.PutUint16(b[2:], kind)
	b[4] = value
	return b
}

// inCgroup is the attribute that has a socket's cgroup.
func inCgroup(id uint64) []byte {
	b := binary.NativeEndian.AppendUint16(nil, 12)
	b = binary.NativeEndian.AppendUint16(b, diagCgroupID)
	return binary.NativeEndian.AppendUint64(b, id)
}

// Each row of a dump is one socket, or an error if it is not laid out as the kernel
// has it.
func TestParseSocket(t *testing.T) {
	any6 := netip.MustParseAddrPort("[::]:417")
	row := diagSocket(unix.AF_INET6, tcpListen, any6, slices.Concat(attr(1, 9), attr(diagSkV6Only, 0), inCgroup(5150))...)
	want := Socket{
		Proto: probe.TCP, Local: any6, Family: "dual", State: Listening, Device: Device{index: 2},
		Queue: Queue{3, 128, true},
		UID:   33, HasUID: true, Inode: 777, cookie: 99, Holder: 777, Cgroup: 5150,
	}
	if s, err := parseSocket(row, probe.TCP); s != want || err != nil {
		t.Errorf("%+v, %v; want %+v", s, err, want)
	}
	for name, row := range map[string][]byte{
		"short":           row[:diagMsgLen-1],
		"of no family":    diagSocket(99, tcpListen, any6),
		"of nothing else": nil,
	} {
		if s, err := parseSocket(row, probe.TCP); !errors.Is(err, netlink.ErrMalformed) {
			t.Errorf("a row that is %s: %+v, %v", name, s, err)
		}
	}
}

func TestFamilies(t *testing.T) {
	for _, c := range []struct {
		family uint8
		addr   string
		attrs  []byte
		want   string
		local  string
	}{
		{unix.AF_INET, "0.0.0.0", nil, "ipv4", "0.0.0.0"},
		{unix.AF_INET6, "::", attr(diagSkV6Only, 1), "ipv6", "::"},
		{unix.AF_INET6, "::", attr(diagSkV6Only, 0), "dual", "::"},
		{unix.AF_INET6, "::", nil, "", "::"},
		{unix.AF_INET6, "::", []byte{5, 0, diagSkV6Only}, "", "::"},
		{unix.AF_INET6, "::", []byte{200, 0, diagSkV6Only, 0, 1}, "", "::"},
		{unix.AF_INET6, "::", []byte{0, 0, 0, 0, 0, 0, 0, 0}, "", "::"},
		{unix.AF_INET6, "::1", attr(diagSkV6Only, 0), "ipv6", "::1"},
		{unix.AF_INET6, "::ffff:10.0.0.1", attr(diagSkV6Only, 0), "ipv4", "10.0.0.1"},
	} {
		s, err := parseSocket(diagSocket(c.family, tcpListen, netip.AddrPortFrom(netip.MustParseAddr(c.addr), 417),
			c.attrs...), probe.TCP)
		if err != nil || s.Family != c.want || s.Local.Addr().String() != c.local {
			t.Errorf("%s %x: %+v, %v", c.addr, c.attrs, s, err)
		}
	}
}

// A link-local address means nothing without its zone; any other address keeps
// the device apart.
func TestSetDevice(t *testing.T) {
	for addr, want := range map[string]Socket{
		"fe80::1":   {Local: netip.MustParseAddrPort("[fe80::1%eth0]:1")},
		"::":        {Local: netip.MustParseAddrPort("[::]:1"), Device: Device{Name: "eth0"}},
		"127.0.0.1": {Local: netip.MustParseAddrPort("127.0.0.1:1"), Device: Device{Name: "eth0"}},
	} {
		s := Socket{Local: netip.AddrPortFrom(netip.MustParseAddr(addr), 1)}
		if s.setDevice(Device{Name: "eth0"}); s != want {
			t.Errorf("%s: %+v", addr, s)
		}
	}
}

const heading = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"

func hexAddr(a netip.Addr) string {
	var out strings.Builder
	b := a.AsSlice()
	for i := 0; i < len(b); i += 4 {
		word := binary.NativeEndian.Uint32(b[i:])
		for shift := 28; shift >= 0; shift -= 4 {
			out.WriteByte("0123456789ABCDEF"[word>>shift&15])
		}
	}
	return out.String()
}

func TestParseProcNet(t *testing.T) {
	v4 := hexAddr(netip.MustParseAddr("127.0.0.1"))
	v6 := hexAddr(netip.MustParseAddr("2001:db8::1"))
	mapped := hexAddr(netip.MustParseAddr("::ffff:10.0.0.1"))
	tail := " 00000000:00000000 00:00000000 00000000    33        0 4711 1 0 100\n"
	for name, c := range map[string]struct {
		in   string
		want []Socket
		ok   bool
	}{
		"nothing but a heading": {heading, nil, true},
		"sockets": {heading + "   0: " + v4 + ":01A1 00000000:0000 0A" + tail + "   1: " + v6 + ":01A2 " + v6 + ":01A3 01" +
			tail +
			"   2: " + mapped + ":01A1 00000000:0000 0A" + tail + "   3: " + v4 + ":01A1 " + v4 + ":0001 06" + tail, []Socket{
			{Local: netip.MustParseAddrPort("127.0.0.1:417"), Family: "ipv4", State: Listening, UID: 33, HasUID: true,
				Inode: 4711, Holder: 4711},
			{Local: netip.MustParseAddrPort("[2001:db8::1]:418"), Peer: netip.MustParseAddrPort("[2001:db8::1]:419"),
				Family: "ipv6", State: Connected, UID: 33, HasUID: true, Inode: 4711, Holder: 4711},
			{Local: netip.MustParseAddrPort("10.0.0.1:417"), Family: "ipv4", State: Listening, UID: 33, HasUID: true,
				Inode: 4711, Holder: 4711},
			{Local: netip.MustParseAddrPort("127.0.0.1:417"), Family: "ipv4", State: TimeWait, Inode: 4711, Holder: 4711},
		}, true},
		"empty":           {"", nil, false},
		"another file":    {"Linux version 6\n", nil, false},
		"few fields":      {heading + "0: " + v4 + ":01A1\n", nil, false},
		"no port":         {heading + "0: " + v4 + " " + v4 + ":0000 0A" + tail, nil, false},
		"half an address": {heading + "0: 7F0001:01A1 " + v4 + ":0000 0A" + tail, nil, false},
		"no hex":          {heading + "0: 7F00000X:01A1 " + v4 + ":0000 0A" + tail, nil, false},
		"an endless line": {heading + strings.Repeat("x", maxLine), nil, false},
	} {
		var seen []Socket
		err := parseProcNet(t.Context(), strings.NewReader(c.in), probe.TCP, func(s Socket) { seen = append(seen, s) })
		for i := range c.want {
			c.want[i].Proto = probe.TCP
		}
		if (err == nil) != c.ok || !reflect.DeepEqual(seen, c.want) {
			t.Errorf("%s: %+v, %v", name, seen, err)
		}
	}
}

func FuzzParseSocket(f *testing.F) {
	addr := netip.MustParseAddrPort("[::1]:417")
	f.Add(diagSocket(unix.AF_INET6, tcpListen, addr, attr(diagSkV6Only, 1)...))
	f.Add(diagSocket(unix.AF_INET, tcpTimeWait, addr))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, proto := range probe.Protos() {
			before := bytes.Clone(b)
			if s, err := parseSocket(b[:len(b):len(b)], proto); err == nil {
				checkSocket(t, s)
			}
			if !bytes.Equal(b, before) {
				t.Errorf("%x was changed to %x", before, b)
			}
		}
	})
}

func FuzzParseProcNet(f *testing.F) {
	f.Add(heading + "   0: 0100007F:01A1 00000000:0000 0A " +
		"00000000:00000000 00:00000000 00000000    33        0 4711 1 0 100\n")
	f.Add(heading + "   0: 00000000000000000000000001000000:01A1 " +
		"00000000000000000000000000000000:0000 07 1:1 0:0 0 0 0 1\n")
	f.Fuzz(func(t *testing.T, in string) {
		for _, proto := range probe.Protos() {
			_ = parseProcNet(t.Context(), strings.NewReader(in), proto, func(s Socket) { checkSocket(t, s) })
		}
	})
}

// checkSocket holds what every socket that was read must have.
func checkSocket(t *testing.T, s Socket) {
	if !s.Local.Addr().IsValid() || s.Local.Addr().Is4In6() || s.State >= states || s.State != Connected &&
		s.Peer.IsValid() {
		t.Errorf("%+v", s)
	}
	c := make(Table)
	c.Add(s)
	if got, ok := c[s.Port()].Count.Strongest(); !ok || got != s.State {
		t.Errorf("%+v: %d", s, got)
	}
}
