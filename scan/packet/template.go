package packet

import (
	"encoding/binary"
	"fmt"

	"github.com/google/gopacket"

	"onmux/probe"
)

// template is a frame in which everything that changes from probe to probe is
// zero, checksums included, and the sums of the rest: the checksum of a probe is
// that sum plus its own fields, so that no byte is added twice (RFC 1624 with a
// zero m).
type template struct {
	frame     []byte
	header    uint64 // sum of the IPv4 header
	transport uint64 // sum of the pseudo header, the transport header and the payload
	idAt      int    // offset in the UDP datagram of an ID that its answer returns; 0 if there is none
}

// patch4 fills in the IPv4 header and returns what the transport must add.
func (t *template) patch4(ip, dst []byte, c cookie) uint64 {
	_ = ip[19]
	d := binary.BigEndian.Uint32(dst)
	binary.BigEndian.PutUint16(ip[4:], c.id())
	binary.BigEndian.PutUint32(ip[16:], d)
	binary.BigEndian.PutUint16(ip[10:], ^fold(t.header+uint64(c.id())+uint64(d)))
	return t.transport + uint64(d)
}

// patch6 fills in the IPv6 header, which has no checksum.
func (t *template) patch6(ip, dst []byte, c cookie) uint64 {
	_ = ip[39]
	hi, lo := binary.BigEndian.Uint64(dst), binary.BigEndian.Uint64(dst[8:])
	binary.BigEndian.PutUint32(ip, 6<<28|c.flow())
	binary.BigEndian.PutUint64(ip[24:], hi)
	binary.BigEndian.PutUint64(ip[32:], lo)
	return t.transport + hi>>32 + hi&0xffffffff + lo>>32 + lo&0xffffffff
}

// tsval is the offset of the timestamp in a SYN: after MSS (4 bytes), SACK
// permitted (2), and the option's own kind and length.
const tsval = 20 + 4 + 2 + 2

func (t *template) patchTCP(tcp []byte, c cookie, clock uint32, sum uint64) {
	_ = tcp[tsval+3]
	binary.BigEndian.PutUint32(tcp[4:], c.seq())
	binary.BigEndian.PutUint32(tcp[tsval:], clock)
	binary.BigEndian.PutUint16(tcp[16:], ^fold(sum+uint64(c.seq())+uint64(clock)))
}

func (t *template) patchUDP(udp []byte, c cookie, sum uint64) {
	if t.idAt > 0 {
		binary.BigEndian.PutUint16(udp[t.idAt:], c.id())
		sum += uint64(c.id())
	}
	check := ^fold(sum)
	if check == 0 { // which means that there is none, RFC 768
		check = 0xffff
	}
	binary.BigEndian.PutUint16(udp[6:], check)
}

// templates makes one for each payload; TCP has none, which is one nil. A probe
// that is above the MTU has an empty template.
func (p Path) templates(proto probe.Proto, payloads [][]byte) ([]template, error) {
	var made []template
	for _, payload := range payloads {
		frame, err := p.serialize(proto, payload)
		if err != nil {
			return nil, fmt.Errorf("no template for %s from %s with %d bytes of payload: %w", proto, p.Src, len(payload), err)
		}
		t := template{frame: frame}
		ip := frame[p.linkLen():]
		if at, ok := idOffset(payload, placeholderID); ok {
			t.idAt = 8 + at
			copy(ip[len(ip)-len(payload)+at:], "\x00\x00")
		}
		if len(ip) > p.MTU {
			made = append(made, template{}) // there is no such probe
			continue
		}
		if p.Src.Is4() {
			t.header = sum(ip[:20])
			t.transport = sum(ip[12:20]) + uint64(ip[9]) + uint64(len(ip)-20) + sum(ip[20:])
		} else {
			t.transport = sum(ip[8:40]) + uint64(ip[6]) + uint64(len(ip)-40) + sum(ip[40:])
		}
		made = append(made, t)
	}
	return made, nil
}

// placeholderID is what a request has in place of the ID by which its protocol
// distinguishes requests, such as that of DNS or RPC (see package request). The
// answer returns it, so it can hold a part of the cookie.
const placeholderID = 0x0417

// idOffset returns the offset of the ID of a request, if it is n.
func idOffset(payload []byte, n uint16) (at int, ok bool) {
	for at = 0; at <= 2; at += 2 {
		if len(payload) >= at+2 && binary.BigEndian.Uint16(payload[at:]) == n {
			return at, true
		}
	}
	return 0, false
}

// serialize writes a probe with gopacket, with zeros for the fields that a
// template leaves out.
func (p Path) serialize(proto probe.Proto, payload []byte) ([]byte, error) {
	buf := gopacket.NewSerializeBuffer()
	ip, transport := p.headers(proto)
	err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{}, ip, transport, gopacket.Payload(payload))
	if err != nil {
		return nil, err
	}
	frame := make([]byte, p.linkLen()+len(buf.Bytes()))
	copy(frame[p.linkLen():], buf.Bytes())
	if p.Framing == Ethernet {
		kind := uint16(etherIPv4)
		if p.Src.Is6() {
			kind = etherIPv6
		}
		p.putEthernet(frame, MAC{}, kind)
	}
	return frame, nil
}
