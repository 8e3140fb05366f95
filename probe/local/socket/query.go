package socket

import (
	"slices"

	"onmux/probe"
)

// query is a request in the form in which sources are asked.
type Query struct {
	Ports      map[probe.Proto][]uint16 // sorted, each once
	IPv4, IPv6 bool
}

// protos is the asked protocols, in the order in which they are told.
func (q Query) Protos() []probe.Proto {
	return slices.DeleteFunc(probe.Protos(), func(p probe.Proto) bool { return len(q.Ports[p]) == 0 })
}

// portSet is a set of ports that is quick to ask: one dump of a busy machine
// asks it for each of its sockets.
type portSet [1 << 10]uint64

func newPortSet(ports []uint16) *portSet {
	s := new(portSet)
	for _, p := range ports {
		s[p>>6] |= 1 << (p & 63)
	}
	return s
}

func (s *portSet) contains(p uint16) bool { return s[p>>6]>>(p&63)&1 == 1 }
