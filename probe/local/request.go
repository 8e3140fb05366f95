package local

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"onmux/probe"
	"onmux/probe/local/socket"
)

// query is a request in the form in which sources are asked.
type query struct {
	socket.Query
	words bool // see Request.Words
	all   bool // every port of a protocol
}

func newQuery(r Request) (query, error) {
	q := query{words: r.Words, all: len(r.All) > 0}
	q.Ports, q.IPv4, q.IPv6 = make(map[probe.Proto][]uint16), r.IPv4, r.IPv6
	q.Counts = r.Words
	q.Held = r.Words && len(r.Ports) == 0 // connections change no verdict on what listens, is bound or sent on
	if len(r.Ports) == 0 && len(r.All) == 0 {
		return q, errors.New("no port to check: name at least one")
	}
	if !r.IPv4 && !r.IPv6 {
		return q, errors.New("no address family to check: ask for IPv4, IPv6 or both")
	}
	for _, p := range r.Ports {
		if p.Number == 0 || p.Proto != probe.TCP && p.Proto != probe.UDP {
			return q, fmt.Errorf("%s cannot be checked: ports are 1 to 65535, of tcp or udp", p)
		}
		q.Ports[p.Proto] = append(q.Ports[p.Proto], p.Number)
	}
	for _, proto := range r.All {
		for n := 1; n <= math.MaxUint16; n++ {
			q.Ports[proto] = append(q.Ports[proto], uint16(n))
		}
	}
	for proto, ports := range q.Ports {
		slices.Sort(ports)
		q.Ports[proto] = slices.Compact(ports)
	}
	return q, nil
}

// settles reports whether a table has all that is needed: that something listens
// on every port is the strongest verdict.
func (q query) settles(c socket.Table) bool {
	for proto, ports := range q.Ports {
		for _, n := range ports {
			t := c[probe.Port{Number: n, Proto: proto}]
			if t == nil || t.Count[socket.Listening] == 0 {
				return false
			}
		}
	}
	return q.words
}
