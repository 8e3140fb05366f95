package wire

import (
	"encoding/binary"

	"onmux/scan/capture"
	"onmux/scan/ip"
)

// Types of Ethernet frames beside those of package ip.
const (
	etherOldOuter = 0x9100 // of tags before 802.1ad
	etherPPPoE    = 0x8864 // a session, RFC 2516
	etherBridged  = 0x6558 // Ethernet in GRE
	tagDepth      = 4
)

// Protocols of IP packets that hold another packet.
const (
	protoIPIP  = 4
	protoGRE   = 47
	protoIPv6  = 41
	portVXLAN  = 4789 // RFC 7348
	portVXLAN0 = 8472 // of Linux before its number was assigned
)

// network finds the IP packet in one of a capture, and whether the machine that captured
// sent it. It returns nil if there is none.
func network(p *capture.Packet) (packet []byte, outgoing bool) {
	b := p.Data
	kind := 0
	switch p.Link.Base() {
	case capture.LinkEthernet:
		return ethernet(b), false
	case capture.LinkRaw, capture.LinkRawBSD, capture.LinkRawOpen, capture.LinkIPv4, capture.LinkIPv6:
		return b, false
	case capture.LinkNull, capture.LinkLoop: // the family has other numbers on other systems; the packet has its version
		if len(b) < 4 {
			return nil, false
		}
		return b[4:], false
	case capture.LinkSLL:
		if len(b) < 16 {
			return nil, false
		}
		outgoing = b[1] == sllOutgoing
		kind, b = int(binary.BigEndian.Uint16(b[14:])), b[16:]
	case capture.LinkSLL2:
		if len(b) < 20 {
			return nil, false
		}
		outgoing = b[10] == sllOutgoing
		kind, b = int(binary.BigEndian.Uint16(b)), b[20:]
	default:
		return nil, false
	}
	return untag(kind, b), outgoing
}

// sllOutgoing is the packet type (PACKET_OUTGOING of linux/if_packet.h) of what the machine
// sent itself.
const sllOutgoing = 4

// ethernet returns the IP packet in a frame, or nil.
func ethernet(b []byte) []byte {
	if len(b) < 14 {
		return nil
	}
	return untag(int(binary.BigEndian.Uint16(b[12:])), b[14:])
}

// untag returns the IP packet behind tags of VLANs and the header of PPPoE, or nil.
func untag(kind int, b []byte) []byte {
	for range tagDepth {
		switch kind {
		case ip.EtherIPv4, ip.EtherIPv6:
			return b
		case ip.EtherTag, ip.EtherOuter, etherOldOuter:
			if len(b) < 4 {
				return nil
			}
			kind, b = int(binary.BigEndian.Uint16(b[2:])), b[4:]
		case etherPPPoE:
			if len(b) < 8 {
				return nil
			}
			switch binary.BigEndian.Uint16(b[6:]) {
			case 0x21, 0x57:
				return b[8:]
			}
			return nil
		default:
			return nil
		}
	}
	if kind == ip.EtherIPv4 || kind == ip.EtherIPv6 {
		return b
	}
	return nil
}

// interfaceOf distinguishes the interfaces on which a packet may pass several times: the
// number that the capture has, and the direction. It is 0 if nothing is known.
func interfaceOf(p *capture.Packet, outgoing bool) uint32 {
	via := p.Via << 1
	if p.Link.Base() == capture.LinkSLL2 && len(p.Data) >= 8 {
		via = binary.BigEndian.Uint32(p.Data[4:]) << 1
	}
	if outgoing {
		via |= 1
	}
	return via + 2
}

// encapsulated returns the packet inside one of GRE (RFC 2784, RFC 2890), or nil.
func encapsulated(b []byte) []byte {
	if len(b) < 4 || b[0]&0x40 != 0 || b[1]&7 != 0 { // no source routes; version 0
		return nil
	}
	n := 4
	for _, flag := range []byte{0x80, 0x20, 0x10} { // checksum, key, sequence number
		if b[0]&flag != 0 {
			n += 4
		}
	}
	if len(b) < n {
		return nil
	}
	switch kind := int(binary.BigEndian.Uint16(b[2:])); kind {
	case etherBridged:
		return ethernet(b[n:])
	default:
		return untag(kind, b[n:])
	}
}

// vxlan returns the packet inside the payload of a datagram, or nil: RFC 7348, section 5.
func vxlan(b []byte) []byte {
	if len(b) < 8 || b[0]&0x08 == 0 {
		return nil
	}
	return ethernet(b[8:])
}

// transports takes in the packets that are not tunnels.
type transports interface {
	tcp(*ip.Packet)
	udp(*ip.Packet) (ours bool) // reports whether it is to or from one of the ports
	icmp(*ip.Packet)
}

// unpacker finds the packets of transports: it puts fragments together, and takes packets out
// of one tunnel.
type unpacker struct {
	ipv4, ipv6 bool
	to         transports
	now        int64 // when the packet passed that is being read
	fragments  fragments
	layers     [2]ip.Packet // of a tunnel and what it holds
	malformed  uint64
	tunneled   uint64
}

// packet takes in an IP packet. Depth is how many tunnels it is in.
func (u *unpacker) packet(b []byte, depth int) {
	q := &u.layers[depth]
	if !q.Read(b) {
		u.malformed++
		return
	}
	if q.Src.Is4() && !u.ipv4 || q.Src.Is6() && !u.ipv6 {
		return
	}
	if q.IsFragment() && !u.fragments.join(q, u.now) {
		return
	}
	switch q.Proto {
	case ip.ProtoTCP:
		u.to.tcp(q)
	case ip.ProtoUDP:
		if u.to.udp(q) || depth > 0 || len(q.Body) < 8 {
			return
		}
		if to := binary.BigEndian.Uint16(q.Body[2:]); to == portVXLAN || to == portVXLAN0 {
			u.inner(vxlan(q.Body[8:]), depth)
		}
	case ip.ProtoICMP, ip.ProtoICMPv6:
		u.to.icmp(q)
	case protoIPIP, protoIPv6:
		if depth == 0 {
			u.inner(q.Body, depth)
		}
	case protoGRE:
		if depth == 0 {
			u.inner(encapsulated(q.Body), depth)
		}
	}
}

// inner takes in the packet of a tunnel.
func (u *unpacker) inner(b []byte, depth int) {
	if len(b) > 0 {
		u.tunneled++
		u.packet(b, depth+1)
	}
}
