package packet

import (
	"fmt"
	"net/netip"

	"onmux/probe"
)

// Ports is a block of source ports that a run reserves on this machine for one
// protocol. Each try has Width ports of its own, so an answer names its try,
// and which of them a probe leaves from is a part of its cookie.
type Ports struct {
	First uint16
	Tries int // how many tries are told apart, ≥ 1
	Width int // ports of each try, ≥ 1; UDP has no other proof in every answer, so give it some 16 or more
}

// Count is the size of the block: First … First+Count-1.
func (p Ports) Count() int { return p.Tries * p.Width }

// Last is the highest port of the block.
func (p Ports) Last() uint16 { return p.First + uint16(p.Count()-1) }

func (p Ports) check(proto probe.Proto) error {
	if p.First == 0 || p.Tries < 1 || p.Width < 1 || p.Tries > 65535 || p.Width > 65535 || int(p.First)+p.Count()-1 > 65535 {
		return fmt.Errorf("%s: no block of source ports: %d tries of %d ports from %d on do not fit into 1 to 65535",
			proto, p.Tries, p.Width, p.First)
	}
	return nil
}

// Cookies prove that an answer is one: what a probe of an endpoint carries
// depends on a key that only this run knows. It is read-only, and may be shared
// by goroutines.
type Cookies struct {
	k0, k1 uint64
	ports  [probe.UDP + 1]Ports
}

// NewCookies makes the cookies of one run. The key must come from crypto/rand.
// A protocol that the run does not ask may have zero Ports.
func NewCookies(key [16]byte, tcp, udp Ports) (*Cookies, error) {
	return nil, fmt.Errorf("not written yet")
}

// Ports are the source ports of a protocol.
func (c *Cookies) Ports(p probe.Proto) Ports { return c.ports[p] }

// cookie is SipHash-2-4 over our address and the endpoint.
func (c *Cookies) cookie(src, dst netip.Addr, port uint16, proto probe.Proto) uint64 { return 0 }
