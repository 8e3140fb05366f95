package ip

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// build is a packet with a body of UDP, as gopacket writes it.
func build(t testing.TB, all ...gopacket.SerializableLayer) []byte {
	t.Helper()
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true},
		append(all, gopacket.Payload("datagram"))...); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestRead(t *testing.T) {
	t.Parallel()
	src4, dst4 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	src6, dst6 := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	four := &layers.IPv4{Version: 4, TTL: 9, Protocol: ProtoUDP, Id: 77, SrcIP: src4.AsSlice(), DstIP: dst4.AsSlice()}
	part := *four
	part.Flags, part.FragOffset = layers.IPv4MoreFragments, 3
	options := *four
	options.Options = []layers.IPv4Option{{OptionType: 1}, {OptionType: 1}, {OptionType: 1}, {OptionType: 0}}
	six := func(next layers.IPProtocol) *layers.IPv6 {
		return &layers.IPv6{Version: 6, HopLimit: 9, NextHeader: next, SrcIP: src6.AsSlice(), DstIP: dst6.AsSlice()}
	}
	fragment := func(offset uint16, more byte) gopacket.Payload {
		b := binary.BigEndian.AppendUint16([]byte{ProtoUDP, 0}, offset|uint16(more))
		return binary.BigEndian.AppendUint32(b, 77)
	}
	for name, c := range map[string]struct {
		packet []byte
		want   Packet
	}{
		"IPv4":          {build(t, four), Packet{ID: 77}},
		"options":       {build(t, &options), Packet{ID: 77}},
		"IPv4 fragment": {build(t, &part), Packet{ID: 77, Offset: 24, More: true}},
		"IPv6":          {build(t, six(ProtoUDP)), Packet{}},
		"hop by hop":    {build(t, six(0), gopacket.Payload{ProtoUDP, 0, 1, 4, 0, 0, 0, 0}), Packet{}},
		"authenticated": {build(t, six(51), gopacket.Payload{ProtoUDP, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1}), Packet{}},
		"first of IPv6": {build(t, six(44), fragment(0, 1)), Packet{ID: 77, More: true}},
		"last of IPv6":  {build(t, six(44), fragment(64, 0)), Packet{ID: 77, Offset: 64}},
	} {
		var got Packet
		if !got.Read(append(c.packet, "padding"...)) {
			t.Errorf("%s is not read", name)
			continue
		}
		src, dst := src4, dst4
		if c.packet[0]>>4 == 6 {
			src, dst = src6, dst6
		}
		if got.Src != src || got.Dst != dst || string(got.Body) != "datagram" || got.Size != 8 || got.TTL != 9 ||
			got.Proto != ProtoUDP || got.ID != c.want.ID || got.Offset != c.want.Offset || got.More != c.want.More {
			t.Errorf("%s: %+v", name, got)
		}
		for n := range c.packet {
			var cut Packet
			if cut.Read(c.packet[:n:n]) && (cut.Size != got.Size || !bytes.HasPrefix([]byte("datagram"), cut.Body)) {
				t.Errorf("%s cut to %d bytes: %+v", name, n, cut)
			}
		}
	}
	unsized := build(t, four)
	copy(unsized[2:], "\x00\x00")
	var got Packet
	if !got.Read(unsized) || !got.Unsized || string(got.Body) != "datagram" || got.Size != 8 {
		t.Errorf("without a length: %+v", got)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte{0x45, 0, 0, 20, 19: 0})
	f.Add(append([]byte{0x60, 0, 0, 0, 0, 16, 44, 64}, make([]byte, 56)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		var p Packet
		if p.Read(b) && (len(p.Body) > len(b) || p.Size < len(p.Body)) {
			t.Errorf("%d bytes of %d", len(p.Body), p.Size)
		}
	})
}
