package packet

import (
	"encoding/hex"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// The frames to the byte, from RFC 826 and RFC 4861, sections 4.3 and 4.4.
func TestPutNeighbor(t *testing.T) {
	p4 := Path{MAC: testMAC, Src: testSrc4}
	p6 := Path{MAC: testMAC, Src: testSrc6}
	tag := Path{MAC: testMAC, Src: testSrc4, VLAN: 417}
	for _, c := range []struct {
		what string
		put  func(buf []byte) int
		want string
	}{
		{"an ARP request", func(b []byte) int { return PutSolicit(b, p4, netip.MustParseAddr("192.0.2.1")) },
			"ffffffffffff 020000000411 0806 0001080006040001 020000000411 c0000209 000000000000 c0000201"},
		{"with a tag", func(b []byte) int { return PutSolicit(b, tag, netip.MustParseAddr("::ffff:192.0.2.1")) },
			"ffffffffffff 020000000411 810001a1 0806 0001080006040001 020000000411 c0000209 000000000000 c0000201"},
		{"an ARP reply", func(b []byte) int { return PutAdvertise(b, p4, netip.MustParseAddr("192.0.2.1"), testHop) },
			"020000000001 020000000411 0806 0001080006040002 020000000411 c0000209 020000000001 c0000201"},
		{"a solicitation", func(b []byte) int { return PutSolicit(b, p6, netip.MustParseAddr("2001:db8::1:2:3")) },
			"3333ff020003 020000000411 86dd 600000000020 3a ff " +
				"20010db8000000000000000000000009 ff0200000000000000000001ff020003" +
				"8700 #### 00000000 20010db8000000000000000100020003 0101 020000000411"},
		{"an advertisement", func(b []byte) int { return PutAdvertise(b, p6, netip.MustParseAddr("fe80::1%eth0"), testHop) },
			"020000000001 020000000411 86dd 600000000020 3a ff " +
				"20010db8000000000000000000000009 fe800000000000000000000000000001" +
				"8800 #### 60000000 20010db8000000000000000000000009 0201 020000000411"},
	} {
		buf := make([]byte, MaxNeighbor)
		for i := range buf {
			buf[i] = 0xa5
		}
		got := buf[:c.put(buf)]
		want := strings.ReplaceAll(c.want, " ", "")
		if i := strings.Index(want, "####"); i >= 0 && len(got) > i/2+2 {
			want = want[:i] + hex.EncodeToString(got[i/2:i/2+2]) + want[i+4:] // checked below
		}
		if hex.EncodeToString(got) != want {
			t.Errorf("%s:\n%x, want\n%s", c.what, got, want)
			continue
		}
		if !strings.Contains(c.want, "####") {
			continue
		}
		pkt := parse(t, p6, got)
		icmp := pkt.Layer(layers.LayerTypeICMPv6).(*layers.ICMPv6)
		sum := icmp.Checksum
		if err := icmp.SetNetworkLayerForChecksum(pkt.NetworkLayer()); err != nil {
			t.Fatal(err)
		}
		w := &fixture{t: t}
		again := w.write(icmp, gopacket.Payload(icmp.Payload))
		if right := uint16(again[2])<<8 | uint16(again[3]); sum != right {
			t.Errorf("%s: checksum %04x, want %04x", c.what, sum, right)
		}
	}
}

func TestPutNeighborRefuses(t *testing.T) {
	buf := make([]byte, MaxNeighbor)
	p := Path{MAC: testMAC, Src: testSrc4}
	for _, target := range []string{"224.0.0.1", "0.0.0.0", "255.255.255.255", "2001:db8::1"} {
		if n := PutSolicit(buf, p, netip.MustParseAddr(target)); n != 0 {
			t.Errorf("%s: %d bytes", target, n)
		}
	}
	six := Path{MAC: testMAC, Src: testSrc6}
	for _, target := range []string{"ff02::1", "::", "192.0.2.1"} {
		if n, m := PutSolicit(buf, six, netip.MustParseAddr(target)), PutAdvertise(buf, six, netip.MustParseAddr(target),
			testHop); n != 0 ||
			m != 0 {
			t.Errorf("%s: %d and %d bytes", target, n, m)
		}
	}
	good := netip.MustParseAddr("192.0.2.1")
	if n := PutSolicit(buf, p, netip.Addr{}); n != 0 {
		t.Error("no target was taken")
	}
	if n := PutSolicit(buf[1:], p, good); n != 0 {
		t.Error("a buffer too short was taken")
	}
	if n := PutSolicit(buf, Path{Framing: RawIP, Src: testSrc4}, good); n != 0 {
		t.Error("a path that has no neighbors was taken")
	}
}

// What one station writes, the other decodes, and the decoder returns answers.
func TestDecodeNeighbor(t *testing.T) {
	for _, p := range testPaths() {
		if p.Framing == RawIP {
			continue
		}
		other := p
		other.MAC, other.Src = testHop, randomAddr(p.Src)
		if other.Src.IsMulticast() || !unicast(other.Src) {
			other.Src = p.Src.Next()
		}
		buf := make([]byte, MaxNeighbor)
		ask := buf[:PutSolicit(buf, p, other.Src)]
		n, ok := DecodeNeighbor(ask)
		if want := (Neighbor{true, other.Src, p.Src, testMAC}); !ok || n != want {
			t.Errorf("%+v, %t, want %+v", n, ok, want)
		}
		w := newFixture(t, p)
		if r, f := w.decode(ask); f != Foreign {
			t.Errorf("a question is an answer: %+v", r)
		}
		answer := slices.Clone(buf[:PutAdvertise(buf, other, p.Src, testMAC)])
		n, ok = DecodeNeighbor(answer)
		if want := (Neighbor{false, other.Src, other.Src, testHop}); !ok || n != want {
			t.Errorf("%+v, %t, want %+v", n, ok, want)
		}
		if r, f := w.decode(answer); f != Valid || r.Kind != KindNeighbor || r.From != other.Src || r.MAC != testHop {
			t.Errorf("%+v, %d", r, f)
		}
		if _, ok := DecodeNeighbor(append(slices.Clone(answer), make([]byte, 18)...)); !ok {
			t.Error("padding confuses")
		}
		for cut := range answer {
			if n, ok := DecodeNeighbor(answer[:cut:cut]); ok {
				t.Errorf("%d of %d bytes are %+v", cut, len(answer), n)
			}
		}
		if p.Src.Is6() { // hop limit, checksum, code, target: all must be right
			for _, at := range []int{7, 30, 40 + 1, 40 + 3, 40 + 10} {
				bad := slices.Clone(answer)
				bad[p.linkLen()+at] ^= 1
				if n, ok := DecodeNeighbor(bad); ok {
					t.Errorf("with another byte %d it is %+v", at, n)
				}
			}
		} else {
			for _, at := range []int{1, 2, 4, 5, 7} {
				bad := slices.Clone(answer)
				bad[p.linkLen()+at] ^= 0x10
				if n, ok := DecodeNeighbor(bad); ok {
					t.Errorf("with another byte %d it is %+v", at, n)
				}
			}
		}
	}
}

// A MAC of a group or of zeros is ignored.
func TestDecodeNeighborMAC(t *testing.T) {
	for _, p := range testPaths() {
		if p.Framing == RawIP {
			continue
		}
		for _, mac := range []MAC{{}, {1}, broadcast} {
			p.MAC = mac
			buf := make([]byte, MaxNeighbor)
			if n, ok := DecodeNeighbor(buf[:PutAdvertise(buf, p, p.Src, testHop)]); ok {
				t.Errorf("%+v", n)
			}
		}
	}
}

// Without the option, the frame's sender is the target (RFC 4861, section 4.4).
func TestDecodeAdvertisementWithoutOption(t *testing.T) {
	w := newFixture(t, Path{MAC: testMAC, Src: testSrc6})
	target := netip.MustParseAddr("2001:db8::1")
	ip := &layers.IPv6{
		Version:    6,
		HopLimit:   255,
		NextHeader: layers.IPProtocolICMPv6,
		SrcIP:      target.AsSlice(),
		DstIP:      testSrc6.AsSlice(),
	}
	icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(136, 0)}
	if err := icmp.SetNetworkLayerForChecksum(ip); err != nil {
		t.Fatal(err)
	}
	frame := w.write(
		append(
			w.framing(layers.EthernetTypeIPv6),
			ip,
			icmp,
			&layers.ICMPv6NeighborAdvertisement{Flags: 0x40, TargetAddress: net.IP(target.AsSlice())},
		)...)
	n, ok := DecodeNeighbor(frame)
	if want := (Neighbor{false, target, target, testHop}); !ok || n != want {
		t.Errorf("%+v, %t, want %+v", n, ok, want)
	}
}
