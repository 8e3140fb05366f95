package ip

import (
	"encoding/binary"
	"net/netip"
)

// The types of Ethernet frames and the protocols of IP packets that are distinguished.
const (
	EtherIPv4  = 0x0800
	EtherIPv6  = 0x86dd
	EtherTag   = 0x8100 // 802.1Q
	EtherOuter = 0x88a8 // 802.1ad

	ProtoICMP   = 1
	ProtoTCP    = 6
	ProtoUDP    = 17
	ProtoICMPv6 = 58
)

// Packet is what the headers of an IP packet state, and the body behind them.
type Packet struct {
	Src, Dst netip.Addr
	From, To []byte // Src and Dst again
	Header   []byte // of IPv4, options included
	Body     []byte // as far as it was captured
	Size     int    // of the body as sent, at least len(Body)
	Proto    uint8  // of the body
	TTL      uint8
	Unsized  bool // IPv4 without a length, as before segmentation by a device: Size is what was captured

	// Of a fragment, the datagram's number, where Body starts in it, in bytes, and whether more follows.
	ID     uint32
	Offset int
	More   bool
}

// IsFragment reports whether the body is a part of the datagram's.
func (p *Packet) IsFragment() bool { return p.More || p.Offset > 0 }

// Read reads a packet of either version. It returns false for anything else.
func (p *Packet) Read(b []byte) bool {
	return len(b) > 0 && (b[0]>>4 == 4 && p.Read4(b) || b[0]>>4 == 6 && p.Read6(b))
}

// Read4 reads an IPv4 header, RFC 791. It returns false for anything else.
func (p *Packet) Read4(b []byte) bool {
	if len(b) < 20 || b[0]>>4 != 4 {
		return false
	}
	header, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	if header < 20 || len(b) < header {
		return false
	}
	if p.Unsized = total == 0; p.Unsized {
		total = len(b)
	}
	if total < header {
		return false
	}
	part := binary.BigEndian.Uint16(b[6:])
	p.From, p.To, p.Header = b[12:16], b[16:20], b[:header]
	p.Src, p.Dst = netip.AddrFrom4([4]byte(p.From)), netip.AddrFrom4([4]byte(p.To))
	p.TTL, p.Proto = b[8], b[9]
	p.ID, p.Offset, p.More = uint32(binary.BigEndian.Uint16(b[4:])), int(part&0x1fff)*8, part&0x2000 != 0
	p.Size = total - header
	p.Body = b[header:min(total, len(b))]
	return true
}

// Read6 reads an IPv6 header and its extension headers, RFC 8200. It returns false
// for anything else. Of a fragment after the first, Body starts where the fragment does.
func (p *Packet) Read6(b []byte) bool {
	if len(b) < 40 || b[0]>>4 != 6 {
		return false
	}
	p.From, p.To, p.Header = b[8:24], b[24:40], nil
	p.Src, p.Dst = netip.AddrFrom16([16]byte(p.From)), netip.AddrFrom16([16]byte(p.To))
	p.Size = int(binary.BigEndian.Uint16(b[4:]))
	p.Proto, p.TTL, p.Body = b[6], b[7], b[40:min(40+p.Size, len(b))]
	p.ID, p.Offset, p.More, p.Unsized = 0, 0, false, false
	for range 8 { // more are not used in practice
		n := 8
		switch p.Proto {
		case 0, 43, 60: // hop-by-hop, routing and destination options
			if len(p.Body) >= 8 {
				n = int(p.Body[1])*8 + 8
			}
		case 44: // fragment
			if len(p.Body) < 8 || p.IsFragment() {
				return false
			}
			part := binary.BigEndian.Uint16(p.Body[2:])
			p.ID, p.Offset, p.More = binary.BigEndian.Uint32(p.Body[4:]), int(part&^7), part&1 != 0
			if p.Offset > 0 {
				p.Proto, p.Body, p.Size = p.Body[0], p.Body[8:], p.Size-8
				return true
			}
		case 51: // authentication, RFC 4302
			if len(p.Body) >= 8 {
				n = int(p.Body[1])*4 + 8
			}
		default:
			return true
		}
		if len(p.Body) < n {
			return false
		}
		p.Proto, p.Body, p.Size = p.Body[0], p.Body[n:], p.Size-n
	}
	return false
}
