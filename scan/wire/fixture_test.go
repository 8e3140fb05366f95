package wire

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"onmux/probe"
	"onmux/scan"
	"onmux/scan/capture"
	"onmux/scan/packet"
)

const (
	start  = int64(1_700_000_000_000_000_000)
	millis = int64(time.Millisecond)
)

// addresses of a family: a client, an endpoint, a router between them.
type family struct{ client, server, router netip.Addr }

var families = map[string]family{
	"IPv4": {netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("10.0.0.254")},
	"IPv6": {netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8:7::7"),
		netip.MustParseAddr("2001:db8::fe")},
}

// scene writes packets for a watch, as IP packets without a link.
type scene struct {
	testing.TB
	family
	packets []capture.Packet
	now     int64
	wrap    func([]byte) []byte // puts an IP packet into another or a frame; nil for none
	link    capture.LinkType
	via     uint32
}

func newScene(t testing.TB, f family) *scene {
	return &scene{TB: t, family: f, now: start, link: capture.LinkRaw}
}

// serialize writes layers with lengths and checksums.
func serialize(t testing.TB, all ...gopacket.SerializableLayer) []byte {
	t.Helper()
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true},
		all...); err != nil {
		t.Fatal(err)
	}
	return slices.Clone(buf.Bytes())
}

func ipLayer(from, to netip.Addr, proto layers.IPProtocol) interface {
	gopacket.SerializableLayer
	gopacket.NetworkLayer
} {
	if from.Is4() {
		return &layers.IPv4{Version: 4, TTL: 64, Protocol: proto, SrcIP: from.AsSlice(), DstIP: to.AsSlice()}
	}
	return &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: proto, SrcIP: from.AsSlice(), DstIP: to.AsSlice()}
}

// put adds an IP packet, one millisecond after the one before.
func (s *scene) put(b []byte) {
	if s.wrap != nil {
		b = s.wrap(b)
	}
	s.now += millis
	s.packets = append(s.packets, capture.Packet{Data: b, Size: len(b), Time: s.now, Link: s.link, Via: s.via})
}

// tcp is a segment from one place to another.
func (s *scene) tcp(from, to netip.AddrPort, flags uint8, seq, ack uint32, data string) []byte {
	l := ipLayer(from.Addr(), to.Addr(), layers.IPProtocolTCP)
	t := &layers.TCP{SrcPort: layers.TCPPort(from.Port()), DstPort: layers.TCPPort(to.Port()), Seq: seq, Ack: ack,
		SYN: flags&packet.SYN != 0, ACK: flags&packet.ACK != 0, RST: flags&packet.RST != 0, FIN: flags&packet.FIN != 0,
		Window: 1000}
	if t.SYN {
		t.Options = []layers.TCPOption{{OptionType: layers.TCPOptionKindMSS, OptionLength: 4, OptionData: []byte{5, 180}}}
	}
	_ = t.SetNetworkLayerForChecksum(l)
	return serialize(s, l, t, gopacket.Payload(data))
}

func (s *scene) udp(from, to netip.AddrPort, data string) []byte {
	l := ipLayer(from.Addr(), to.Addr(), layers.IPProtocolUDP)
	u := &layers.UDP{SrcPort: layers.UDPPort(from.Port()), DstPort: layers.UDPPort(to.Port())}
	_ = u.SetNetworkLayerForChecksum(l)
	return serialize(s, l, u, gopacket.Payload(data))
}

// icmp is an error of a host about a packet.
func (s *scene) icmp(from netip.Addr, m probe.ICMP, about []byte) []byte {
	about = about[:min(len(about), 64)]
	if from.Is4() {
		return serialize(s, ipLayer(from, s.client, layers.IPProtocolICMPv4),
			&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(m.Type, m.Code)}, gopacket.Payload(about))
	}
	l := ipLayer(from, s.client, layers.IPProtocolICMPv6)
	i := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(m.Type, m.Code)}
	_ = i.SetNetworkLayerForChecksum(l)
	return serialize(s, l, i, gopacket.Payload("\x00\x00\x00\x00"), gopacket.Payload(about))
}

// places are a client's port and the endpoint's.
func (s *scene) places(clientPort uint16) (client, server netip.AddrPort) {
	return netip.AddrPortFrom(s.client, clientPort), netip.AddrPortFrom(s.server, 417)
}

// syn asks from a port; the sequence number is 1000.
func (s *scene) syn(clientPort uint16) []byte {
	c, e := s.places(clientPort)
	b := s.tcp(c, e, packet.SYN, 1000, 0, "")
	s.put(b)
	return b
}

// accept completes a handshake; the endpoint's sequence number is 5000.
func (s *scene) accept(clientPort uint16) {
	c, e := s.places(clientPort)
	s.syn(clientPort)
	s.put(s.tcp(e, c, packet.SYN|packet.ACK, 5000, 1001, ""))
	s.put(s.tcp(c, e, packet.ACK, 1001, 5001, ""))
}

// pause lets time pass, and ends the capture no earlier.
func (s *scene) pause() {
	s.now += 5e9
	s.packets = append(s.packets, capture.Packet{Data: []byte{0}, Size: 1, Time: s.now, Link: capture.LinkEthernet})
}

var bothPorts = []probe.Port{{Number: 417, Proto: probe.TCP}, {Number: 417, Proto: probe.UDP}}

// seen is what a watch made of packets.
type seen struct {
	endpoints []probe.Result
	ranges    []scan.Range
	flows     []Flow
	outcome   Outcome
}

// watch takes in the packets of the scene.
func (s *scene) watch() seen {
	s.Helper()
	w := New(Config{Ports: bothPorts, IPv4: true, IPv6: true})
	for i := range s.packets {
		w.Packet(&s.packets[i])
	}
	return resultOf(s.TB, w)
}

func resultOf(t testing.TB, w *Watch) seen {
	t.Helper()
	var out seen
	var err error
	out.outcome, err = w.Result(false, func(f Finding) error {
		switch f := f.(type) {
		case probe.Result:
			out.endpoints = append(out.endpoints, f)
		case scan.Range:
			out.ranges = append(out.ranges, f)
		case Flow:
			out.flows = append(out.flows, f)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var sum uint64
	for _, n := range out.outcome.States {
		sum += n
	}
	total := uint64(len(out.endpoints))
	for _, r := range out.ranges {
		total += r.Count
	}
	if sum != out.outcome.Targets || total != sum {
		t.Errorf("%d endpoints, %d in the records, states add up to %d", out.outcome.Targets, total, sum)
	}
	return out
}

// one is the only endpoint that was seen.
func (s seen) one(t testing.TB) probe.Result {
	t.Helper()
	if len(s.endpoints) != 1 || len(s.ranges) != 0 {
		t.Fatalf("%d endpoints and %d ranges", len(s.endpoints), len(s.ranges))
	}
	return s.endpoints[0]
}
