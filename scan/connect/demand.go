package connect

import (
	"context"
	"encoding/binary"
	"iter"
	"net/netip"

	"onmux/scan/engine"
)

// Demand is what a scan of ranges of addresses needs of the table of neighbors, of the family
// of which it needs more; nil if no target is a neighbor. A c.Table of nil is the system's.
func Demand(ctx context.Context, c Config, ranges iter.Seq2[netip.Addr, netip.Addr]) *engine.NeighborUse {
	if c.Table == nil {
		c.Table = systemTable()
	}
	own := separate(newNeighborLimit(c.Own, c.Table).own)
	var neighbors [2]uint64
	for first, last := range ranges {
		first, last = first.Unmap().WithZone(""), last.Unmap().WithZone("")
		for _, p := range own {
			if p.Addr().Is4() == first.Is4() {
				neighbors[familyOf(first)] += overlap(p, first, last)
			}
		}
	}
	n := &engine.NeighborUse{Neighbors: max(neighbors[0], neighbors[1]), Limit: 2 * assumedRoom, Room: assumedRoom}
	if n.Neighbors == 0 {
		return nil
	}
	if c.Table == nil {
		return n
	}
	if use, err := c.Table.Read(ctx, neighbors[1] > neighbors[0]); err == nil && use.Limit > 0 {
		n.Limit, n.Taken, n.Room = use.Limit, use.Taken, max(use.Limit-use.Taken, 0)/2
	}
	return n
}

// separate leaves out networks that are parts of others.
func separate(all []netip.Prefix) (out []netip.Prefix) {
	for i, p := range all {
		part := false
		for j, q := range all {
			wider := q.Bits() < p.Bits() || q.Bits() == p.Bits() && j < i
			part = part || i != j && wider && q.Contains(p.Addr())
		}
		if !part {
			out = append(out, p.Masked())
		}
	}
	return out
}

// overlap is how many addresses of a network are in a range.
func overlap(p netip.Prefix, first, last netip.Addr) uint64 {
	if from := p.Addr(); from.Compare(first) > 0 {
		first = from
	}
	if to := lastOf(p); to.Compare(last) < 0 {
		last = to
	}
	if first.Compare(last) > 0 {
		return 0
	}
	return low(last) - low(first) + 1 // no plan has more than fit
}

// lastOf is the last address of a network.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < 8*len(b); i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// low is the lower half of an address as a number.
func low(a netip.Addr) uint64 {
	b := a.As16()
	return binary.BigEndian.Uint64(b[8:])
}
