package target

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"net/netip"
	"slices"
	"sort"

	"onmux/probe"
)

// addrSpace numbers addresses, in order: IPv4, IPv6, IPv6 by zone.
type addrSpace struct {
	lines  []line
	runs4  []run4
	runs6  []run6 // these runs follow those of IPv4
	addrs4 uint64 // how many are IPv4
	addrs  uint64 // at most MaxEndpoints, so that the number of every first address fits 32 bits
}

// run6 is a run of IPv6 addresses.
type run6 struct {
	first u128
	start uint32 // its number
}

// line is the part of an address space with one family and zone: the runs from from
// up to and without to. Runs are kept apart from it, as numbers, because a search
// through them is what every answer of a scan waits for.
type line struct {
	scope
	from, to int
}

// newAddrSpace numbers the addresses of merged spans, whose memory it takes.
func newAddrSpace(all spans) (a addrSpace) {
	a.runs4 = slices.Clip(all.v4)
	a.runs6 = make([]run6, 0, len(all.v6))
	for i := range all.len() {
		s := all.at(i)
		if n := len(a.lines); n == 0 || a.lines[n-1].scope != s.scope {
			a.lines = append(a.lines, line{scope: s.scope, from: i})
		}
		a.lines[len(a.lines)-1].to = i + 1
		if s.v6 {
			a.runs6 = append(a.runs6, run6{s.from, uint32(a.addrs)})
		} else {
			a.runs4[i].n = uint32(a.addrs)
		}
		if a.addrs += s.size().lo; !s.v6 {
			a.addrs4 = a.addrs
		}
	}
	return a
}

// countRuns is how many runs there are.
func countRuns(a *addrSpace) int { return len(a.runs4) + len(a.runs6) }

// first is the first address of a run.
func (a *addrSpace) first(run int) u128 {
	if run < len(a.runs4) {
		return u128{0, uint64(a.runs4[run].first)}
	}
	return a.runs6[run-len(a.runs4)].first
}

// start is the number of a run's first address; of the run behind the last, it is the
// number of addresses.
func (a *addrSpace) start(run int) uint64 {
	if run < len(a.runs4) {
		return uint64(a.runs4[run].n)
	}
	if run -= len(a.runs4); run < len(a.runs6) {
		return uint64(a.runs6[run].start)
	}
	return a.addrs
}

// spans is the inverse of newAddrSpace.
func (a *addrSpace) spans() (out spans) {
	for s := range a.each {
		out.add(s)
	}
	return out
}

// each yields the runs as spans.
func (a *addrSpace) each(yield func(span) bool) {
	for _, l := range a.lines {
		for i := l.from; i < l.to; i++ {
			first := a.first(i)
			if !yield(span{l.scope, first, first.add(u128{0, a.start(i+1) - a.start(i) - 1})}) {
				return
			}
		}
	}
}

// AddrCount is how many addresses there are.
func (a *addrSpace) AddrCount() uint64 { return a.addrs }

// addr is the address with a number below AddrCount.
func (a *addrSpace) addr(i uint64) netip.Addr {
	if i < a.addrs4 {
		r := a.runs4[a.run4(uint32(i))]
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], r.first+(uint32(i)-r.n))
		return netip.AddrFrom4(b)
	}
	k := a.run6(uint32(i))
	r := &a.runs6[k]
	l := sort.Search(len(a.lines), func(l int) bool { return k+len(a.runs4) < a.lines[l].to })
	return a.lines[l].addr(r.first.add(u128{0, i - uint64(r.start)}))
}

// run is the run that holds address i: the last one that starts at or before it.
func (a *addrSpace) run(i uint64) int {
	if i < a.addrs4 {
		return a.run4(uint32(i))
	}
	return len(a.runs4) + a.run6(uint32(i))
}

// run4 is the run of runs4 that holds address i.
func (a *addrSpace) run4(i uint32) int {
	lo := 0
	for n := len(a.runs4); n > 1; { // no branch: it would be mispredicted half the time
		half := n >> 1
		lo += half & (int(below(i, a.runs4[lo+half].n)) - 1)
		n -= half
	}
	return lo
}

// run6 is the run of runs6 that holds address i.
func (a *addrSpace) run6(i uint32) int {
	lo := 0
	for n := len(a.runs6); n > 1; {
		half := n >> 1
		lo += half & (int(below(i, a.runs6[lo+half].start)) - 1)
		n -= half
	}
	return lo
}

// below is 1 if i is below n, else 0, without a branch.
func below(i, n uint32) uint64 {
	_, borrow := bits.Sub64(uint64(i), uint64(n), 0)
	return borrow
}

// find is the number of an address; false if the space does not have it.
func (a *addrSpace) find(addr netip.Addr) (uint64, bool) {
	if addr = addr.Unmap(); addr.Is4() {
		b := addr.As4()
		return a.find4(binary.BigEndian.Uint32(b[:]))
	}
	return a.find6(number(addr))
}

func (a *addrSpace) find4(v uint32) (uint64, bool) {
	if len(a.runs4) == 0 {
		return 0, false
	}
	lo := 0 // the last run that starts at or before the address
	for n := len(a.runs4); n > 1; {
		half := n >> 1
		lo += half & (int(below(v, a.runs4[lo+half].first)) - 1)
		n -= half
	}
	r, end := a.runs4[lo], a.addrs4
	if lo+1 < len(a.runs4) {
		end = uint64(a.runs4[lo+1].n)
	}
	i := uint64(r.n) + uint64(v-r.first)
	return i, v >= r.first && i < end
}

func (a *addrSpace) find6(on scope, v u128) (uint64, bool) {
	k := sort.Search(len(a.lines), func(k int) bool { return a.lines[k].scope.cmp(on) >= 0 })
	if k == len(a.lines) || a.lines[k].scope != on {
		return 0, false
	}
	l := a.lines[k]
	lo := l.from - len(a.runs4) // the last run that starts at or before the address
	for n := l.to - l.from; n > 1; {
		half := n >> 1
		first := &a.runs6[lo+half].first
		_, above := bits.Sub64(v.lo, first.lo, 0)
		_, above = bits.Sub64(v.hi, first.hi, above)
		lo += half & (int(above) - 1)
		n -= half
	}
	r, end := &a.runs6[lo], a.addrs
	if lo+1 < len(a.runs6) {
		end = uint64(a.runs6[lo+1].start)
	}
	if v.cmp(r.first) < 0 {
		return 0, false
	}
	within := v.sub(r.first)
	return uint64(r.start) + within.lo, within.cmp(u128{0, end - uint64(r.start)}) < 0
}

// portSpace numbers ports.
type portSpace struct {
	ports []probe.Port
	slots map[probe.Port]uint64 // the number of each, if they are many
	own   bool                  // targets have them of their own
}

// fewPorts are found faster one by one than by hashing.
const fewPorts = 4

// newPortSpace numbers ports in their order, each once.
func newPortSpace(ports []probe.Port) (p portSpace, err error) {
	slots := make(map[probe.Port]uint64, len(ports))
	for _, port := range ports {
		if port.Number == 0 || port.Proto != probe.TCP && port.Proto != probe.UDP {
			return p, fmt.Errorf("%s cannot be probed: a port is 1 to 65535, its protocol tcp or udp", port)
		}
		if _, ok := slots[port]; !ok {
			slots[port] = uint64(len(p.ports))
			p.ports = append(p.ports, port)
		}
	}
	if len(p.ports) == 0 {
		return p, errors.New("no ports: name at least one")
	}
	if len(p.ports) > fewPorts {
		p.slots = slots
	}
	return p, nil
}

// Ports lists the ports, each once. Every address is asked on all of them, unless targets
// have ports of their own.
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

// count is how many ports of a protocol there are.
func (p *portSpace) count(proto probe.Proto) (n int) {
	for _, port := range p.ports {
		if port.Proto == proto {
			n++
		}
	}
	return n
}

// slot is the number of a port.
func (p *portSpace) slot(port probe.Port) (uint64, bool) {
	if len(p.ports) <= fewPorts {
		i := slices.Index(p.ports, port)
		return uint64(i), i >= 0
	}
	i, ok := p.slots[port]
	return i, ok
}
