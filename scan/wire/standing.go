package wire

import (
	"cmp"
	"slices"
	"time"

	"onmux/probe"
)

// Standing is what is known of an endpoint while a watch goes on.
type Standing struct {
	probe.Endpoint
	State          probe.State
	Service        string // its name, if it is known
	Flows          uint64
	Sent, Received uint64 // bytes of data, by the clients
	Last           time.Time
}

// Standings are the endpoints that were asked.
type Standings struct {
	Top       []Standing // those with the most flows, the open ones first
	Endpoints int        // all
	Flows     uint64     // that are kept apart
	Packets   uint64     // to and from the ports
}

// Standings are the n endpoints with the most flows, the open ones first. It looks at every flow.
func (w *Watch) Standings(n int) Standings {
	t := w.tracker
	all := make([]Standing, t.ends.len())
	t.flows.each(func(_ uint32, f *flow) {
		s := &all[f.endpoint]
		s.Flows++
		s.Sent += f.half[sent].bytes
		s.Received += f.half[received].bytes
		if last := moment(f.last()); last.After(s.Last) {
			s.Last = last
		}
	})
	for k, f := range t.sums.of {
		s := &all[k.endpoint]
		s.Flows += f.connections
		s.Sent += f.sent.Bytes
		s.Received += f.received.Bytes
		if last := moment(f.ended); last.After(s.Last) {
			s.Last = last
		}
	}
	out := Standings{Flows: uint64(t.flows.len()), Packets: w.matched}
	numbers := make([]uint32, 0, len(all))
	for i := range all {
		if e := t.ends.at(uint32(i)); e.cell != 0 {
			all[i].State, _ = w.scope.state(e.cell, e.key.proto, e.asked)
			numbers = append(numbers, uint32(i))
		}
	}
	out.Endpoints = len(numbers)
	slices.SortFunc(numbers, func(a, b uint32) int {
		x, y := &all[a], &all[b]
		return cmp.Or(-compareBool(x.State == probe.Open, y.State == probe.Open), cmp.Compare(y.Flows, x.Flows),
			cmp.Compare(a, b))
	})
	for _, i := range numbers[:min(n, len(numbers))] {
		s, e := all[i], t.ends.at(i)
		s.Endpoint = probe.Endpoint{Addr: address(e.key.addr), Port: e.key.port, Proto: e.key.proto}
		if service := t.services.services[i]; service != nil {
			s.Service = service.Name
		}
		out.Top = append(out.Top, s)
	}
	return out
}

// compareBool orders false before true.
func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}
