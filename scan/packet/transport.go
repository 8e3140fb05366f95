package packet

import (
	"bytes"
	"encoding/binary"
	"math"
	"net/netip"
	"slices"

	"onmux/probe"
	"onmux/probe/request"
)

// validate sets the endpoint and the try that r answers. It returns false unless
// the port was asked and the cookie matches r.SrcPort, from which the probe was sent.
func (d *Decoder) validate(r *Reply, e probe.Endpoint, c cookie) bool {
	try, ok := d.cookies.ports[e.Proto].try(c, r.SrcPort)
	r.Endpoint, r.Try = e, try
	return ok && d.asks[e.Proto].has(e.Port)
}

// tcp reads a SYN-ACK or RST. Both acknowledge the SYN, which is its sequence
// number plus one; some stacks omit the one in a RST. A RST without
// acknowledgment does not answer a SYN (RFC 9293, section 3.5.2). No stack sends a
// segment that begins and ends a connection at once.
func (d *Decoder) tcp(p *packet, r *Reply) Validity {
	b := p.Body
	if len(b) < 20 {
		return Foreign
	}
	header := int(b[12]>>4) * 4
	if header < 20 || header > p.Size {
		return Foreign
	}
	r.Kind, r.FromPort, r.SrcPort = KindTCP, binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	r.Flags, r.Window = b[13], binary.BigEndian.Uint16(b[14:])
	if r.Flags&ACK == 0 || !d.cookies.ports[probe.TCP].Contains(r.SrcPort) {
		return Foreign
	}
	switch r.Flags & (SYN | FIN | RST) {
	case 0, FIN:
		return Foreign
	case SYN:
		r.Reason = probe.SynAck
	case RST:
		r.Reason = probe.Reset
	default:
		return Forged
	}
	if !p.intact(p.Size) {
		return Forged
	}
	e := probe.Endpoint{Addr: p.Src, Port: r.FromPort, Proto: probe.TCP}
	c := d.cookies.of(p.To, p.From, e.Port, probe.TCP)
	ahead := binary.BigEndian.Uint32(b[8:]) - c.seq()
	if !d.validate(r, e, c) || ahead != 1 && !(ahead == 0 && r.Reason == probe.Reset) {
		return Forged
	}
	r.State, r.Sure = probe.Verdict(probe.TCP, r.Reason, true), true
	r.options(b[20:min(header, len(b))])
	return Valid
}

// options reads TCP options, RFC 9293 section 3.2, up to the end or the first that
// is malformed.
func (r *Reply) options(b []byte) {
	for len(b) > 0 && b[0] != 0 {
		if b[0] == 1 { // no operation
			b = b[1:]
			continue
		}
		if len(b) < 2 || b[1] < 2 || int(b[1]) > len(b) {
			return
		}
		switch o := b[:b[1]]; {
		case o[0] == 2 && len(o) == 4:
			r.Options |= OptMSS
			r.MSS = binary.BigEndian.Uint16(o[2:])
		case o[0] == 3 && len(o) == 3:
			r.Options |= OptWindowScale
		case o[0] == 4 && len(o) == 2:
			r.Options |= OptSACK
		case o[0] == 8 && len(o) == 10:
			r.Options |= OptTimestamps
			r.Echo = binary.BigEndian.Uint32(o[6:])
		}
		b = b[b[1]:]
	}
}

// udp reads a datagram to one of our ports, which proves it to four bits or so. The
// ID of the request that an answer of the same protocol returns proves more.
func (d *Decoder) udp(p *packet, r *Reply) Validity {
	b := p.Body
	if len(b) < 8 {
		return Foreign
	}
	size := int(binary.BigEndian.Uint16(b[4:]))
	r.Kind, r.FromPort, r.SrcPort = KindUDP, binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	if size < 8 || size > p.Size && !p.More || !d.cookies.ports[probe.UDP].Contains(r.SrcPort) {
		return Foreign
	}
	// Over IPv4 there need not be a checksum (RFC 768); over IPv6 there must (RFC 8200, section 8.1).
	p.unsummed = p.unsummed || binary.BigEndian.Uint16(b[6:]) == 0 && p.Src.Is4()
	if !p.intact(size) {
		return Forged
	}
	r.Payload = b[8:min(size, len(b))]
	e := probe.Endpoint{Addr: p.Src, Port: r.FromPort, Proto: probe.UDP}
	if port, ok := d.askedPort(p, r); ok {
		e.Port = port
	}
	c := d.cookies.of(p.To, p.From, e.Port, probe.UDP)
	if !d.validate(r, e, c) {
		return Forged
	}
	r.Reason, r.State = probe.UDPResponse, probe.Open
	if at, ok := idOffset(request.PayloadOf(e.Port, d.cookies.Ports(probe.UDP).payload(r.Try)), placeholderID); ok &&
		len(r.Payload) >= at+2 {
		r.Sure = binary.BigEndian.Uint16(r.Payload[at:]) == c.id()
	}
	return Valid
}

// askedPort finds the port that a datagram answers if it looks like that of a TFTP
// server, which answers from a new port (RFC 1350, section 4). If several match, it
// is the one that was asked for a file least often so far: earlier requests to the
// others were not answered.
func (d *Decoder) askedPort(p *packet, r *Reply) (port uint16, ok bool) {
	if len(d.files) == 0 || !request.IsNewPortReply(r.Payload) {
		return 0, false
	}
	if slices.Contains(d.files, r.FromPort) {
		c := d.cookies.of(p.To, p.From, r.FromPort, probe.UDP)
		if _, fits := d.cookies.ports[probe.UDP].try(c, r.SrcPort); fits {
			return 0, false // it answers for itself
		}
	}
	fewest := math.MaxInt
	for _, candidate := range d.files {
		c := d.cookies.of(p.To, p.From, candidate, probe.UDP)
		try, fits := d.cookies.ports[probe.UDP].try(c, r.SrcPort)
		if !fits || !request.RepliesFromNewPort(candidate, d.cookies.ports[probe.UDP].payload(try)) {
			continue
		}
		asked := 0
		for earlier := 1; earlier < try; earlier++ {
			if request.RepliesFromNewPort(candidate, earlier) {
				asked++
			}
		}
		if asked < fewest {
			port, fewest = candidate, asked
		}
	}
	return port, fewest < math.MaxInt
}

// icmp4 reads a destination unreachable or a time exceeded, RFC 792. The quoted
// packet may be cut after eight bytes of the transport, and extended (RFC 4884).
func (d *Decoder) icmp4(p *packet, r *Reply) Validity {
	b := p.Body
	if len(b) < 8+20+8 || b[0] != 3 && b[0] != 11 {
		return Foreign
	}
	r.ICMP = probe.ICMP{Type: b[0], Code: b[1]}
	q := quoted(b[8:], int(b[5])*4)
	header := int(q[0]&15) * 4
	if q[0]>>4 != 4 || header < 20 || len(q) < header+8 || binary.BigEndian.Uint16(q[6:])&0x1fff != 0 {
		return Foreign
	}
	c, validity := d.quotedProbe(p, r, q[9], q[12:16], q[16:20], q[header:])
	r.Sure = r.Sure || binary.BigEndian.Uint16(q[4:]) == c.id()
	return validity
}

// icmp6 reads the same of ICMPv6, RFC 4443. Our probes have no extension headers,
// so a quoted packet that has some is not ours.
func (d *Decoder) icmp6(p *packet, r *Reply) Validity {
	b := p.Body
	if len(b) < 8+40+8 || b[0] != 1 && b[0] != 3 {
		return Foreign
	}
	r.ICMP = probe.ICMP{Type: b[0], Code: b[1]}
	q := quoted(b[8:], int(b[4])*8)
	if q[0]>>4 != 6 {
		return Foreign
	}
	c, validity := d.quotedProbe(p, r, q[6], q[8:24], q[24:40], q[40:])
	r.Sure = r.Sure || binary.BigEndian.Uint32(q)&0xfffff == c.flow()
	return validity
}

// quotedProbe validates the packet that an error quotes: at least eight bytes of
// its transport are there, with the ports and the sequence number of TCP. Sure is
// left false for UDP.
func (d *Decoder) quotedProbe(p *packet, r *Reply, proto uint8, src, dst, b []byte) (c cookie, f Validity) {
	addr, _ := netip.AddrFromSlice(dst)
	e := probe.Endpoint{Addr: addr, Port: binary.BigEndian.Uint16(b[2:]), Proto: probe.TCP}
	switch proto {
	case protoTCP:
	case protoUDP:
		e.Proto = probe.UDP
	default:
		return 0, Foreign
	}
	r.Kind, r.SrcPort = KindICMP, binary.BigEndian.Uint16(b)
	if !bytes.Equal(src, p.To) || !d.cookies.ports[e.Proto].Contains(r.SrcPort) {
		return 0, Foreign
	}
	c = d.cookies.of(src, dst, e.Port, e.Proto)
	if !d.validate(r, e, c) || proto == protoTCP && binary.BigEndian.Uint32(b[4:]) != c.seq() {
		return c, Forged
	}
	r.State, r.Reason = probe.FromICMP(e, p.Src, p.Src == p.Dst, r.ICMP)
	if r.Reason == probe.NoReason || r.Reason == probe.LocalError { // frames do not pass this machine's firewall
		return c, Foreign
	}
	if !p.intact(p.Size) {
		return c, Forged
	}
	r.Sure = proto == protoTCP
	return c, Valid
}

// quoted is the packet that an error quotes, without the extensions after it:
// length is where they start, in bytes, or 0; by RFC 4884 that is 128 or more, and
// older devices put anything there.
func quoted(b []byte, length int) []byte {
	if length >= 128 && length < len(b) {
		return b[:length]
	}
	return b
}
