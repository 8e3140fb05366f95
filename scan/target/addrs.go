package target

import (
	"errors"
	"fmt"
	"math/bits"
	"net/netip"
	"slices"
	"sort"

	"onmux/probe"
)

// addrSpace numbers addresses, which stand in order: IPv4, IPv6, IPv6 by zone.
type addrSpace struct {
	lines  []line
	firsts []u128   // the first address of each run
	starts []uint64 // its number; one more at the end is the number of addresses
	addrs  uint64
}

// line is the part of an address space with one family and zone: the runs from from
// up to and without to. Runs are kept apart from it, a number each, because a search
// through them is what every answer of a scan waits for.
type line struct {
	scope
	from, to int
}

// newAddrSpace numbers the addresses of merged spans.
func newAddrSpace(spans []span) (a addrSpace) {
	a.firsts = make([]u128, 0, len(spans))
	a.starts = make([]uint64, 0, len(spans)+1)
	for i, s := range spans {
		if n := len(a.lines); n == 0 || a.lines[n-1].scope != s.scope {
			a.lines = append(a.lines, line{scope: s.scope, from: i})
		}
		a.lines[len(a.lines)-1].to = i + 1
		a.firsts = append(a.firsts, s.from)
		a.starts = append(a.starts, a.addrs)
		a.addrs += s.size().lo
	}
	a.starts = append(a.starts, a.addrs)
	return a
}

// spans is the inverse of newAddrSpace.
func (a *addrSpace) spans() []span {
	out := make([]span, 0, len(a.firsts))
	for _, l := range a.lines {
		for i := l.from; i < l.to; i++ {
			last := a.firsts[i].add(u128{0, a.starts[i+1] - a.starts[i] - 1})
			out = append(out, span{l.scope, a.firsts[i], last})
		}
	}
	return out
}

// AddrCount is how many addresses there are.
func (a *addrSpace) AddrCount() uint64 { return a.addrs }

// addr is the address with a number below AddrCount.
func (a *addrSpace) addr(i uint64) netip.Addr {
	run := a.run(i)
	l := &a.lines[0]
	if run >= l.to {
		l = &a.lines[sort.Search(len(a.lines), func(k int) bool { return run < a.lines[k].to })]
	}
	return l.addr(a.firsts[run].add(u128{0, i - a.starts[run]}))
}

// run is the run that holds address i: the last one that starts at or before it.
func (a *addrSpace) run(i uint64) int {
	lo := 0
	for n := len(a.firsts); n > 1; { // no branch: it would be mispredicted half the time
		half := n >> 1
		_, above := bits.Sub64(i, a.starts[lo+half], 0)
		lo += half & (int(above) - 1)
		n -= half
	}
	return lo
}

// find is the number of an address; false if the space does not have it.
func (a *addrSpace) find(addr netip.Addr) (uint64, bool) {
	r, v := number(addr)
	l := &a.lines[0]
	if l.scope != r {
		k := sort.Search(len(a.lines), func(k int) bool { return a.lines[k].scope.cmp(r) >= 0 })
		if k == len(a.lines) || a.lines[k].scope != r {
			return 0, false
		}
		l = &a.lines[k]
	}
	lo := l.from // the last run that starts at or before the address
	for n := l.to - l.from; n > 1; {
		half := n >> 1
		first := a.firsts[lo+half]
		_, above := bits.Sub64(v.lo, first.lo, 0)
		_, above = bits.Sub64(v.hi, first.hi, above)
		lo += half & (int(above) - 1)
		n -= half
	}
	if v.cmp(a.firsts[lo]) < 0 {
		return 0, false
	}
	within := v.sub(a.firsts[lo])
	if within.cmp(u128{0, a.starts[lo+1] - a.starts[lo]}) >= 0 {
		return 0, false
	}
	return a.starts[lo] + within.lo, true
}

// portSpace numbers ports.
type portSpace struct {
	ports []probe.Port
	slots map[probe.Port]uint64 // the number of each
}

// newPortSpace numbers ports in their order, each once.
func newPortSpace(ports []probe.Port) (p portSpace, err error) {
	p.slots = make(map[probe.Port]uint64, len(ports))
	for _, port := range ports {
		if port.Number == 0 || port.Proto != probe.TCP && port.Proto != probe.UDP {
			return p, fmt.Errorf("%s cannot be asked: a port is 1 to 65535, its protocol tcp or udp", port)
		}
		if _, ok := p.slots[port]; !ok {
			p.slots[port] = uint64(len(p.ports))
			p.ports = append(p.ports, port)
		}
	}
	if len(p.ports) == 0 {
		return p, errors.New("no ports: name at least one")
	}
	return p, nil
}

// Ports lists what is asked of every address, in the order of the index.
func (p *portSpace) Ports() []probe.Port { return slices.Clone(p.ports) }

// Protos lists the protocols of the ports, each once.
func (p *portSpace) Protos() (out []probe.Proto) {
	for _, proto := range probe.Protos() {
		if slices.ContainsFunc(p.ports, func(port probe.Port) bool { return port.Proto == proto }) {
			out = append(out, proto)
		}
	}
	return out
}

// slot is the number of a port. A few ports are found faster than by hashing.
func (p *portSpace) slot(port probe.Port) (uint64, bool) {
	if len(p.ports) <= 4 {
		i := slices.Index(p.ports, port)
		return uint64(i), i >= 0
	}
	i, ok := p.slots[port]
	return i, ok
}
