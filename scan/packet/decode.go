package packet

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"onmux/probe"
	"onmux/probe/request"
)

// Decoder reads replies. It is read-only once its fields are set, and may then
// be shared by goroutines.
type Decoder struct {
	Zone string // given to link-local addresses, so that they equal those asked; "" for none

	framing Framing
	cookies *Cookies
	asks    [probe.UDP + 1]portSet
	files   []uint16 // UDP ports that are asked for a file, if they are few
}

// maxFiles bounds the ports among which the one is searched that a TFTP server
// answers for: with many, one would match by chance.
const maxFiles = 8

// NewDecoder reads what arrives with this framing as answers to probes of the
// ports of a scan.
func NewDecoder(f Framing, c *Cookies, ports []probe.Port) *Decoder {
	d := &Decoder{framing: f, cookies: c}
	for _, p := range ports {
		if int(p.Proto) < len(d.asks) {
			d.asks[p.Proto].add(p.Number)
		}
		if p.Proto == probe.UDP && asksFile(p.Number) {
			d.files = append(d.files, p.Number)
		}
	}
	slices.Sort(d.files) // TFTP's own port first, as the likeliest
	if len(d.files) > maxFiles {
		d.files = slices.DeleteFunc(d.files, func(p uint16) bool { return p != portTFTP })
	}
	return d
}

const portTFTP = 69

// asksFile reports whether one of the questions to a port is TFTP's.
func asksFile(port uint16) bool {
	for try := range request.Payloads(port) {
		if request.RepliesFromNewPort(port, try+1) {
			return true
		}
	}
	return false
}

// portSet holds ports, a bit for each.
type portSet [1 << 16 / 64]uint64

func (s *portSet) add(p uint16)      { s[p/64] |= 1 << (p % 64) }
func (s *portSet) has(p uint16) bool { return s[p/64]>>(p%64)&1 != 0 }

const (
	etherIPv4   = 0x0800
	etherARP    = 0x0806
	etherIPv6   = 0x86dd
	etherTag    = 0x8100 // 802.1Q
	etherOuter  = 0x88a8 // 802.1ad
	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoICMPv6 = 58
)

// packet is a decoded IP header and what follows it.
type packet struct {
	src, dst netip.Addr
	from, to []byte // src and dst again
	proto    uint8
	body     []byte // as far as it was captured
	size     int    // of the body as sent, at least len(body)
	part     bool   // the first fragment of several
	ttl      uint8
	damaged  bool // the checksum of the IPv4 header is wrong
	unsummed bool // the checksum of the transport is not to be looked at
}

// Decode reads one received frame into r. It returns Valid if the frame answers
// a probe (r.Kind is KindTCP, KindUDP or KindICMP) or has a neighbor's MAC
// (KindNeighbor, which nothing proves: use it only where it was asked for).
// Otherwise r is undefined.
//
// Checksums must be right. That of the transport is not looked at if unsummed is
// set: because the device or the kernel has verified it, because it was left to a
// device that does not exist, as between the hosts of one machine (veth, lo), or
// because the frame was cut short after the headers. Decode does not allocate, and
// of the frame it keeps only r.Payload.
func (d *Decoder) Decode(frame []byte, unsummed bool, r *Reply) Validity {
	*r = Reply{}
	kind, b := etherIPv4, frame
	if d.framing == Ethernet {
		if kind, b = unframe(frame); b == nil {
			return Foreign
		}
		copy(r.MAC[:], frame[6:12])
	} else if len(frame) > 0 && frame[0]>>4 == 6 {
		kind = etherIPv6
	}
	p := packet{unsummed: unsummed}
	switch kind {
	case etherIPv4:
		if !p.ipv4(b) {
			return Foreign
		}
	case etherIPv6:
		if !p.ipv6(b) {
			return Foreign
		}
	case etherARP:
		return d.neighbor(frame, r)
	default:
		return Foreign
	}
	return d.transport(frame, &p, r)
}

// unframe returns the type and the body of an Ethernet frame, after two tags at
// most. The body is nil if there is none.
func unframe(b []byte) (kind int, body []byte) {
	if len(b) < 14 {
		return 0, nil
	}
	kind, body = int(binary.BigEndian.Uint16(b[12:])), b[14:]
	for range 2 {
		if kind != etherTag && kind != etherOuter {
			break
		}
		if len(body) < 4 {
			return 0, nil
		}
		kind, body = int(binary.BigEndian.Uint16(body[2:])), body[4:]
	}
	return kind, body
}

// ipv4 reads an IPv4 header, RFC 791. It returns false for anything else, and for
// fragments after the first.
func (p *packet) ipv4(b []byte) bool {
	if len(b) < 20 || b[0]>>4 != 4 {
		return false
	}
	header, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	part := binary.BigEndian.Uint16(b[6:])
	if header < 20 || len(b) < header || total < header || part&0x1fff != 0 {
		return false
	}
	p.from, p.to = b[12:16], b[16:20]
	p.src, p.dst = netip.AddrFrom4([4]byte(p.from)), netip.AddrFrom4([4]byte(p.to))
	p.ttl, p.proto, p.part = b[8], b[9], part&0x2000 != 0
	p.size = total - header
	p.body = b[header:min(total, len(b))]
	p.damaged = fold(sum(b[:header])) != 0xffff
	return true
}

// ipv6 reads an IPv6 header and its extension headers, RFC 8200. It returns false
// for anything else, and for fragments after the first.
func (p *packet) ipv6(b []byte) bool {
	if len(b) < 40 || b[0]>>4 != 6 {
		return false
	}
	p.from, p.to = b[8:24], b[24:40]
	p.src, p.dst = netip.AddrFrom16([16]byte(p.from)), netip.AddrFrom16([16]byte(p.to))
	p.size = int(binary.BigEndian.Uint16(b[4:]))
	p.proto, p.ttl, p.body = b[6], b[7], b[40:min(40+p.size, len(b))]
	for range 8 { // more are not used in practice
		n := 8
		switch p.proto {
		case 0, 43, 60: // hop-by-hop, routing and destination options
			if len(p.body) >= 8 {
				n = int(p.body[1])*8 + 8
			}
		case 44: // fragment
			if len(p.body) < 8 || binary.BigEndian.Uint16(p.body[2:])&^7 != 0 {
				return false
			}
			p.part = p.part || p.body[3]&1 != 0
		case 51: // authentication, RFC 4302
			if len(p.body) >= 8 {
				n = int(p.body[1])*4 + 8
			}
		default:
			return true
		}
		if len(p.body) < n {
			return false
		}
		p.proto, p.body, p.size = p.body[0], p.body[n:], p.size-n
	}
	return false
}

// intact reports whether the checksums are right: that of the IPv4 header, and, if
// it is to be looked at, that over size bytes of the body and, except for ICMPv4, the
// pseudo header. For a fragment the latter cannot be computed, and counts as right.
func (p *packet) intact(size int) bool {
	switch {
	case p.damaged:
		return false
	case p.unsummed || p.part:
		return true
	case len(p.body) < size:
		return false
	}
	total := sum(p.body[:size])
	if p.proto != protoICMP {
		total += sum(p.from) + sum(p.to) + uint64(p.proto) + uint64(size)
	}
	return fold(total) == 0xffff
}

func (d *Decoder) transport(frame []byte, p *packet, r *Reply) Validity {
	r.From, r.Src, r.TTL = p.src, p.dst, p.ttl
	validity := Foreign
	switch {
	case p.proto == protoTCP:
		validity = d.tcp(p, r)
	case p.proto == protoUDP:
		validity = d.udp(p, r)
	case p.proto == protoICMP && p.src.Is4():
		validity = d.icmp4(p, r)
	case p.proto == protoICMPv6 && p.src.Is6():
		if len(p.body) > 0 && p.body[0] == typeAdvertise {
			return d.neighbor(frame, r)
		}
		validity = d.icmp6(p, r)
	}
	if validity == Valid && d.Zone != "" {
		r.From, r.Src, r.Endpoint.Addr = d.zoned(r.From), d.zoned(r.Src), d.zoned(r.Endpoint.Addr)
	}
	return validity
}

// zoned adds the zone to a link-local address.
func (d *Decoder) zoned(a netip.Addr) netip.Addr {
	if d.Zone != "" && a.Is6() && a.IsLinkLocalUnicast() {
		return a.WithZone(d.Zone)
	}
	return a
}
