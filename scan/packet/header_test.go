package packet

import (
	"bytes"
	"encoding/binary"
	"net"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"onmux/probe"
)

// TestHeaders compares the headers of probes with those that gopacket's own
// layers write.
func TestHeaders(t *testing.T) {
	for _, p := range testPaths() {
		p, err := p.check()
		if err != nil {
			t.Fatal(err)
		}
		for _, proto := range probe.Protos() {
			for _, payload := range [][]byte{nil, []byte("x"), bytes.Repeat([]byte("onmux"), 200)} {
				got, err := p.serialize(proto, payload)
				if err != nil {
					t.Fatal(err)
				}
				buf := gopacket.NewSerializeBuffer()
				err = gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true},
					p.ipLayer(proto), p.transportLayer(proto), gopacket.Payload(payload))
				if err != nil {
					t.Fatal(err)
				}
				if want := buf.Bytes(); !bytes.Equal(got[p.linkLen():], want) {
					t.Errorf("%s, %s: % x, want % x", p.testName(), proto, got[p.linkLen():], want)
				}
			}
		}
	}
}

// ipLayer is the IP header by gopacket's layers.
func (p Path) ipLayer(proto probe.Proto) gopacket.SerializableLayer {
	next := layers.IPProtocolTCP
	if proto == probe.UDP {
		next = layers.IPProtocolUDP
	}
	if p.Src.Is4() {
		return &layers.IPv4{Version: 4, Flags: layers.IPv4DontFragment, TTL: p.TTL, Protocol: next,
			SrcIP: p.Src.AsSlice(), DstIP: make(net.IP, 4)}
	}
	return &layers.IPv6{Version: 6, HopLimit: p.TTL, NextHeader: next,
		SrcIP: p.Src.AsSlice(), DstIP: make(net.IP, 16)}
}

// transportLayer is the UDP header or Linux' SYN by gopacket's layers.
func (p Path) transportLayer(proto probe.Proto) gopacket.SerializableLayer {
	if proto == probe.UDP {
		return &layers.UDP{}
	}
	headers := 40
	if p.Src.Is6() {
		headers = 60
	}
	return &layers.TCP{SYN: true, Window: 64240, Options: []layers.TCPOption{
		{OptionType: layers.TCPOptionKindMSS, OptionLength: 4,
			OptionData: binary.BigEndian.AppendUint16(nil, uint16(p.MTU-headers))},
		{OptionType: layers.TCPOptionKindSACKPermitted, OptionLength: 2},
		{OptionType: layers.TCPOptionKindTimestamps, OptionLength: 10, OptionData: make([]byte, 8)},
		{OptionType: layers.TCPOptionKindNop, OptionLength: 1},
		{OptionType: layers.TCPOptionKindWindowScale, OptionLength: 3, OptionData: []byte{7}},
	}}
}
