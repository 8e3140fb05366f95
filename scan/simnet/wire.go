package simnet

import (
	"encoding/binary"
	"net/netip"

	"onmux/probe"
)

// Query is a TCP SYN or UDP datagram as its receiver sees it, and makes the packets
// that may come back. All its methods return whole IP packets.
type Query struct {
	Proto    probe.Proto
	From, To netip.AddrPort
	Seq      uint32 // TCP
	Payload  []byte // UDP
	Packet   []byte // from the IP header on
}

// The numbers of protocols in IP headers.
const (
	ipICMP, ipTCP, ipUDP, ipICMPv6 = 1, 6, 17, 58
)

// TCP flags, RFC 9293 section 3.1.
const (
	SYN = 2
	RST = 4
	ACK = 16
)

// ReadQuery reads an IP packet. It is false for all that is no probe: other
// protocols, fragments, extension headers, segments without a bare SYN.
func ReadQuery(b []byte) (q Query, ok bool) {
	if len(b) < 20 {
		return q, false
	}
	var src, dst netip.Addr
	var next byte
	var body []byte
	switch b[0] >> 4 {
	case 4:
		header, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
		if header < 20 || total < header || len(b) < total || binary.BigEndian.Uint16(b[6:])&0x3fff != 0 {
			return q, false
		}
		src, dst = netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:]))
		b, next = b[:total], b[9]
		body = b[header:]
	case 6:
		if len(b) < 40 || len(b) < 40+int(binary.BigEndian.Uint16(b[4:])) {
			return q, false
		}
		src, dst = netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:]))
		b, next = b[:40+int(binary.BigEndian.Uint16(b[4:]))], b[6]
		body = b[40:]
	default:
		return q, false
	}
	q.Packet = b
	return q, q.readTransport(next, src, dst, body)
}

func (q *Query) readTransport(next byte, src, dst netip.Addr, body []byte) bool {
	switch {
	case next == ipTCP && len(body) >= 20 && body[13] == SYN:
		q.Proto, q.Seq = probe.TCP, binary.BigEndian.Uint32(body[4:])
	case next == ipUDP && len(body) >= 8:
		q.Proto, q.Payload = probe.UDP, body[8:]
	default:
		return false
	}
	q.From = netip.AddrPortFrom(src, binary.BigEndian.Uint16(body))
	q.To = netip.AddrPortFrom(dst, binary.BigEndian.Uint16(body[2:]))
	return true
}

// Endpoint is what is asked.
func (q Query) Endpoint() probe.Endpoint {
	return probe.Endpoint{Addr: q.To.Addr(), Port: q.To.Port(), Proto: q.Proto}
}

// Segment is a TCP segment in answer to a SYN. The zero Segment has no flags and
// acknowledges the SYN.
type Segment struct {
	Flags       byte
	Window      uint16
	Options     []byte // a multiple of four bytes
	AckOffset   uint32 // this is acknowledged beyond the SYN
	AfterSynAck bool   // it comes after a SYN-ACK, so its sequence number is one more
}

// TCP is a segment that the endpoint sends back.
func (q Query) TCP(s Segment) []byte {
	b := make([]byte, 20+len(s.Options))
	binary.BigEndian.PutUint16(b, q.To.Port())
	binary.BigEndian.PutUint16(b[2:], q.From.Port())
	seq := uint32(0x417)
	if s.AfterSynAck {
		seq++
	}
	binary.BigEndian.PutUint32(b[4:], seq)
	binary.BigEndian.PutUint32(b[8:], q.Seq+1+s.AckOffset)
	b[12], b[13] = byte(len(b)/4)<<4, s.Flags
	binary.BigEndian.PutUint16(b[14:], s.Window)
	copy(b[20:], s.Options)
	return finish(q.To.Addr(), q.From.Addr(), ipTCP, b, 16)
}

// UDP is a datagram in answer, from any port of any address.
func (q Query) UDP(from netip.AddrPort, payload []byte) []byte {
	b := make([]byte, 8+len(payload))
	binary.BigEndian.PutUint16(b, from.Port())
	binary.BigEndian.PutUint16(b[2:], q.From.Port())
	binary.BigEndian.PutUint16(b[4:], uint16(len(b)))
	copy(b[8:], payload)
	return finish(from.Addr(), q.From.Addr(), ipUDP, b, 6)
}

// ICMP is an error of a type and code, from any address, that quotes a packet:
// q.Packet, unless it is forged.
func (q Query) ICMP(from netip.Addr, kind, code byte, quote []byte) []byte {
	return q.Message(from, kind, code, 0, quote)
}

// Message is any message of ICMP or, from an IPv6 address, ICMPv6. The word
// stands behind the checksum, in front of the body.
func (q Query) Message(from netip.Addr, kind, code byte, word uint32, body []byte) []byte {
	b := make([]byte, 8, 8+len(body))
	b[0], b[1] = kind, code
	binary.BigEndian.PutUint32(b[4:], word)
	next := byte(ipICMP)
	if from.Is6() {
		next = ipICMPv6
	}
	return finish(from, q.From.Addr(), next, append(b, body...), 2)
}

// finish puts an IP header in front of a transport, whose checksum is to stand
// at byte sum of it.
func finish(src, dst netip.Addr, next byte, body []byte, sum int) []byte {
	pseudo := checksum(0, src.AsSlice())
	pseudo = checksum(pseudo, dst.AsSlice()) + uint32(next) + uint32(len(body))
	if next == ipICMP {
		pseudo = 0
	}
	c := fold(checksum(pseudo, body))
	if c == 0 && next == ipUDP {
		c = 0xffff
	}
	binary.BigEndian.PutUint16(body[sum:], c)
	if src.Is4() {
		h := make([]byte, 20, 20+len(body))
		h[0], h[8], h[9] = 0x45, 64, next
		binary.BigEndian.PutUint16(h[2:], uint16(20+len(body)))
		copy(h[12:], src.AsSlice())
		copy(h[16:], dst.AsSlice())
		binary.BigEndian.PutUint16(h[10:], fold(checksum(0, h)))
		return append(h, body...)
	}
	h := make([]byte, 40, 40+len(body))
	h[0], h[6], h[7] = 0x60, next, 64
	binary.BigEndian.PutUint16(h[4:], uint16(len(body)))
	copy(h[8:], src.AsSlice())
	copy(h[24:], dst.AsSlice())
	return append(h, body...)
}

// checksum adds 16-bit words, RFC 1071, to a sum.
func checksum(sum uint32, b []byte) uint32 {
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	return sum
}

func fold(sum uint32) uint16 {
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}
