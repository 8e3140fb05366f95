package local

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
)

// message is a netlink message as the kernel sends it.
func message(kind, flags uint16, seq uint32, body []byte) []byte {
	b := make([]byte, unix.NLMSG_HDRLEN, unix.NLMSG_HDRLEN+len(body))
	binary.NativeEndian.PutUint32(b[0:], uint32(unix.NLMSG_HDRLEN+len(body)))
	binary.NativeEndian.PutUint16(b[4:], kind)
	binary.NativeEndian.PutUint16(b[6:], flags)
	binary.NativeEndian.PutUint32(b[8:], seq)
	b = append(b, body...)
	return append(b, make([]byte, align4(len(b))-len(b))...)
}

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

// inCgroup is the attribute that tells a socket's cgroup.
func inCgroup(id uint64) []byte {
	b := binary.NativeEndian.AppendUint16(nil, 12)
	b = binary.NativeEndian.AppendUint16(b, diagCgroupID)
	return binary.NativeEndian.AppendUint64(b, id)
}

func errno(code int32) []byte {
	return binary.NativeEndian.AppendUint32(nil, uint32(code))
}

func TestParseDump(t *testing.T) {
	const seq, diag = 7, unix.SOCK_DIAG_BY_FAMILY
	any6 := netip.MustParseAddrPort("[::]:417")
	listener := message(diag, unix.NLM_F_MULTI, seq, diagSocket(unix.AF_INET6, tcpListen, any6, slices.Concat(attr(1, 9), attr(diagSkV6Only, 0), inCgroup(5150))...))
	done := message(unix.NLMSG_DONE, 0, seq, errno(0))
	want := socket{
		proto: probe.TCP, local: any6, family: "dual", state: listening, index: 2, backlog: Backlog{3, 128}, queued: true,
		uid: 33, owned: true, inode: 777, cookie: 99, holder: 777, cgroup: 5150,
	}
	for name, c := range map[string]struct {
		in   []byte
		seen int
		p    progress
		err  error
	}{
		"a socket":        {listener, 1, progress{}, nil},
		"the end":         {slices.Concat(listener, listener, done), 2, progress{done: true}, nil},
		"nothing":         {nil, 0, progress{}, nil},
		"bare end":        {message(unix.NLMSG_DONE, 0, seq, nil), 0, progress{done: true}, nil},
		"after the end":   {slices.Concat(done, listener), 0, progress{done: true}, nil},
		"changed":         {slices.Concat(listener, message(unix.NLMSG_DONE, unix.NLM_F_DUMP_INTR, seq, errno(0))), 1, progress{true, true}, nil},
		"other question":  {slices.Concat(message(diag, 0, seq+1, diagSocket(unix.AF_INET, tcpListen, any6)), done), 0, progress{done: true}, nil},
		"no operation":    {slices.Concat(message(unix.NLMSG_NOOP, 0, seq, nil), done), 0, progress{done: true}, nil},
		"refused":         {message(unix.NLMSG_ERROR, 0, seq, errno(-int32(unix.EPERM))), 0, progress{done: true}, unix.EPERM},
		"failed at end":   {slices.Concat(listener, message(unix.NLMSG_DONE, 0, seq, errno(-int32(unix.ENOENT)))), 1, progress{done: true}, unix.ENOENT},
		"short error":     {message(unix.NLMSG_ERROR, 0, seq, []byte{1}), 0, progress{done: true}, errMalformed},
		"error 0":         {message(unix.NLMSG_ERROR, 0, seq, errno(0)), 0, progress{done: true}, errMalformed},
		"short header":    {listener[:10], 0, progress{}, errMalformed},
		"short message":   {listener[:len(listener)-4], 0, progress{}, errMalformed},
		"short socket":    {message(diag, 0, seq, make([]byte, diagMsgLen-1)), 0, progress{}, errMalformed},
		"no such family":  {message(diag, 0, seq, diagSocket(99, tcpListen, any6)), 0, progress{}, errMalformed},
		"a size below 16": {append([]byte{8, 0, 0, 0}, make([]byte, 20)...), 0, progress{}, errMalformed},
	} {
		var seen []socket
		p, err := parseDump(c.in, seq, probe.TCP, func(s socket) { seen = append(seen, s) })
		if len(seen) != c.seen || p != c.p || !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
			t.Errorf("%s: %d sockets, %+v, %v", name, len(seen), p, err)
		}
		for _, s := range seen {
			if s != want {
				t.Errorf("%s: %+v, want %+v", name, s, want)
			}
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
		s, err := parseSocket(diagSocket(c.family, tcpListen, netip.AddrPortFrom(netip.MustParseAddr(c.addr), 417), c.attrs...), probe.TCP)
		if err != nil || s.family != c.want || s.local.Addr().String() != c.local {
			t.Errorf("%s %x: %+v, %v", c.addr, c.attrs, s, err)
		}
	}
}

// A link-local address means nothing without its zone; any other address keeps
// the device apart.
func TestSetDevice(t *testing.T) {
	for addr, want := range map[string]socket{
		"fe80::1":   {local: netip.MustParseAddrPort("[fe80::1%eth0]:1")},
		"::":        {local: netip.MustParseAddrPort("[::]:1"), device: "eth0"},
		"127.0.0.1": {local: netip.MustParseAddrPort("127.0.0.1:1"), device: "eth0"},
	} {
		s := socket{local: netip.AddrPortFrom(netip.MustParseAddr(addr), 1)}
		if s.setDevice("eth0"); s != want {
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
		want []socket
		ok   bool
	}{
		"nothing but a heading": {heading, nil, true},
		"sockets": {heading + "   0: " + v4 + ":01A1 00000000:0000 0A" + tail + "   1: " + v6 + ":01A2 " + v6 + ":01A3 01" + tail +
			"   2: " + mapped + ":01A1 00000000:0000 0A" + tail + "   3: " + v4 + ":01A1 " + v4 + ":0001 06" + tail, []socket{
			{local: netip.MustParseAddrPort("127.0.0.1:417"), family: "ipv4", state: listening, uid: 33, owned: true, inode: 4711, holder: 4711},
			{local: netip.MustParseAddrPort("[2001:db8::1]:418"), peer: netip.MustParseAddrPort("[2001:db8::1]:419"), family: "ipv6", state: connected, uid: 33, owned: true, inode: 4711, holder: 4711},
			{local: netip.MustParseAddrPort("10.0.0.1:417"), family: "ipv4", state: listening, uid: 33, owned: true, inode: 4711, holder: 4711},
			{local: netip.MustParseAddrPort("127.0.0.1:417"), family: "ipv4", state: timeWait, inode: 4711, holder: 4711},
		}, true},
		"empty":           {"", nil, false},
		"another file":    {"Linux version 6\n", nil, false},
		"few fields":      {heading + "0: " + v4 + ":01A1\n", nil, false},
		"no port":         {heading + "0: " + v4 + " " + v4 + ":0000 0A" + tail, nil, false},
		"half an address": {heading + "0: 7F0001:01A1 " + v4 + ":0000 0A" + tail, nil, false},
		"no hex":          {heading + "0: 7F00000X:01A1 " + v4 + ":0000 0A" + tail, nil, false},
		"an endless line": {heading + strings.Repeat("x", maxLine), nil, false},
	} {
		var seen []socket
		err := parseProcNet(t.Context(), strings.NewReader(c.in), probe.TCP, func(s socket) { seen = append(seen, s) })
		for i := range c.want {
			c.want[i].proto = probe.TCP
		}
		if (err == nil) != c.ok || !reflect.DeepEqual(seen, c.want) {
			t.Errorf("%s: %+v, %v", name, seen, err)
		}
	}
}

func FuzzParseDump(f *testing.F) {
	addr := netip.MustParseAddrPort("[::1]:417")
	f.Add(slices.Concat(message(unix.SOCK_DIAG_BY_FAMILY, 0, 1, diagSocket(unix.AF_INET6, tcpListen, addr, attr(diagSkV6Only, 1)...)), message(unix.NLMSG_DONE, 0, 1, errno(0))))
	f.Add(message(unix.NLMSG_ERROR, unix.NLM_F_DUMP_INTR, 1, errno(-1)))
	f.Add(message(unix.SOCK_DIAG_BY_FAMILY, 0, 1, diagSocket(unix.AF_INET, tcpTimeWait, addr)))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, proto := range probe.Protos() {
			seen := 0
			before := bytes.Clone(b)
			_, err := parseDump(b[:len(b):len(b)], 1, proto, func(s socket) {
				seen++
				checkSocket(t, s)
			})
			if seen > len(b)/(unix.NLMSG_HDRLEN+diagMsgLen) || !bytes.Equal(b, before) {
				t.Errorf("%d sockets from %d bytes, %v", seen, len(b), err)
			}
		}
	})
}

func FuzzParseProcNet(f *testing.F) {
	f.Add(heading + "   0: 0100007F:01A1 00000000:0000 0A 00000000:00000000 00:00000000 00000000    33        0 4711 1 0 100\n")
	f.Add(heading + "   0: 00000000000000000000000001000000:01A1 00000000000000000000000000000000:0000 07 1:1 0:0 0 0 0 1\n")
	f.Fuzz(func(t *testing.T, in string) {
		for _, proto := range probe.Protos() {
			_ = parseProcNet(t.Context(), strings.NewReader(in), proto, func(s socket) { checkSocket(t, s) })
		}
	})
}

// checkSocket holds what every socket that was read must have, and that it can
// be told.
func checkSocket(t *testing.T, s socket) {
	if !s.local.Addr().IsValid() || s.local.Addr().Is4In6() || s.state >= states || s.state != connected && s.peer.IsValid() {
		t.Errorf("%+v", s)
	}
	c := make(census)
	c.see(s)
	l := s.listener(owners{})
	v := finding{port: s.at(), count: c[s.at()].count, listeners: []Listener{l}}.verdict()
	if v.Verdict != words[s.state] || v.Why == "" {
		t.Errorf("%+v: %+v", s, v)
	}
}
