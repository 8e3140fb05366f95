package packet

import (
	"encoding/binary"
	"fmt"

	"onmux/probe"
)

// Ports is a block of source ports that a run reserves on this machine for one
// protocol. Each try has Width ports of its own, so an answer names its try;
// which of them a probe leaves from is a part of its cookie.
type Ports struct {
	First uint16
	Tries int // how many tries are distinguished, ≥ 1
	Width int // ports of each try, ≥ 1; a UDP answer has no other proof, so give UDP some 16 or more
	Turns int // of the tries, those that send the payloads of a port in turn; the others send the first. 0: all
}

// payload is the try of which the payload is sent with a try.
func (p Ports) payload(try int) int {
	if p.Turns > 0 && try > p.Turns {
		return 1
	}
	return try
}

// Count is the size of the block: First … Last.
func (p Ports) Count() int { return p.Tries * p.Width }

// Last is the highest port of the block.
func (p Ports) Last() uint16 { return p.First + uint16(p.Count()-1) }

func (p Ports) check(proto probe.Proto) error {
	if p.First < 1 || p.Tries < 1 || p.Width < 1 || p.Tries > 65535 || p.Width > 65535 || int(p.First)+p.Count() > 65536 {
		return fmt.Errorf("no block of source ports for %s: %d tries of %d ports from %d on must lie within 1 to 65535",
			proto, p.Tries, p.Width, p.First)
	}
	return nil
}

// source is the port from which a probe with cookie c is sent. The try must be
// 1 … Tries.
func (p Ports) source(c cookie, try int) uint16 {
	return p.First + uint16((try-1)*p.Width+c.slot(p.Width))
}

// Contains reports whether a port is in the block.
func (p Ports) Contains(port uint16) bool {
	return port >= p.First && int(port)-int(p.First) < p.Count()
}

// try returns the try whose probe was sent from a port of the block, and whether a
// probe with cookie c may have been sent from there.
func (p Ports) try(c cookie, port uint16) (int, bool) {
	at := uint(port - p.First)
	try, slot := at/uint(p.Width), at%uint(p.Width)
	return int(try) + 1, int(slot) == c.slot(p.Width)
}

// Cookies prove that an answer is one: what a probe of an endpoint carries
// depends on a key that only this run knows. They are read-only, and may be
// shared by goroutines.
type Cookies struct {
	seed  sip
	ports [probe.UDP + 1]Ports
}

// NewCookies makes the cookies of one run. The key must come from crypto/rand.
// A protocol that the run does not ask has zero Ports.
func NewCookies(key [16]byte, tcp, udp Ports) (*Cookies, error) {
	c := &Cookies{
		seed:  newSip(binary.LittleEndian.Uint64(key[:]), binary.LittleEndian.Uint64(key[8:])),
		ports: [...]Ports{probe.TCP: tcp, probe.UDP: udp},
	}
	for _, p := range probe.Protos() {
		if c.ports[p] == (Ports{}) {
			continue
		}
		if err := c.ports[p].check(p); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Ports are the source ports of a protocol, zero if it is not asked.
func (c *Cookies) Ports(p probe.Proto) Ports {
	if int(p) < len(c.ports) {
		return c.ports[p]
	}
	return Ports{}
}

// cookie is what the packets between two addresses about one port carry. Its
// parts are independent, but for four bits that the slot and the flow share.
type cookie uint64

func (c cookie) seq() uint32  { return uint32(c) }                 // TCP: the sequence number
func (c cookie) id() uint16   { return uint16(c >> 48) }           // the identification of IPv4
func (c cookie) flow() uint32 { return uint32(c >> 44 & 0xfffff) } // the flow label of IPv6

// slot is one of so many ports.
func (c cookie) slot(of int) int { return int(uint32(uint16(c>>32)) * uint32(of) >> 16) }

// of is SipHash-2-4 over both addresses, the port, low byte first, and the
// protocol. The addresses are of one family: 4 or 16 bytes each.
func (c *Cookies) of(src, dst []byte, port uint16, proto probe.Proto) cookie {
	last := uint64(port) | uint64(proto)<<16
	if len(src) == 4 && len(dst) == 4 {
		addrs := uint64(binary.LittleEndian.Uint32(src)) | uint64(binary.LittleEndian.Uint32(dst))<<32
		return cookie(c.seed.hash(last|11<<56, addrs))
	}
	return cookie(c.seed.hash(last|35<<56, binary.LittleEndian.Uint64(src), binary.LittleEndian.Uint64(src[8:]),
		binary.LittleEndian.Uint64(dst), binary.LittleEndian.Uint64(dst[8:])))
}
