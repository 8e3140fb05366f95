package wire

import (
	"onmux/probe/traffic"
	"onmux/scan/verdict"
)

// foldKey names flows that are folded into one: those of the clients of a network to an
// endpoint that answered them alike.
type foldKey struct {
	network  [16]byte
	endpoint uint32
	class    verdict.Class
	silent   bool
}

// folded is what flows that were folded have in common, and their sums.
type folded struct {
	first, last    [16]byte // clients
	port           uint16   // of the client, if it is one connection
	connections    uint64
	asks           uint64
	began, ended   int64
	asked          int64 // when the last was asked first
	rtt            int64 // the shortest
	sent, received traffic.Volume
	cell           verdict.Cell
}

// Prefixes of the addresses of clients that are folded together, in bits: a /24 of IPv4, which
// has 96 bits before it, and a /64 of IPv6.
const (
	network4 = 96 + 24
	network6 = 64
)

// foldShare is the share of flows that are folded at a time, the oldest: 1/8.
const foldShare = 8

// maxFolded is how many sums are kept for so many flows: 1/2.
const maxFolded = 2

// level is how many clients are folded together.
type level uint8

const (
	eachClient level = iota
	eachNetwork
	allClients
)

// sums are folded flows. The zero value holds none.
type sums struct {
	most      int // how many are kept
	of        map[foldKey]*folded
	level     level
	forgotten uint64 // flows whose sums found no room
}

// fold adds a flow, with its client.
func (s *sums) fold(f *flow) {
	client := f.client().addr
	s.add(foldKey{network: client, endpoint: f.endpoint, class: f.cell.Class(), silent: f.cell.Silent()}, folded{
		first: client, last: client, port: f.client().port, connections: 1, asks: uint64(f.asks), began: f.first,
		ended: f.last(), asked: f.asked,
		rtt: f.rtt, sent: f.half[sent].volume(), received: f.half[received].volume(), cell: f.cell,
	})
}

// add adds to the sum of a key. Where there is no room for another, more clients are folded
// together, and at last those of an endpoint that has no sum yet are forgotten.
func (s *sums) add(k foldKey, f folded) {
	if s.of == nil {
		s.of = make(map[foldKey]*folded)
	}
	s.level.coarsen(&k.network)
	all := s.of[k]
	for all == nil && len(s.of) >= s.most {
		if s.level == allClients {
			s.forgotten += f.connections
			return
		}
		s.level++
		before := s.of
		s.of = make(map[foldKey]*folded, len(before)/2)
		for k, f := range before {
			s.add(k, *f)
		}
		s.level.coarsen(&k.network)
		all = s.of[k]
	}
	if all == nil {
		s.of[k] = &f
		return
	}
	all.add(&f)
}

func (f *folded) add(s *folded) {
	if less(s.first, f.first) {
		f.first = s.first
	}
	if less(f.last, s.last) {
		f.last = s.last
	}
	f.connections += s.connections
	f.port = 0
	f.asks += s.asks
	f.began, f.ended, f.asked = min(f.began, s.began), max(f.ended, s.ended), max(f.asked, s.asked)
	if f.rtt == 0 || s.rtt > 0 && s.rtt < f.rtt {
		f.rtt = s.rtt
	}
	f.sent.Add(s.sent)
	f.received.Add(s.received)
}

func less(a, b [16]byte) bool { return place{addr: a}.less(place{addr: b}) }

// coarsen makes of the address of a client that of what it is folded with.
func (l level) coarsen(network *[16]byte) {
	bits := network6
	switch {
	case l == eachClient:
		return
	case l == allClients:
		bits = 0
	case address(*network).Is4():
		bits = network4
	}
	clear(network[bits/8:])
}
