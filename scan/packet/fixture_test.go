package packet

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"onmux/probe"
)

// fixture is one path with its builder and decoder; what answers probes in it is
// written with gopacket.
type fixture struct {
	Path
	t testing.TB
	c *Cookies
	b *Builder
	d *Decoder

	unsummed bool // of the frames that are decoded
}

func newFixture(t testing.TB, p Path) *fixture {
	t.Helper()
	c := testCookies(t)
	b, err := NewBuilder(p, c, testPorts)
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{Path: p, t: t, c: c, b: b, d: NewDecoder(p.Framing, c, testPorts)}
}

// forEachPath runs a test with every framing and family.
func forEachPath(t *testing.T, f func(t *testing.T, w *fixture)) {
	for _, p := range testPaths() {
		t.Run(p.testName(), func(t *testing.T) { f(t, newFixture(t, p)) })
	}
}

// sentProbe is a probe as its target sees it.
type sentProbe struct {
	probe.Endpoint
	try   int
	clock uint32
	ip    []byte // the packet, without framing
	from  uint16
	seq   uint32
}

func (w *fixture) ask(port uint16, proto probe.Proto) sentProbe {
	w.t.Helper()
	a := sentProbe{
		Endpoint: probe.Endpoint{Addr: randomAddr(w.Src), Port: port, Proto: proto},
		try:      1 + rand.IntN(15),
		clock:    rand.Uint32(),
	}
	buf := make([]byte, w.b.MaxLen())
	n := w.b.Put(buf, a.Endpoint, a.try, testHop, a.clock)
	if n == 0 {
		w.t.Fatalf("no probe of %s", a.Endpoint)
	}
	a.ip = buf[w.linkLen():n]
	first := gopacket.Decoder(layers.LayerTypeIPv4)
	if w.Src.Is6() {
		first = layers.LayerTypeIPv6
	}
	switch l := gopacket.NewPacket(a.ip, first, gopacket.Default).TransportLayer().(type) {
	case *layers.TCP:
		a.from, a.seq = uint16(l.SrcPort), l.Seq
	case *layers.UDP:
		a.from = uint16(l.SrcPort)
	}
	return a
}

const testTTL = 61 // of whatever comes in

// frame is a packet from somebody to us.
func (w *fixture) frame(from netip.Addr, proto layers.IPProtocol, rest ...gopacket.SerializableLayer) []byte {
	w.t.Helper()
	kind, ip := layers.EthernetTypeIPv4, gopacket.SerializableLayer(
		&layers.IPv4{Version: 4, TTL: testTTL, Protocol: proto, SrcIP: from.AsSlice(), DstIP: w.Src.AsSlice()},
	)
	if w.Src.Is6() {
		kind, ip = layers.EthernetTypeIPv6, &layers.IPv6{
			Version:    6,
			HopLimit:   testTTL,
			NextHeader: proto,
			SrcIP:      from.AsSlice(),
			DstIP:      w.Src.AsSlice(),
		}
	}
	for _, l := range rest {
		if c, ok := l.(interface {
			SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
		}); ok {
			if err := c.SetNetworkLayerForChecksum(ip.(gopacket.NetworkLayer)); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	return w.write(append(w.framing(kind), append([]gopacket.SerializableLayer{ip}, rest...)...)...)
}

func (w *fixture) framing(kind layers.EthernetType) []gopacket.SerializableLayer {
	if w.Framing == RawIP {
		return nil
	}
	eth := &layers.Ethernet{SrcMAC: testHop[:], DstMAC: net.HardwareAddr(testMAC[:]), EthernetType: kind}
	if w.VLAN == 0 {
		return []gopacket.SerializableLayer{eth}
	}
	eth.EthernetType = layers.EthernetTypeDot1Q
	return []gopacket.SerializableLayer{eth, &layers.Dot1Q{VLANIdentifier: w.VLAN, Type: kind}}
}

func (w *fixture) write(stack ...gopacket.SerializableLayer) []byte {
	w.t.Helper()
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true},
		stack...); err != nil {
		w.t.Fatal(err)
	}
	return buf.Bytes()
}

// tcp is a segment from the endpoint that was asked, a SYN-ACK of Linux if
// change leaves it alone.
func (w *fixture) tcp(a sentProbe, change func(*layers.TCP)) []byte {
	l := &layers.TCP{
		SrcPort: layers.TCPPort(a.Port),
		DstPort: layers.TCPPort(a.from),
		Seq:     rand.Uint32(),
		Ack:     a.seq + 1,
		SYN:     true,
		ACK:     true,
		Window:  65160,
		Options: []layers.TCPOption{
			{OptionType: layers.TCPOptionKindMSS, OptionLength: 4, OptionData: []byte{5, 180}},
			{OptionType: layers.TCPOptionKindSACKPermitted, OptionLength: 2},
			{
				OptionType:   layers.TCPOptionKindTimestamps,
				OptionLength: 10,
				OptionData:   []byte{1, 2, 3, 4, byte(a.clock >> 24), byte(a.clock >> 16), byte(a.clock >> 8), byte(a.clock)},
			},
			{OptionType: layers.TCPOptionKindNop, OptionLength: 1},
			{OptionType: layers.TCPOptionKindWindowScale, OptionLength: 3, OptionData: []byte{7}},
		},
	}
	if change != nil {
		change(l)
	}
	return w.frame(a.Addr, layers.IPProtocolTCP, l)
}

func (w *fixture) udp(a sentProbe, from uint16, payload string) []byte {
	return w.frame(
		a.Addr,
		layers.IPProtocolUDP,
		&layers.UDP{SrcPort: layers.UDPPort(from), DstPort: layers.UDPPort(a.from)},
		gopacket.Payload(payload),
	)
}

// icmp is an error that quotes what is given.
func (w *fixture) icmp(from netip.Addr, m probe.ICMP, quote []byte) []byte {
	if w.Src.Is4() {
		return w.frame(
			from,
			layers.IPProtocolICMPv4,
			&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(m.Type, m.Code)},
			gopacket.Payload(quote),
		)
	}
	return w.frame(
		from,
		layers.IPProtocolICMPv6,
		&layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(m.Type, m.Code)},
		gopacket.Payload(append(make([]byte, 4), quote...)),
	)
}

// header is the length of the IP header of a quote.
func (w *fixture) header() int {
	if w.Src.Is4() {
		return 20
	}
	return 40
}

// unreachable is "port unreachable" of the family.
func (w *fixture) unreachable() probe.ICMP {
	if w.Src.Is4() {
		return probe.ICMP{Type: 3, Code: 3}
	}
	return probe.ICMP{Type: 1, Code: 4}
}

// decode decodes a frame.
func (w *fixture) decode(frame []byte) (Reply, Validity) {
	var r Reply
	r.Payload = []byte("of the frame before")
	f := w.d.Decode(frame, w.unsummed, &r)
	return r, f
}

// expect checks that a frame has this validity, and if it is valid, what it answers.
func (w *fixture) expect(what string, frame []byte, want Validity, a sentProbe, reason probe.Reason) Reply {
	w.t.Helper()
	r, got := w.decode(frame)
	if got != want {
		w.t.Errorf("%s is %d, want %d:\n% x", what, got, want, frame)
	}
	if got == Valid &&
		(r.Endpoint != a.Endpoint || r.Try != a.try || r.Reason != reason || r.Src != w.Src || r.SrcPort != a.from ||
			r.TTL != testTTL) {
		w.t.Errorf("%s: %+v\nwant %+v for %s", what, r, a, reason)
	}
	return r
}
