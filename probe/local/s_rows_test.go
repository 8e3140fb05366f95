package local

import (
	"net/netip"
	"testing"

	"onmux/probe"
)

func TestRow(t *testing.T) {
	at := netip.MustParseAddrPort
	for name, c := range map[string]struct {
		in   row
		want socket
		ok   bool
	}{
		"listener":      {row{proto: probe.TCP, local: "*", port: 417, status: "LISTEN", pid: 5}, socket{local: at("0.0.0.0:417"), family: "ipv4", state: listening, holder: 5}, true},
		"of IPv6":       {row{proto: probe.TCP, v6: true, local: "*", port: 417, status: "LISTEN"}, socket{local: at("[::]:417"), state: listening}, true},
		"in brackets":   {row{proto: probe.TCP, v6: true, local: "[::1]", port: 417, status: "Listen"}, socket{local: at("[::1]:417"), family: "ipv6", state: listening}, true},
		"mapped":        {row{proto: probe.TCP, v6: true, local: "::ffff:127.0.0.1", port: 417, status: "CLOSED"}, socket{local: at("127.0.0.1:417"), family: "ipv4", state: bound}, true},
		"connection":    {row{proto: probe.TCP, local: "10.0.0.1", port: 417, peer: "10.0.0.2", from: 9, status: "ESTABLISHED"}, socket{local: at("10.0.0.1:417"), peer: at("10.0.0.2:9"), family: "ipv4", state: connected}, true},
		"time-wait":     {row{proto: probe.TCP, local: "10.0.0.1", port: 417, peer: "10.0.0.2", from: 9, status: "TIME_WAIT"}, socket{local: at("10.0.0.1:417"), family: "ipv4", state: timeWait}, true},
		"UDP":           {row{proto: probe.UDP, local: "", port: 417}, socket{local: at("0.0.0.0:417"), family: "ipv4", state: listening}, true},
		"connected UDP": {row{proto: probe.UDP, local: "10.0.0.1", port: 417, peer: "10.0.0.2", from: 9}, socket{local: at("10.0.0.1:417"), peer: at("10.0.0.2:9"), family: "ipv4", state: connected}, true},
		"zone":          {row{proto: probe.UDP, v6: true, local: "fe80::1%en0", port: 417}, socket{local: at("[fe80::1%en0]:417"), family: "ipv6", state: listening}, true},
		"no protocol":   {row{local: "*", port: 417}, socket{}, false},
		"no port":       {row{proto: probe.TCP, local: "*"}, socket{}, false},
		"no such port":  {row{proto: probe.TCP, local: "*", port: 70000}, socket{}, false},
		"no address":    {row{proto: probe.TCP, local: "localhost", port: 417}, socket{}, false},
	} {
		c.want.proto = c.in.proto
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
			if ok && (!s.local.Addr().IsValid() || s.local.Addr().Is4In6() || s.local.Port() == 0) {
				t.Errorf("%+v", s)
			}
		}
	})
}

func TestPortSet(t *testing.T) {
	s := newPortSet([]uint16{1, 63, 64, 417, 65535})
	n := 0
	for p := range 1 << 16 {
		if s.has(uint16(p)) {
			n++
		}
	}
	if n != 5 || !s.has(417) || !s.has(65535) || s.has(418) {
		t.Error(n)
	}
}
