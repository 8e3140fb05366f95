package target

import (
	"iter"

	"onmux/probe"
)

// numbering numbers the endpoints of a plan: those of one product, or of several, one after
// the other.
type numbering struct {
	product // of all addresses and all ports
	blocks  // empty if all addresses are asked on the same ports
}

// Len is how many endpoints there are, 1 to MaxEndpoints.
func (n *numbering) Len() uint64 {
	if blocks := n.list; len(blocks) > 0 {
		last := &blocks[len(blocks)-1]
		return last.first + last.size()
	}
	return n.size()
}

// At is endpoint i, or the zero Endpoint if i is not below Len.
func (n *numbering) At(i uint64) probe.Endpoint {
	switch {
	case i >= n.Len():
		return probe.Endpoint{}
	case len(n.list) == 0:
		return n.at(i)
	}
	b := n.block(i)
	return b.at(i - b.first)
}

// Index is the inverse of At; false if there is no such endpoint.
func (n *numbering) Index(e probe.Endpoint) (uint64, bool) {
	if !e.Addr.IsValid() {
		return 0, false
	}
	port := probe.Port{Number: e.Port, Proto: e.Proto}
	if len(n.list) == 0 {
		slot, ok := n.slot(port)
		if !ok {
			return 0, false
		}
		i, ok := n.find(e.Addr)
		return slot*n.addrs + i, ok
	}
	i, ok := n.find(e.Addr)
	if !ok {
		return 0, false
	}
	run := n.run(i)
	part := n.owners[run]
	b := &n.list[part.block]
	slot, ok := b.slot(port)
	return b.first + slot*b.addrs + part.start + i - n.start(run), ok
}

// PortOf is the number of endpoint i's port among Ports.
func (n *numbering) PortOf(i uint64) int {
	switch {
	case len(n.list) > 0:
		b := n.block(i)
		return b.slots[(i-b.first)/b.addrs]
	case i < n.addrs: // a division costs more than the rest
		return 0
	}
	return int(i / n.addrs)
}

// AddressOf is the number of endpoint i's address.
func (n *numbering) AddressOf(i uint64) uint64 {
	if len(n.list) == 0 {
		return i % n.addrs
	}
	a, _ := n.find(n.At(i).Addr)
	return a
}

// Neighbors is how many endpoints from i on have adjacent addresses on the same
// port, i included: at least 1, or 0 if i is not below Len. What is reported as one
// range of addresses must lie within.
func (n *numbering) Neighbors(i uint64) uint64 {
	switch {
	case i >= n.Len():
		return 0
	case len(n.list) == 0:
		return n.neighbors(i)
	}
	b := n.block(i)
	return b.neighbors(i - b.first)
}

// Section is the endpoints From up to and without To, on the same port.
type Section struct {
	Port     probe.Port
	From, To uint64
}

// Sections yields the endpoints of the addresses numbered from lo up to and without hi.
func (n *numbering) Sections(lo, hi uint64) iter.Seq[Section] {
	if len(n.list) > 0 {
		return n.blocks.sections(&n.addrSpace, lo, hi)
	}
	return func(yield func(Section) bool) {
		for k, port := range n.ports {
			if first := uint64(k) * n.addrs; !yield(Section{port, first + lo, first + hi}) {
				return
			}
		}
	}
}

// CountOf is how many endpoints of a protocol there are.
func (n *numbering) CountOf(proto probe.Proto) (count uint64) {
	for s := range n.Sections(0, n.addrs) {
		if s.Port.Proto == proto {
			count += s.To - s.From
		}
	}
	return count
}

// MostPorts is on how many ports of a protocol an address is asked, at most.
func (n *numbering) MostPorts(proto probe.Proto) (most int) {
	if len(n.list) == 0 {
		return n.count(proto)
	}
	for i := range n.list {
		most = max(most, n.list[i].count(proto))
	}
	return most
}

// NetworkShare is the largest share, 0 to 1, of the endpoints that one of
// its Networks has.
func (n *numbering) NetworkShare() float64 {
	var most uint64
	for lo, hi := range n.Networks {
		size := uint64(0)
		for s := range n.Sections(lo, hi) {
			size += s.To - s.From
		}
		most = max(most, size)
	}
	return float64(most) / float64(n.Len())
}
