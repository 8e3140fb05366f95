package packet

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"onmux/probe"
	"onmux/probe/request"
)

var (
	testKey   = [16]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	testMAC   = MAC{2, 0, 0, 0, 4, 17}
	testHop   = MAC{2, 0, 0, 0, 0, 1}
	testSrc4  = netip.MustParseAddr("192.0.2.9")
	testSrc6  = netip.MustParseAddr("2001:db8::9")
	testTCP   = Ports{First: 40000, Tries: 15, Width: 1}
	testUDP   = Ports{First: 50000, Tries: 15, Width: 32}
	testPorts = []probe.Port{
		{Number: 417, Proto: probe.TCP},
		{Number: 417, Proto: probe.UDP},
		{Number: 53, Proto: probe.UDP},
		{
			Number: 69,
			Proto:  probe.UDP,
		},
		{Number: 443, Proto: probe.UDP},
		{Number: 5060, Proto: probe.UDP},
		{Number: 443, Proto: probe.TCP},
	}
)

func testCookies(t testing.TB) *Cookies {
	t.Helper()
	c, err := NewCookies(testKey, testTCP, testUDP)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// testPaths are all combinations of framing and family.
func testPaths() []Path {
	var paths []Path
	for _, src := range []netip.Addr{testSrc4, testSrc6} {
		paths = append(
			paths,
			Path{Framing: RawIP, Src: src, TTL: 57, MTU: 1400},
			Path{MAC: testMAC, Src: src},
			Path{MAC: testMAC, VLAN: 417, Src: src},
		)
	}
	return paths
}

func (p Path) testName() string { return fmt.Sprintf("%s, VLAN %d, from %s", p.Framing, p.VLAN, p.Src) }

func randomAddr(like netip.Addr) netip.Addr {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], rand.Uint64())
	binary.BigEndian.PutUint64(b[8:], rand.Uint64())
	if like.Is4() {
		return netip.AddrFrom4([4]byte(b[:4]))
	}
	b[0] &^= 0x80 // no multicast
	return netip.AddrFrom16(b)
}

func parse(t *testing.T, p Path, frame []byte) gopacket.Packet {
	t.Helper()
	first := gopacket.Decoder(layers.LayerTypeEthernet)
	if p.Framing == RawIP {
		first = layers.LayerTypeIPv4
		if p.Src.Is6() {
			first = layers.LayerTypeIPv6
		}
	}
	pkt := gopacket.NewPacket(frame, first, gopacket.Default)
	if e := pkt.ErrorLayer(); e != nil {
		t.Fatalf("gopacket cannot read % x: %v", frame, e.Error())
	}
	return pkt
}

// rebuild serializes a packet anew, with gopacket's own lengths and checksums.
func rebuild(t *testing.T, pkt gopacket.Packet) []byte {
	t.Helper()
	var stack []gopacket.SerializableLayer
	for _, l := range pkt.Layers() {
		if c, ok := l.(interface {
			SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
		}); ok {
			if err := c.SetNetworkLayerForChecksum(pkt.NetworkLayer()); err != nil {
				t.Fatal(err)
			}
		}
		stack = append(stack, l.(gopacket.SerializableLayer))
		if l == pkt.TransportLayer() {
			stack = append(stack, gopacket.Payload(l.LayerPayload()))
			break
		}
	}
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true},
		stack...); err != nil {
		t.Fatal(err)
	}
	frame := buf.Bytes()[:len(pkt.Data())] // gopacket pads frames
	if l, ok := pkt.TransportLayer().(*layers.UDP); ok {
		if check := frame[len(frame)-len(l.Payload)-2:]; check[0] == 0 && check[1] == 0 {
			check[0], check[1] = 0xff, 0xff // gopacket does not know that zero is none
		}
	}
	return frame
}

// Every probe is, to the byte, what gopacket makes of its own reading of it, so
// lengths and checksums are right; and its fields are those that were asked for.
func TestPut(t *testing.T) {
	c := testCookies(t)
	for _, p := range testPaths() {
		t.Run(p.testName(), func(t *testing.T) {
			b, err := NewBuilder(p, c, testPorts)
			if err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, b.MaxLen())
			for range 200 {
				port := testPorts[rand.IntN(len(testPorts))]
				e := probe.Endpoint{Addr: randomAddr(p.Src), Port: port.Number, Proto: port.Proto}
				try, clock := 1+rand.IntN(15), rand.Uint32()
				for i := range buf {
					buf[i] = 0xa5 // what was there before must not show
				}
				n := b.Put(buf, e, try, testHop, clock)
				if n == 0 {
					t.Fatalf("no probe of %s", e)
				}
				pkt := parse(t, p, buf[:n])
				checkProbe(t, p, c, pkt, e, try, clock) // before rebuild, which writes to the layers
				if again := rebuild(t, pkt); string(again) != string(buf[:n]) {
					t.Fatalf("%s, try %d:\n% x, gopacket makes of it\n% x", e, try, buf[:n], again)
				}
			}
		})
	}
}

func checkProbe(t *testing.T, p Path, c *Cookies, pkt gopacket.Packet, e probe.Endpoint, try int, clock uint32) {
	t.Helper()
	src, dst := pkt.NetworkLayer().NetworkFlow().Endpoints()
	if src.String() != p.Src.String() || dst.String() != e.Addr.String() {
		t.Errorf("from %s to %s, want %s to %s", src, dst, p.Src, e.Addr)
	}
	ttl := uint8(64)
	if p.TTL != 0 {
		ttl = p.TTL
	}
	switch ip := pkt.NetworkLayer().(type) {
	case *layers.IPv4:
		if ip.TTL != ttl || ip.Flags != layers.IPv4DontFragment || ip.FragOffset != 0 {
			t.Errorf("TTL %d, flags %s", ip.TTL, ip.Flags)
		}
	case *layers.IPv6:
		if ip.HopLimit != ttl || ip.TrafficClass != 0 {
			t.Errorf("hop limit %d, class %d", ip.HopLimit, ip.TrafficClass)
		}
	}
	if eth, ok := pkt.Layer(layers.LayerTypeEthernet).(*layers.Ethernet); ok != (p.Framing == Ethernet) ||
		ok && (MAC(eth.SrcMAC) != testMAC || MAC(eth.DstMAC) != testHop) {
		t.Errorf("Ethernet: %+v", eth)
	}
	if tag, ok := pkt.Layer(layers.LayerTypeDot1Q).(*layers.Dot1Q); ok != (p.VLAN != 0) ||
		ok && tag.VLANIdentifier != p.VLAN {
		t.Errorf("tag: %+v", tag)
	}
	switch l := pkt.TransportLayer().(type) {
	case *layers.TCP:
		checkSYN(t, p, l, clock)
		if first := testTCP.First + uint16(try-1); uint16(l.SrcPort) != first || uint16(l.DstPort) != e.Port {
			t.Errorf("from port %d, want %d", l.SrcPort, first)
		}
	case *layers.UDP:
		want := request.Payloads(e.Port)
		w := want[(try-1)%len(want)]
		if at, ok := idOffset(w, placeholderID); ok {
			w = binary.BigEndian.AppendUint16(slices.Clone(w[:at]), uint16(c.of(p.Src.AsSlice(), e.Addr.AsSlice(), e.Port,
				e.Proto)>>48))
			w = append(w, want[(try-1)%len(want)][at+2:]...)
		}
		if string(w) != string(l.Payload) || uint16(l.DstPort) != e.Port {
			t.Errorf("payload % x, want % x", l.Payload, w)
		}
		if l.Checksum == 0 {
			t.Error("no checksum")
		}
		if first := testUDP.First + uint16((try-1)*testUDP.Width); uint16(l.SrcPort) < first ||
			int(l.SrcPort) >= int(first)+testUDP.Width {
			t.Errorf("from port %d, want one of try %d", l.SrcPort, try)
		}
	}
}

func checkSYN(t *testing.T, p Path, l *layers.TCP, clock uint32) {
	t.Helper()
	if !l.SYN || l.ACK || l.RST || l.FIN || l.Ack != 0 || l.Window != 64240 || len(l.Payload) != 0 {
		t.Errorf("no SYN: %+v", l)
	}
	mtu := p.MTU
	if mtu == 0 {
		mtu = 1500
	}
	mss := uint16(mtu - 40)
	if p.Src.Is6() {
		mss -= 20
	}
	kinds := []layers.TCPOptionKind{
		layers.TCPOptionKindMSS,
		layers.TCPOptionKindSACKPermitted,
		layers.TCPOptionKindTimestamps,
		layers.TCPOptionKindNop,
		layers.TCPOptionKindWindowScale,
	}
	if len(l.Options) != len(kinds) {
		t.Fatalf("options %v", l.Options)
	}
	for i, o := range l.Options {
		if o.OptionType != kinds[i] {
			t.Errorf("option %d is %s", i, o)
		}
	}
	if got := binary.BigEndian.Uint16(l.Options[0].OptionData); got != mss {
		t.Errorf("MSS %d, want %d", got, mss)
	}
	if ts := l.Options[2].OptionData; binary.BigEndian.Uint32(ts) != clock || binary.BigEndian.Uint32(ts[4:]) != 0 {
		t.Errorf("timestamps % x, want %x and 0", ts, clock)
	}
}

// Zero would mean that there is no checksum, which IPv6 does not allow (RFC 768,
// RFC 8200 section 8.1). One in 65536 probes has that sum.
func TestPutWithoutZeroChecksum(t *testing.T) {
	for _, src := range []netip.Addr{testSrc4, testSrc6} {
		b, err := NewBuilder(Path{Framing: RawIP, Src: src}, testCookies(t), testPorts)
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, b.MaxLen())
		e, ones := probe.Endpoint{Addr: src, Port: 417, Proto: probe.UDP}, 0
		for range 1 << 20 {
			e.Addr = e.Addr.Next()
			frame := buf[:b.Put(buf, e, 1, MAC{}, 0)]
			switch binary.BigEndian.Uint16(frame[len(frame)-2:]) {
			case 0:
				t.Fatalf("% x has no checksum", frame)
			case 0xffff:
				ones++
			}
		}
		if ones == 0 {
			t.Error("no probe had the checksum that this is about")
		}
	}
}

func TestPutRefuses(t *testing.T) {
	b, err := NewBuilder(Path{MAC: testMAC, Src: testSrc4}, testCookies(t), testPorts)
	if err != nil {
		t.Fatal(err)
	}
	good := probe.Endpoint{Addr: netip.MustParseAddr("192.0.2.1"), Port: 417, Proto: probe.TCP}
	buf := make([]byte, b.MaxLen())
	mapped := good
	mapped.Addr = netip.MustParseAddr("::ffff:192.0.2.1")
	if n, m := b.Put(buf, good, 1, testHop, 0), b.Put(buf, mapped, 1, testHop, 0); n != 14+20+40 || m != n {
		t.Errorf("%d and %d bytes, want 74", n, m)
	}
	for what, change := range map[string]func(*probe.Endpoint, *int){
		"the other family":    func(e *probe.Endpoint, _ *int) { e.Addr = netip.MustParseAddr("2001:db8::1") },
		"no address":          func(e *probe.Endpoint, _ *int) { e.Addr = netip.Addr{} },
		"a port not prepared": func(e *probe.Endpoint, _ *int) { e.Port = 418 },
		"port of the other":   func(e *probe.Endpoint, _ *int) { e.Port = 53 },
		"no protocol":         func(e *probe.Endpoint, _ *int) { e.Proto = 0 },
		"a strange protocol":  func(e *probe.Endpoint, _ *int) { e.Proto = 9 },
		"try 0":               func(_ *probe.Endpoint, try *int) { *try = 0 },
		"try 16":              func(_ *probe.Endpoint, try *int) { *try = 16 },
	} {
		e, try := good, 1
		change(&e, &try)
		if n := b.Put(buf, e, try, testHop, 0); n != 0 {
			t.Errorf("%s: %d bytes", what, n)
		}
	}
	if n := b.Put(buf[:73], good, 1, testHop, 0); n != 0 {
		t.Errorf("%d bytes in a buffer of 73", n)
	}
}

func TestNewBuilderRefuses(t *testing.T) {
	none, err := NewCookies(testKey, testTCP, Ports{})
	if err != nil {
		t.Fatal(err)
	}
	for what, p := range map[string]Path{
		"no source":        {},
		"a group":          {Src: netip.MustParseAddr("224.0.0.1")},
		"unspecified":      {Src: netip.MustParseAddr("::")},
		"a VLAN too high":  {Src: testSrc4, VLAN: 4095},
		"a VLAN in raw IP": {Src: testSrc4, VLAN: 1, Framing: RawIP},
		"a framing":        {Src: testSrc4, Framing: 2},
		"an MTU":           {Src: testSrc4, MTU: 67},
		"an MTU of IPv6":   {Src: testSrc6, MTU: 1279},
		"a group's MAC":    {Src: testSrc4, MAC: MAC{1}},
	} {
		if _, err := NewBuilder(p, none, testPorts[:1]); err == nil {
			t.Errorf("%s was taken", what)
		}
	}
	for _, port := range []probe.Port{{Number: 1, Proto: probe.UDP}, {Number: 1}, {Number: 1, Proto: 7}} {
		if _, err := NewBuilder(Path{Src: testSrc4}, none, []probe.Port{port}); err == nil {
			t.Errorf("port %s was taken, for which there are no source ports", port)
		}
	}
	// Of the probes of one way, those above its MTU alone are not written.
	small, err := NewBuilder(
		Path{Src: testSrc4, MTU: 68},
		testCookies(t),
		[]probe.Port{{Number: 5060, Proto: probe.UDP}, {Number: 5060, Proto: probe.TCP}},
	)
	if err != nil {
		t.Fatal(err)
	}
	for _, proto := range probe.Protos() {
		e := probe.Endpoint{Addr: testSrc4.Next(), Port: 5060, Proto: proto}
		if n := small.Put(make([]byte, 2000), e, 1, MAC{}, 0); (n > 0) != (proto == probe.TCP) {
			t.Errorf("a %s probe of %d bytes at an MTU of 68", proto, n)
		}
	}
}

func BenchmarkPut(b *testing.B) {
	for _, p := range testPaths()[1:5:5] {
		for _, proto := range probe.Protos() {
			b.Run(fmt.Sprintf("%s/%s", proto, p.testName()), func(b *testing.B) {
				builder, err := NewBuilder(p, testCookies(b), testPorts[:2])
				if err != nil {
					b.Fatal(err)
				}
				buf := make([]byte, builder.MaxLen())
				e := probe.Endpoint{Addr: randomAddr(p.Src), Port: 417, Proto: proto}
				b.ReportAllocs()
				for b.Loop() {
					if builder.Put(buf, e, 1, testHop, 1) == 0 {
						b.Fatal("no probe")
					}
				}
			})
		}
	}
}
