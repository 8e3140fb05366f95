package socket

import (
	"slices"

	"onmux/probe"
)

// Query is the ports and families whose sockets are wanted.
type Query struct {
	Ports      map[probe.Proto][]uint16 // sorted, each once
	IPv4, IPv6 bool

	Counts bool // sockets that listen are counted, not kept
	Held   bool // connections may be left out
}

// Protos is the protocols of the ports, in the order of reports.
func (q Query) Protos() []probe.Proto {
	return slices.DeleteFunc(probe.Protos(), func(p probe.Proto) bool { return len(q.Ports[p]) == 0 })
}

// portSet is a set of ports with a quick lookup: one dump of a busy machine looks
// up each of its sockets.
type portSet [1 << 10]uint64

func newPortSet(ports []uint16) *portSet {
	s := new(portSet)
	for _, p := range ports {
		s[p>>6] |= 1 << (p & 63)
	}
	return s
}

func (s *portSet) contains(p uint16) bool { return s[p>>6]>>(p&63)&1 == 1 }
