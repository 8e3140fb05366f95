package target

import (
	"onmux/probe"
)

// product is every address on every port: endpoint i is address i mod AddrCount on port
// i div AddrCount. Addresses stand in order: IPv4, IPv6, IPv6 by zone.
type product struct {
	addrSpace
	portSpace
}

func (p *product) size() uint64 { return p.addrs * uint64(len(p.ports)) }

// at is endpoint i, which must be below size.
func (p *product) at(i uint64) probe.Endpoint {
	slot := uint64(0)
	if i >= p.addrs { // a division costs more than all the rest
		slot, i = i/p.addrs, i%p.addrs
	}
	port := p.ports[slot]
	return probe.Endpoint{Addr: p.addr(i), Port: port.Number, Proto: port.Proto}
}

// neighbors is how many endpoints from i on have adjacent addresses on the same port.
func (p *product) neighbors(i uint64) uint64 {
	i %= p.addrs
	return p.start(p.run(i)+1) - i
}
