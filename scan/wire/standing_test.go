package wire

import (
	"net/netip"
	"testing"

	"onmux/probe"
	"onmux/scan/packet"
)

// TestStandings: the open endpoints come first, then those with the most flows; folded flows count.
func TestStandings(t *testing.T) {
	t.Parallel()
	forEachFamily(t, func(t *testing.T, s *scene) {
		c, e := s.places(4000)
		for port := range uint16(5) {
			c, _ := s.places(5000 + port)
			s.put(s.tcp(c, netip.AddrPortFrom(e.Addr(), 418), packet.SYN, 7, 0, ""))
			s.put(s.tcp(netip.AddrPortFrom(e.Addr(), 418), c, packet.RST|packet.ACK, 0, 8, ""))
		}
		s.converse(4000, 700, line{received, greeting}, line{sent, "hello"})
		s.put(s.tcp(c, netip.AddrPortFrom(e.Addr(), 419), packet.SYN, 7, 0, ""))
		w := New(Config{Ports: []probe.Port{{Number: 417, Proto: probe.TCP}, {Number: 418, Proto: probe.TCP},
			{Number: 419, Proto: probe.TCP}}, IPv4: true, IPv6: true, Flows: 4})
		for i := range s.packets {
			w.Packet(&s.packets[i])
		}
		got := w.Standings(2)
		if got.Endpoints != 3 || len(got.Top) != 2 || got.Packets != uint64(len(s.packets)) {
			t.Fatalf("%+v", got)
		}
		open, closed := got.Top[0], got.Top[1]
		if open.Port != 417 || open.State != probe.Open || open.Flows != 1 || open.Received < 20 || open.Sent != 5 ||
			!open.Last.After(moment(start)) {
			t.Errorf("%+v", open)
		}
		if closed.Port != 418 || closed.State != probe.Closed || closed.Flows != 5 || closed.Addr != s.server {
			t.Errorf("%+v", closed)
		}
	})
}
