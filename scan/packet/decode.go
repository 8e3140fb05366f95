package packet

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"onmux/probe"
	"onmux/probe/request"
	"onmux/scan/ip"
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
	etherIPv4   = ip.EtherIPv4
	etherARP    = 0x0806
	etherIPv6   = ip.EtherIPv6
	etherTag    = ip.EtherTag
	etherOuter  = ip.EtherOuter
	protoICMP   = ip.ProtoICMP
	protoTCP    = ip.ProtoTCP
	protoUDP    = ip.ProtoUDP
	protoICMPv6 = ip.ProtoICMPv6
)

// packet is an IP packet and how far its checksums are to be looked at.
type packet struct {
	ip.Packet
	unsummed bool // that of the transport is not to be looked at
}

// read reads an IP packet of the version that is expected. It returns false for anything
// else, and for fragments after the first.
func (p *packet) read(kind int, b []byte) bool {
	ok := kind == etherIPv4 && p.Read4(b) || kind == etherIPv6 && p.Read6(b)
	return ok && p.Offset == 0 && !p.Unsized
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
	case etherIPv4, etherIPv6:
		if !p.read(kind, b) {
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

// intact reports whether the checksums are right: that of the IPv4 header, and, if
// it is to be looked at, that over size bytes of the body and, except for ICMPv4, the
// pseudo header. For a fragment the latter cannot be computed, and counts as right.
func (p *packet) intact(size int) bool {
	switch {
	case p.Header != nil && fold(sum(p.Header)) != 0xffff:
		return false
	case p.unsummed || p.More:
		return true
	case len(p.Body) < size:
		return false
	}
	total := sum(p.Body[:size])
	if p.Proto != protoICMP {
		total += sum(p.From) + sum(p.To) + uint64(p.Proto) + uint64(size)
	}
	return fold(total) == 0xffff
}

func (d *Decoder) transport(frame []byte, p *packet, r *Reply) Validity {
	r.From, r.Src, r.TTL = p.Src, p.Dst, p.TTL
	validity := Foreign
	switch {
	case p.Proto == protoTCP:
		validity = d.tcp(p, r)
	case p.Proto == protoUDP:
		validity = d.udp(p, r)
	case p.Proto == protoICMP && p.Src.Is4():
		validity = d.icmp4(p, r)
	case p.Proto == protoICMPv6 && p.Src.Is6():
		if len(p.Body) > 0 && p.Body[0] == typeAdvertise {
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
