package target

import (
	"cmp"
	"encoding/binary"
	"iter"
	"slices"
	"sort"

	"onmux/probe"
)

// part is addresses that are asked on the same ports.
type part struct {
	spans // merged
	ports portSpace
}

// blocks are the products of a plan whose addresses are asked on different ports. Their
// endpoints have consecutive numbers.
type blocks struct {
	list   []block
	owners []blockRun // of the plan's addresses, by the number of the run
}

// block is one product.
type block struct {
	product
	first uint64 // the number of its first endpoint
	slots []int  // the numbers of its ports among all ports
}

// blockRun is a run of addresses that one block has.
type blockRun struct {
	block int
	start uint64 // the number of its first address in the block
}

// newBlocks makes blocks of parts that do not overlap, whose memory it takes. all has the
// addresses, in runs of which each is of one block, and the ports of all.
func newBlocks(parts []part) (all product, b blocks) {
	type run struct {
		span
		blockRun
	}
	var runs []run
	var every []probe.Port
	for i, p := range parts {
		var start uint64
		for s := range p.each {
			runs = append(runs, run{s, blockRun{i, start}})
			start += s.size().lo
		}
		every = append(every, p.ports.ports...)
	}
	slices.SortFunc(runs, func(a, b run) int { return a.span.cmp(b.span) })
	slices.SortFunc(every, func(a, b probe.Port) int {
		return cmp.Or(cmp.Compare(a.Number, b.Number), cmp.Compare(a.Proto, b.Proto))
	})
	all.portSpace, _ = newPortSpace(every) // those of parts are valid
	var addrs spans
	for _, r := range runs {
		addrs.add(r.span)
		b.owners = append(b.owners, r.blockRun)
	}
	all.addrSpace = newAddrSpace(addrs)
	var first uint64
	for _, p := range parts {
		next := block{product: product{newAddrSpace(p.spans), p.ports}, first: first}
		for _, port := range p.ports.ports {
			slot, _ := all.slot(port)
			next.slots = append(next.slots, int(slot))
		}
		b.list = append(b.list, next)
		first += next.size()
	}
	return all, b
}

// block is the one that has endpoint i.
func (b *blocks) block(i uint64) *block {
	k := sort.Search(len(b.list), func(k int) bool { return b.list[k].first > i })
	return &b.list[k-1]
}

// sections yields the endpoints of the addresses numbered from lo up to and without hi.
func (b *blocks) sections(all *addrSpace, lo, hi uint64) iter.Seq[Section] {
	return func(yield func(Section) bool) {
		for lo < hi {
			k := all.run(lo)
			start, end := all.start(k), min(all.start(k+1), hi)
			of := &b.list[b.owners[k].block]
			for slot, port := range of.ports {
				first := of.first + uint64(slot)*of.addrs + b.owners[k].start - start
				if !yield(Section{port, first + lo, first + end}) {
					return
				}
			}
			lo = end
		}
	}
}

// boundary is where the spans of a group begin, or end: behind the address.
type boundary struct {
	scope
	at    u128
	ends  bool
	group int
}

func (b boundary) cmp(o boundary) int {
	last := func(ends bool) int {
		if ends {
			return 1
		}
		return 0
	}
	return cmp.Or(b.scope.cmp(o.scope), b.at.cmp(o.at), cmp.Compare(last(b.ends), last(o.ends)))
}

// partition is which addresses are asked on which ports: an address that several groups
// have is asked on the ports of all of them. all has the addresses of each group, merged.
// The parts stand in the order of their first addresses.
func partition(groups []*group, all []spans) []part {
	if len(groups) == 1 {
		return []part{{all[0], *groups[0].ports}}
	}
	var bounds []boundary
	for i, spans := range all {
		for s := range spans.each {
			bounds = append(bounds, boundary{s.scope, s.from, false, i}, boundary{s.scope, s.to, true, i})
		}
	}
	slices.SortFunc(bounds, boundary.cmp)
	c := collector{groups: groups, byGroups: map[string]int{}, byPorts: map[string]int{}}
	var now []int // the groups that have the present address, ascending
	var from u128 // where that began
	behind := false
	for _, b := range bounds {
		place, _ := slices.BinarySearch(now, b.group)
		if !b.ends {
			if len(now) > 0 && !behind && from.cmp(b.at) < 0 {
				c.add(now, span{b.scope, from, b.at.dec()})
			}
			now, from, behind = slices.Insert(now, place, b.group), b.at, false
			continue
		}
		if !behind && from.cmp(b.at) <= 0 {
			c.add(now, span{b.scope, from, b.at})
		}
		now = slices.Delete(now, place, place+1)
		from, behind = b.at.inc(), b.at == maxU128
	}
	for i := range c.parts {
		c.parts[i].spans = merge(c.parts[i].spans)
	}
	return c.parts
}

// collector gathers spans by the ports on which they are asked.
type collector struct {
	groups   []*group
	parts    []part
	byGroups map[string]int // parts
	byPorts  map[string]int
	key      []byte
}

// add adds a span that some of the groups have.
func (c *collector) add(of []int, s span) {
	c.key = c.key[:0]
	for _, g := range of {
		c.key = binary.AppendUvarint(c.key, uint64(g))
	}
	at, ok := c.byGroups[string(c.key)]
	if !ok {
		at = c.part(of)
		c.byGroups[string(c.key)] = at
	}
	c.parts[at].add(s)
}

// part is the number of the part that is asked on the ports of some of the groups.
func (c *collector) part(of []int) int {
	var list []probe.Port
	for _, g := range of {
		list = append(list, c.groups[g].ports.ports...)
	}
	ports, _ := newPortSpace(list) // those of groups are valid
	var key []byte
	for _, p := range ports.ports {
		key = append(binary.BigEndian.AppendUint16(key, p.Number), byte(p.Proto))
	}
	at, ok := c.byPorts[string(key)]
	if !ok {
		at = len(c.parts)
		c.parts = append(c.parts, part{ports: ports})
		c.byPorts[string(key)] = at
	}
	return at
}
