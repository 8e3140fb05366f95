package socket

import (
	"net/netip"
	"testing"

	"onmux/probe"
)

func TestRow(t *testing.T) {
	at := netip.MustParseAddrPort
	for name, c := range map[string]struct {
		in   row
		want Socket
		ok   bool
	}{
		"listener": {row{proto: probe.TCP, local: "*", port: 417, status: "LISTEN", pid: 5},
			Socket{Local: at("0.0.0.0:417"), Family: "ipv4", State: Listening, Holder: 5}, true},
		"of IPv6": {row{proto: probe.TCP, v6: true, local: "*", port: 417, status: "LISTEN"},
			Socket{Local: at("[::]:417"), State: Listening}, true},
		"in brackets": {row{proto: probe.TCP, v6: true, local: "[::1]", port: 417, status: "Listen"},
			Socket{Local: at("[::1]:417"), Family: "ipv6", State: Listening}, true},
		"mapped": {row{proto: probe.TCP, v6: true, local: "::ffff:127.0.0.1", port: 417, status: "CLOSED"},
			Socket{Local: at("127.0.0.1:417"), Family: "ipv4", State: Bound}, true},
		"connection": {row{proto: probe.TCP, local: "10.0.0.1", port: 417, peer: "10.0.0.2", from: 9,
			status: "ESTABLISHED"},
			Socket{Local: at("10.0.0.1:417"), Peer: at("10.0.0.2:9"), Family: "ipv4", State: Connected}, true},
		"time-wait": {row{proto: probe.TCP, local: "10.0.0.1", port: 417, peer: "10.0.0.2", from: 9,
			status: "TIME_WAIT"}, Socket{Local: at("10.0.0.1:417"), Family: "ipv4", State: TimeWait}, true},
		"UDP": {row{proto: probe.UDP, local: "", port: 417},
			Socket{Local: at("0.0.0.0:417"), Family: "ipv4", State: Listening}, true},
		"connected UDP": {row{proto: probe.UDP, local: "10.0.0.1", port: 417, peer: "10.0.0.2", from: 9},
			Socket{Local: at("10.0.0.1:417"), Peer: at("10.0.0.2:9"), Family: "ipv4", State: Connected}, true},
		"zone": {row{proto: probe.UDP, v6: true, local: "fe80::1%en0", port: 417},
			Socket{Local: at("[fe80::1%en0]:417"), Family: "ipv6", State: Listening}, true},
		"no protocol":  {row{local: "*", port: 417}, Socket{}, false},
		"no port":      {row{proto: probe.TCP, local: "*"}, Socket{}, false},
		"no such port": {row{proto: probe.TCP, local: "*", port: 70000}, Socket{}, false},
		"no address":   {row{proto: probe.TCP, local: "localhost", port: 417}, Socket{}, false},
	} {
		c.want.Proto = c.in.proto
		if got, ok := c.in.socket(); ok != c.ok || ok && got != c.want {
			t.Errorf("%s: %+v, %t; want %+v", name, got, ok, c.want)
		}
	}
}

func FuzzRow(f *testing.F) {
	f.Add("*", "10.0.0.1", uint32(417), uint32(0), "LISTEN", true)
	f.Fuzz(func(t *testing.T, local, peer string, port, from uint32, status string, v6 bool) {
		for _, proto := range probe.Protos() {
			s, ok := row{proto: proto, v6: v6, local: local, peer: peer, port: port, from: from, status: status}.socket()
			if ok && (!s.Local.Addr().IsValid() || s.Local.Addr().Is4In6() || s.Local.Port() == 0) {
				t.Errorf("%+v", s)
			}
		}
	})
}

func TestPortSet(t *testing.T) {
	s := newPortSet([]uint16{1, 63, 64, 417, 65535})
	n := 0
	for p := range 1 << 16 {
		if s.contains(uint16(p)) {
			n++
		}
	}
	if n != 5 || !s.contains(417) || !s.contains(65535) || s.contains(418) {
		t.Error(n)
	}
}
