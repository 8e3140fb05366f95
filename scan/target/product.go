package target

import (
	"iter"

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

// Len is how many endpoints there are, 1 to MaxEndpoints.
func (p *Plan) Len() uint64 {
	if n := len(p.list); n > 0 {
		last := &p.list[n-1]
		return last.first + last.size()
	}
	return p.size()
}

// At is endpoint i, or the zero Endpoint if i is not below Len.
func (p *Plan) At(i uint64) probe.Endpoint {
	switch {
	case i >= p.Len():
		return probe.Endpoint{}
	case len(p.list) == 0:
		return p.at(i)
	}
	b := p.block(i)
	return b.at(i - b.first)
}

// Index is the inverse of At; false if the plan does not hold e.
func (p *Plan) Index(e probe.Endpoint) (uint64, bool) {
	if !e.Addr.IsValid() {
		return 0, false
	}
	port := probe.Port{Number: e.Port, Proto: e.Proto}
	if len(p.list) == 0 {
		slot, ok := p.slot(port)
		if !ok {
			return 0, false
		}
		i, ok := p.find(e.Addr)
		return slot*p.addrs + i, ok
	}
	i, ok := p.find(e.Addr)
	if !ok {
		return 0, false
	}
	run := p.run(i)
	part := p.owners[run]
	b := &p.list[part.block]
	slot, ok := b.slot(port)
	return b.first + slot*b.addrs + part.start + i - p.start(run), ok
}

// PortOf is the number of endpoint i's port among Ports.
func (p *Plan) PortOf(i uint64) int {
	switch {
	case len(p.list) > 0:
		b := p.block(i)
		return b.slots[(i-b.first)/b.addrs]
	case i < p.addrs: // a division costs more than the rest
		return 0
	}
	return int(i / p.addrs)
}

// AddressOf is the number of endpoint i's address.
func (p *Plan) AddressOf(i uint64) uint64 {
	if len(p.list) == 0 {
		return i % p.addrs
	}
	a, _ := p.find(p.At(i).Addr)
	return a
}

// Neighbors is how many endpoints from i on have adjacent addresses on the same
// port, i included: at least 1, or 0 if i is not below Len. What is reported as one
// range of addresses must lie within.
func (p *Plan) Neighbors(i uint64) uint64 {
	switch {
	case i >= p.Len():
		return 0
	case len(p.list) == 0:
		return p.neighbors(i)
	}
	b := p.block(i)
	return b.neighbors(i - b.first)
}

// Section is the endpoints From up to and without To, on the same port.
type Section struct {
	Port     probe.Port
	From, To uint64
}

// Sections yields the endpoints of the addresses numbered from lo up to and without hi.
func (p *Plan) Sections(lo, hi uint64) iter.Seq[Section] {
	if len(p.list) > 0 {
		return p.blocks.sections(&p.addrSpace, lo, hi)
	}
	return func(yield func(Section) bool) {
		for k, port := range p.ports {
			if first := uint64(k) * p.addrs; !yield(Section{port, first + lo, first + hi}) {
				return
			}
		}
	}
}

// CountOf is how many endpoints of a protocol there are.
func (p *Plan) CountOf(proto probe.Proto) (n uint64) {
	for s := range p.Sections(0, p.addrs) {
		if s.Port.Proto == proto {
			n += s.To - s.From
		}
	}
	return n
}

// MostPorts is on how many ports of a protocol an address is asked, at most.
func (p *Plan) MostPorts(proto probe.Proto) (most int) {
	if len(p.list) == 0 {
		return p.count(proto)
	}
	for i := range p.list {
		most = max(most, p.list[i].count(proto))
	}
	return most
}

// NetworkShare is the largest share, 0 to 1, of the endpoints that one of
// its Networks has.
func (p *Plan) NetworkShare() float64 {
	var most uint64
	for lo, hi := range p.Networks {
		n := uint64(0)
		for s := range p.Sections(lo, hi) {
			n += s.To - s.From
		}
		most = max(most, n)
	}
	return float64(most) / float64(p.Len())
}
