package control

import (
	"onmux/probe"
	"onmux/scan/verdict"
)

// Layout divides the endpoints of a plan by path into groups, and those by address
// into areas: blocks of addresses that stand together in the plan.
type Layout struct {
	Addresses uint64                 // of the plan
	Address   func(uint64) uint64    // the number of an endpoint's address; nil: the index modulo Addresses
	Endpoints uint64                 // of the plan; 0 where no control is named
	Named     int                    // controls that the user named: their indexes begin at Endpoints
	Paths     int                    // ways out of this machine; at least 1
	Path      func(index uint64) int // the way to an endpoint, from 0; nil if there is one
	Seed      uint64                 // of the choice of controls
}

// isNamed reports whether an index is that of a named control. Those have an area of
// their own, behind the others, in group 0.
func (l *Layout) isNamed(index uint64) bool { return l.Named > 0 && index >= l.Endpoints }

func (l *Layout) areas() uint64 { return min(max(l.Addresses/areaSize, 1), maxAreas) }

func (l *Layout) blocks() uint64 { return min(max(l.Addresses/blockSize, 1), maxBlocks) }

// Group numbers the path of an endpoint.
func (l *Layout) Group(index uint64) int {
	if l.Path == nil || l.isNamed(index) {
		return 0
	}
	return l.Path(index)
}

// area numbers the area of an endpoint, over all groups.
func (l *Layout) area(index uint64) int {
	n := l.areas()
	if l.isNamed(index) {
		return l.Paths * int(n)
	}
	return l.Group(index)*int(n) + int(l.address(index)*n/l.Addresses)
}

// block numbers the block of an endpoint's address.
func (l *Layout) block(index uint64) int { return int(l.address(index) * l.blocks() / l.Addresses) }

// address is the number of an endpoint's address.
func (l *Layout) address(index uint64) uint64 {
	if l.Address != nil {
		return l.Address(index)
	}
	return index % l.Addresses
}

// A Range is addresses by their numbers, from Lo up to and without Hi. The zero Range is all.
type Range struct{ Lo, Hi uint64 }

// rangeOf is the parts from first up to and without end of the addresses divided into so many.
func (l *Layout) rangeOf(first, end int, parts uint64) Range {
	start := func(i uint64) uint64 { return (i*l.Addresses + parts - 1) / parts }
	return Range{start(uint64(first)), start(uint64(end))}
}

// A Void is a part of a scan in which silence is no evidence: that of a group, or
// of some of its addresses alone.
type Void struct {
	Interval
	Range
	Group int
	Share float64 // of controls that answered
	Sure  bool    // the path had failed, and not some controls by chance
	Lost  bool    // it lasts: nothing in it can be asked again
}

// Tries is how many tries of an endpoint, which stands at a position of the order, were made
// in voids, if each pass made one, and whether one of those lasts.
func (l *Layout) Tries(voids []Void, index, pos uint64) (tries int, lost bool) {
	group, address := l.Group(index), l.address(index)
	for _, v := range voids {
		if v.Group != group || v.Range != (Range{}) && (address < v.Lo || address >= v.Hi) {
			continue
		}
		n := v.To.Pass - max(v.From.Pass, 1) + 1
		if v.From.Pass > 0 && pos < v.From.Pos {
			n--
		}
		if pos >= v.To.Pos {
			n--
		}
		tries, lost = tries+max(n, 0), lost || v.Lost && n > 0
	}
	return tries, lost
}

// Kind is by what controls answer. ICMP errors are limited by those who send them, so that
// the endpoints of which they are sent are judged by themselves.
type Kind uint8

// The kinds.
const (
	Direct   Kind = iota // an answer of their own
	ErrorTCP             // an ICMP error about a SYN
	ErrorUDP             // … about a datagram

	kinds
)

// ErrorOf is the kind of an endpoint of which an ICMP error was sent.
func ErrorOf(p probe.Proto) Kind {
	if p == probe.TCP {
		return ErrorTCP
	}
	return ErrorUDP
}

// KindOf is the kind of control that an endpoint of a class is; false if it is none.
func KindOf(p probe.Proto, k verdict.Class) (Kind, bool) {
	switch {
	case k == verdict.SynAck, k == verdict.Reset, k == verdict.UDPResponse:
		return Direct, true
	case k >= verdict.PortUnreach && k <= verdict.TimeExceeded:
		return ErrorOf(p), true
	}
	return 0, false
}
