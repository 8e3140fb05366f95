package wire

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"onmux/probe"
	"onmux/scan/capture"
	"onmux/scan/packet"
)

// wraps are ways in which an IP packet may lie in a capture.
func wraps(t testing.TB) map[string]struct {
	link capture.LinkType
	wrap func([]byte) []byte
} {
	kind := func(b []byte) layers.EthernetType {
		if b[0]>>4 == 6 {
			return layers.EthernetTypeIPv6
		}
		return layers.EthernetTypeIPv4
	}
	frame := func(k layers.EthernetType) *layers.Ethernet {
		return &layers.Ethernet{SrcMAC: []byte("onmux1"), DstMAC: []byte("onmux2"), EthernetType: k}
	}
	with := func(all ...gopacket.SerializableLayer) []byte { return serialize(t, all...) }
	ether := func(b []byte) []byte { return with(frame(kind(b)), gopacket.Payload(b)) }
	outer4 := func(p layers.IPProtocol) gopacket.SerializableLayer {
		return ipLayer(families["IPv4"].router, families["IPv4"].server, p)
	}
	outer6 := func(p layers.IPProtocol) gopacket.SerializableLayer {
		return ipLayer(families["IPv6"].router, families["IPv6"].server, p)
	}
	inner := func(b []byte) layers.IPProtocol {
		if b[0]>>4 == 6 {
			return layers.IPProtocolIPv6
		}
		return layers.IPProtocolIPv4
	}
	vxlan := func(port layers.UDPPort) func([]byte) []byte {
		return func(b []byte) []byte {
			u, l := &layers.UDP{SrcPort: 50000, DstPort: port}, ipLayer(families["IPv4"].router, families["IPv4"].server, 17)
			_ = u.SetNetworkLayerForChecksum(l)
			return with(l, u, &layers.VXLAN{ValidIDFlag: true, VNI: 7}, gopacket.Payload(ether(b)))
		}
	}
	sll := func(b []byte) []byte {
		head := append(make([]byte, 14), 0, 0)
		binary.BigEndian.PutUint16(head[14:], uint16(kind(b)))
		return append(head, b...)
	}
	sll2 := func(b []byte) []byte {
		head := make([]byte, 20)
		binary.BigEndian.PutUint16(head, uint16(kind(b)))
		return append(head, b...)
	}
	return map[string]struct {
		link capture.LinkType
		wrap func([]byte) []byte
	}{
		"Ethernet": {capture.LinkEthernet, ether},
		"Ethernet, FCS": {capture.LinkEthernet | 4<<28 | 1<<26, func(b []byte) []byte {
			return append(ether(b),
				"sum!"...)
		}},
		"SLL":            {capture.LinkSLL, sll},
		"SLL2":           {capture.LinkSLL2, sll2},
		"raw":            {capture.LinkRaw, slices.Clone[[]byte]},
		"raw of BSD":     {capture.LinkRawBSD, slices.Clone[[]byte]},
		"raw of OpenBSD": {capture.LinkRawOpen, slices.Clone[[]byte]},
		"null, little":   {capture.LinkNull, func(b []byte) []byte { return append([]byte{2, 0, 0, 0}, b...) }},
		"null, big":      {capture.LinkNull, func(b []byte) []byte { return append([]byte{0, 0, 0, 30}, b...) }},
		"loop":           {capture.LinkLoop, func(b []byte) []byte { return append([]byte{0, 0, 0, 24}, b...) }},
		"802.1Q": {capture.LinkEthernet, func(b []byte) []byte {
			return with(frame(layers.EthernetTypeDot1Q), &layers.Dot1Q{VLANIdentifier: 7, Type: kind(b)}, gopacket.Payload(b))
		}},
		"QinQ": {capture.LinkEthernet, func(b []byte) []byte {
			return with(frame(layers.EthernetTypeQinQ), &layers.Dot1Q{VLANIdentifier: 7, Type: layers.EthernetTypeDot1Q},
				&layers.Dot1Q{VLANIdentifier: 8, Type: kind(b)}, gopacket.Payload(b))
		}},
		"802.1Q in SLL": {capture.LinkSLL, func(b []byte) []byte {
			tagged := with(&layers.Dot1Q{VLANIdentifier: 7, Type: kind(b)}, gopacket.Payload(b))
			return append(append(make([]byte, 14), 0x81, 0), tagged...)
		}},
		"PPPoE": {capture.LinkEthernet, func(b []byte) []byte {
			proto := layers.PPPTypeIPv4
			if b[0]>>4 == 6 {
				proto = layers.PPPTypeIPv6
			}
			return with(frame(layers.EthernetTypePPPoESession), &layers.PPPoE{Version: 1, Type: 1, SessionId: 9},
				gopacket.Payload(binary.BigEndian.AppendUint16(nil, uint16(proto))), gopacket.Payload(b))
		}},
		"IPIP":         {capture.LinkRaw, func(b []byte) []byte { return with(outer4(inner(b)), gopacket.Payload(b)) }},
		"IPIP in IPv6": {capture.LinkRaw, func(b []byte) []byte { return with(outer6(inner(b)), gopacket.Payload(b)) }},
		"VXLAN":        {capture.LinkRaw, vxlan(4789)},
		"VXLAN, Linux": {capture.LinkRaw, vxlan(8472)},
		"GRE": {capture.LinkRaw, func(b []byte) []byte {
			return with(outer4(layers.IPProtocolGRE), &layers.GRE{Protocol: kind(b)}, gopacket.Payload(b))
		}},
		"GRE with all": {capture.LinkRaw, func(b []byte) []byte {
			return with(outer6(layers.IPProtocolGRE), &layers.GRE{Protocol: kind(b), ChecksumPresent: true, KeyPresent: true,
				Key: 7, SeqPresent: true, Seq: 8}, gopacket.Payload(b))
		}},
		"Ethernet in GRE": {capture.LinkRaw, func(b []byte) []byte {
			return with(outer4(layers.IPProtocolGRE), &layers.GRE{Protocol: layers.EthernetTypeTransparentEthernetBridging},
				gopacket.Payload(ether(b)))
		}},
	}
}

func TestLinksAndTunnels(t *testing.T) {
	t.Parallel()
	for name, w := range wraps(t) {
		forEachFamily(t, func(t *testing.T, s *scene) {
			s.link, s.wrap = w.link, w.wrap
			s.accept(4000)
			c, e := s.places(4001)
			s.put(s.udp(c, e, "question"))
			s.put(s.udp(e, c, "answer"))
			got := s.watch()
			if len(got.endpoints) != 2 || len(got.flows) != 2 || got.endpoints[0].State != probe.Open ||
				got.endpoints[1].State != probe.Open || got.outcome.Malformed != 0 || got.outcome.Matched != 5 {
				t.Errorf("%s: %+v", name, got)
			}
			cut := newScene(t, s.family) // anywhere: nothing but fewer packets comes of it
			for _, p := range s.packets {
				for n := range p.Data {
					cut.packets = append(cut.packets, capture.Packet{Data: p.Data[:n:n], Size: n, Time: s.now, Link: s.link})
				}
			}
			for _, r := range cut.watch().endpoints {
				if r.Addr != s.server || r.Port != 417 {
					t.Errorf("%s, cut: %+v", name, r)
				}
			}
		})
	}
}

// TestTwoTunnels: the second one is not opened.
func TestTwoTunnels(t *testing.T) {
	t.Parallel()
	forEachFamily(t, func(t *testing.T, s *scene) {
		ipip := wraps(t)["IPIP"].wrap
		s.wrap = func(b []byte) []byte { return ipip(ipip(b)) }
		s.accept(4000)
		if got := s.watch(); len(got.endpoints) != 0 || got.outcome.Tunneled != 3 {
			t.Errorf("%+v", got)
		}
	})
}

func TestUnknownLink(t *testing.T) {
	t.Parallel()
	s := newScene(t, families["IPv4"])
	s.link = 147
	s.accept(4000)
	got := s.watch().outcome
	if got.Unread != 3 || got.Links[147] != 3 || !strings.Contains(capture.LinkType(147).String(), "147") {
		t.Errorf("%+v", got)
	}
}

// pieces cuts an IP packet into fragments of so many bytes.
func pieces(t testing.TB, b []byte, size int) (out [][]byte) {
	t.Helper()
	header := 20
	if b[0]>>4 == 6 {
		header = 40
	}
	for at := header; at < len(b); at += size {
		end := min(at+size, len(b))
		offset, more := at-header, end < len(b)
		p := slices.Clone(b[:header])
		if header == 20 {
			field := uint16(offset / 8)
			if more {
				field |= 0x2000
			}
			binary.BigEndian.PutUint16(p[2:], uint16(20+end-at))
			binary.BigEndian.PutUint16(p[4:], 77)
			binary.BigEndian.PutUint16(p[6:], field)
		} else {
			field := uint16(offset)
			if more {
				field |= 1
			}
			binary.BigEndian.PutUint16(p[4:], uint16(8+end-at))
			p = append(p, p[6], 0)
			p[6] = 44
			p = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(p, field), 77)
		}
		out = append(out, append(p, b[at:end]...))
	}
	return out
}

func TestFragments(t *testing.T) {
	t.Parallel()
	forEachFamily(t, func(t *testing.T, base *scene) {
		for name, order := range map[string]func([][]byte){
			"in order": func([][]byte) {}, "backwards": slices.Reverse[[][]byte],
		} {
			s := newScene(t, base.family)
			c, e := s.places(4000)
			for _, b := range [][]byte{s.udp(c, e, strings.Repeat("question", 99)), s.udp(e, c, strings.Repeat("answer!!",
				99))} {
				parts := pieces(t, b, 160)
				order(parts)
				for i, p := range parts {
					s.put(p)
					if i == 0 {
						s.put(p) // a copy is no overlap
					}
				}
			}
			got := s.watch()
			if r := got.one(t); r.State != probe.Open || got.flows[0].Sent.Bytes != 792 || got.flows[0].Received.Bytes != 792 ||
				got.outcome.Overlaps+got.outcome.Fragments != 0 {
				t.Errorf("%s: %+v %+v", name, got.flows, got.outcome)
			}
		}
	})
}

// TestBadFragments: what overlaps or is not whole is dropped, and counted.
func TestBadFragments(t *testing.T) {
	t.Parallel()
	forEachFamily(t, func(t *testing.T, base *scene) {
		for name, spoil := range map[string]func([][]byte) [][]byte{
			"the first is missing": func(p [][]byte) [][]byte { return p[1:] },
			"the last is missing":  func(p [][]byte) [][]byte { return p[:len(p)-1] },
			"one overlaps": func(p [][]byte) [][]byte {
				other := slices.Clone(p[1])
				other[len(other)-1] ^= 1
				return slices.Insert(p, 1, other)
			},
			"one is cut": func(p [][]byte) [][]byte { p[1] = p[1][:len(p[1])-8]; return p },
		} {
			s := newScene(t, base.family)
			c, e := s.places(4000)
			for _, p := range spoil(pieces(t, s.udp(c, e, strings.Repeat("question", 99)), 160)) {
				s.put(p)
			}
			if got := s.watch(); len(got.endpoints) != 0 || got.outcome.Fragments != 1 {
				t.Errorf("%s: %+v", name, got)
			}
		}
	})
}

// TestManyFragments: datagrams that never become whole take no more than so much.
func TestManyFragments(t *testing.T) {
	t.Parallel()
	s := newScene(t, families["IPv4"])
	c, e := s.places(4000)
	first := pieces(t, s.udp(c, e, strings.Repeat("question", 4000)), 16000)[1]
	w := New(Config{Ports: bothPorts, IPv4: true, IPv6: true})
	for i := range 20000 {
		b := slices.Clone(first)
		binary.BigEndian.PutUint16(b[4:], uint16(i))
		w.Packet(&capture.Packet{Data: b, Size: len(b), Time: start + int64(i), Link: capture.LinkRaw})
		if w.unpack.fragments.bytes > fragmentMemory+maxDatagram || len(w.unpack.fragments.waiting) > maxDatagrams {
			t.Fatalf("%d bytes of %d datagrams wait", w.unpack.fragments.bytes, len(w.unpack.fragments.waiting))
		}
	}
	if got := resultOf(t, w).outcome; got.Fragments != 20000 {
		t.Errorf("%+v", got)
	}
}

func FuzzPacket(f *testing.F) {
	links := []capture.LinkType{0, 1, 12, 101, 108, 113, 228, 229, 276, 147}
	for _, addresses := range families {
		for _, w := range wraps(f) {
			s := newScene(f, addresses)
			s.wrap = w.wrap
			s.accept(4000)
			c, e := s.places(4000)
			s.put(s.tcp(c, e, packet.ACK|packet.FIN, 1001, 5001, "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"))
			var all []byte
			for _, p := range s.packets {
				all = append(binary.BigEndian.AppendUint16(all, uint16(len(p.Data))), p.Data...)
			}
			f.Add(uint8(slices.Index(links, w.link.Base())), all)
		}
	}
	f.Fuzz(func(t *testing.T, link uint8, b []byte) {
		w := New(Config{Ports: bothPorts, IPv4: true, IPv6: true, Flows: 4})
		now := start
		for len(b) > 2 {
			n := min(int(binary.BigEndian.Uint16(b)), len(b)-2)
			now += millis
			w.Packet(&capture.Packet{Data: b[2 : 2+n : 2+n], Size: n, Time: now, Link: links[int(link)%len(links)]})
			b = b[2+n:]
		}
		resultOf(t, w)
	})
}
