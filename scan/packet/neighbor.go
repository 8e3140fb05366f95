package packet

import (
	"encoding/binary"
	"net/netip"
)

// MaxNeighbor is the length in bytes of the longest frame that PutSolicit and
// PutAdvertise write.
const MaxNeighbor = maxLinkLen + 40 + 32

const (
	arpRequest    = 1
	arpReply      = 2
	typeSolicit   = 135
	typeAdvertise = 136

	optSource = 1 // options of NDP, RFC 4861 section 4.6.1
	optTarget = 2
)

// arpHead is Ethernet and IPv4, with addresses of 6 and 4 bytes (RFC 826).
const arpHead = 0x0001_0800_0604

// PutSolicit writes the question "who has target?" of a Path's interface into
// buf, which must hold MaxNeighbor bytes, and returns the frame's length: an
// ARP request (RFC 826) to all stations, or a neighbor solicitation (RFC 4861) to
// the target's solicited-node group. It returns 0 if target is not a unicast
// address of p.Src's family, if p is not Ethernet, or if buf is too short.
func PutSolicit(buf []byte, p Path, target netip.Addr) int {
	target = target.Unmap()
	if target.Is4() {
		return p.putARP(buf, arpRequest, MAC{}, broadcast, target)
	}
	if !p.canAsk(buf, target) {
		return 0
	}
	t := target.As16()
	group := [16]byte{0: 0xff, 1: 0x02, 11: 1, 12: 0xff, 13: t[13], 14: t[14], 15: t[15]} // RFC 4291, section 2.7.1
	return p.putNDP(buf, typeSolicit, 0, netip.AddrFrom16(group), MAC{0x33, 0x33, 0xff, t[13], t[14], t[15]}, target)
}

// PutAdvertise writes the answer "p.Src is at p.MAC" to the station that asked,
// with the given address and MAC: an ARP reply, or a solicited neighbor
// advertisement that overrides. It returns 0 where PutSolicit does.
func PutAdvertise(buf []byte, p Path, asker netip.Addr, to MAC) int {
	asker = asker.Unmap()
	if asker.Is4() {
		return p.putARP(buf, arpReply, to, to, asker)
	}
	if !p.canAsk(buf, asker) {
		return 0
	}
	return p.putNDP(buf, typeAdvertise, 0x60, asker, to, p.Src)
}

// canAsk reports whether p can exchange neighbor messages with a.
func (p *Path) canAsk(buf []byte, a netip.Addr) bool {
	p.Src = p.Src.Unmap().WithZone("")
	return p.Framing == Ethernet && len(buf) >= MaxNeighbor && p.VLAN <= 4094 &&
		unicast(a) && a.BitLen() == p.Src.BitLen()
}

func (p Path) putARP(buf []byte, op uint16, hardware, to MAC, target netip.Addr) int {
	if !p.canAsk(buf, target) {
		return 0
	}
	b, n := p.putEthernet(buf, to, etherARP)
	binary.BigEndian.PutUint64(b, arpHead<<16|uint64(op))
	src, dst := p.Src.As4(), target.As4()
	copy(b[8:], p.MAC[:])
	copy(b[14:], src[:])
	copy(b[18:], hardware[:])
	copy(b[24:], dst[:])
	return n + 28
}

// ndp writes a message of RFC 4861, sections 4.3 and 4.4, with our MAC as its
// option. The hop limit of 255 proves that it comes from the link.
func (p Path) putNDP(buf []byte, kind, flags uint8, dst netip.Addr, to MAC, target netip.Addr) int {
	b, n := p.putEthernet(buf, to, etherIPv6)
	b = b[:40+32]
	clear(b)
	binary.BigEndian.PutUint64(b, 6<<60|32<<16|protoICMPv6<<8|255)
	s, d, t := p.Src.As16(), dst.As16(), target.As16()
	copy(b[8:], s[:])
	copy(b[24:], d[:])
	m := b[40:]
	m[0], m[4] = kind, flags
	copy(m[8:], t[:])
	m[24], m[25] = optSource, 1
	if kind == typeAdvertise {
		m[24] = optTarget
	}
	copy(m[26:], p.MAC[:])
	binary.BigEndian.PutUint16(m[2:], ^fold(sum(b[8:40])+protoICMPv6+32+sum(m)))
	return n + len(b)
}

// Neighbor is an ARP packet, a neighbor solicitation or an advertisement.
type Neighbor struct {
	Solicit bool       // a question, else an answer
	Target  netip.Addr // the address that is looked up
	From    netip.Addr // the sender; :: or 0.0.0.0 where a station tests an address before it uses it
	MAC     MAC        // of Target in an answer, of From in a question
}

// DecodeNeighbor reads an Ethernet frame that carries one. Nothing proves such
// a packet: use only what was asked for. It does not allocate.
func DecodeNeighbor(frame []byte) (n Neighbor, ok bool) {
	kind, b := unframe(frame)
	if b == nil {
		return n, false
	}
	if kind == etherARP {
		return decodeARP(b)
	}
	var p packet
	if kind != etherIPv6 || !p.read(etherIPv6, b) || p.Proto != protoICMPv6 || p.More || p.TTL != 255 {
		return n, false
	}
	n, ok = p.decodeNDP()
	if ok && n.MAC == (MAC{}) { // an answer to a unicast question may omit it
		copy(n.MAC[:], frame[6:12])
	}
	return n, ok && n.MAC.unicast()
}

func decodeARP(b []byte) (n Neighbor, ok bool) {
	if len(b) < 28 || binary.BigEndian.Uint64(b)>>16 != arpHead {
		return n, false
	}
	n.From = netip.AddrFrom4([4]byte(b[14:18]))
	n.MAC = MAC(b[8:14])
	switch binary.BigEndian.Uint16(b[6:]) {
	case arpRequest:
		n.Solicit, n.Target = true, netip.AddrFrom4([4]byte(b[24:28]))
	case arpReply:
		n.Target = n.From
	default:
		return n, false
	}
	return n, n.MAC.unicast() && unicast(n.Target)
}

// ndp reads a neighbor solicitation or advertisement. The checksum is computed
// even by kernels that leave those of TCP and UDP to a device.
func (p *packet) decodeNDP() (n Neighbor, ok bool) {
	b := p.Body
	if len(b) < 24 || b[1] != 0 || !p.intact(p.Size) {
		return n, false
	}
	n.From, n.Target = p.Src, netip.AddrFrom16([16]byte(b[8:24]))
	option := byte(optTarget)
	switch b[0] {
	case typeSolicit:
		n.Solicit, option = true, optSource
	case typeAdvertise:
	default:
		return n, false
	}
	for b = b[24:]; len(b) >= 8; b = b[int(b[1])*8:] {
		if b[1] == 0 || int(b[1])*8 > len(b) {
			return n, false
		}
		if b[0] == option && b[1] == 1 {
			n.MAC = MAC(b[2:8])
		}
	}
	return n, len(b) == 0 && unicast(n.Target)
}

func unicast(a netip.Addr) bool {
	return a.IsValid() && !a.IsMulticast() && !a.IsUnspecified() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// neighbor reads an answer; questions are ignored.
func (d *Decoder) neighbor(frame []byte, r *Reply) Validity {
	if d.framing != Ethernet {
		return Foreign
	}
	n, ok := DecodeNeighbor(frame)
	if !ok || n.Solicit {
		return Foreign
	}
	r.Kind, r.From, r.MAC = KindNeighbor, d.zoned(n.Target), n.MAC
	return Valid
}
