package html

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"onmux/probe"
	"onmux/report/phrase/passing"
	"onmux/scan/wire"
)

// maxPassed bounds the flows that are drawn: as many as a watch keeps apart.
const maxPassed = wire.DefaultFlows

// passed are the flows of a page, small enough to keep all until it is known over which time and
// between whom most of them went.
type passed struct {
	flows     []passage
	clients   parties[clientKey]
	endpoints parties[probe.Endpoint]
	left      uint64 // flows that are not drawn
}

// passage is a flow as it is drawn. Times are in nanoseconds since 1970.
type passage struct {
	from, to         int64
	sent, received   uint64 // bytes of data
	connections      uint64
	client, endpoint int32 // their numbers
	state            probe.State
}

// clientKey is one client, or the range of several that were folded.
type clientKey struct{ first, last netip.Addr }

// party is one side of flows.
type party struct {
	name        string // of those that are listed
	number      int32
	first, last int64
	connections uint64
	bytes       uint64
	state       probe.State // of the flow with the strongest evidence
}

// parties are all of one side, by what they are and by number.
type parties[K comparable] struct {
	numbers map[K]int32
	keys    []K
	all     []party
}

func (p *parties[K]) find(key K) *party {
	n, known := p.numbers[key]
	if !known {
		if p.numbers == nil {
			p.numbers = make(map[K]int32)
		}
		n = int32(len(p.all))
		p.numbers[key] = n
		p.keys, p.all = append(p.keys, key), append(p.all, party{number: n})
	}
	return &p.all[n]
}

// add takes in a flow.
func (p *passed) add(f wire.Flow) {
	if len(p.flows) == maxPassed {
		p.left += max(f.Connections, 1)
		return
	}
	c, e := p.clients.find(clientKey{f.Client, f.LastClient}), p.endpoints.find(f.Endpoint)
	one := passage{from: nanoseconds(f.First), sent: f.Sent.Bytes, received: f.Received.Bytes, client: c.number,
		endpoint: e.number, state: f.State, connections: max(f.Connections, 1)}
	one.to = max(one.from, nanoseconds(f.Last))
	p.flows = append(p.flows, one)
	c.extend(&one)
	e.extend(&one)
}

func nanoseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func (p *party) extend(f *passage) {
	if f.from > 0 && (p.first == 0 || f.from < p.first) {
		p.first = f.from
	}
	p.last = max(p.last, f.to)
	if p.connections == 0 || strength(f.state) > strength(p.state) {
		p.state = f.state
	}
	p.connections += f.connections
	p.bytes += f.sent + f.received
}

// strength orders states by what they prove of an endpoint: an answer more than silence.
func strength(s probe.State) int {
	switch s {
	case probe.Open:
		return 3
	case probe.Closed, probe.Unreachable:
		return 2
	case probe.Filtered, probe.OpenFiltered:
		return 1
	}
	return 0
}

// span is when the first packet of all passed, and when the last did; 0 if no flow has a time.
func (p *passed) span() (from, to int64) {
	for i := range p.flows {
		if f := &p.flows[i]; f.from > 0 {
			if from == 0 || f.from < from {
				from = f.from
			}
			to = max(to, f.to)
		}
	}
	return from, to
}

// mostClients are the n clients with the most flows, and mostEndpoints such endpoints.
func (p *passed) mostClients(n int) (first []party, others party) {
	first, others = most(p.clients.all, n)
	for i := range first {
		k := p.clients.keys[first[i].number]
		first[i].name = passing.Client(wire.Flow{Peer: wire.Peer{Client: k.first, LastClient: k.last}})
	}
	return first, others
}

func (p *passed) mostEndpoints(n int) (first []party, others party) {
	first, others = most(p.endpoints.all, n)
	for i := range first {
		first[i].name = p.endpoints.keys[first[i].number].String()
	}
	return first, others
}

// most are the n with the most flows, the first that were seen first among equals. The rest is
// added up in others, which has no flows if there is none.
func most(all []party, n int) (first []party, others party) {
	sorted := slices.Clone(all)
	slices.SortFunc(sorted, func(a, b party) int {
		return cmp.Or(cmp.Compare(b.connections, a.connections), cmp.Compare(a.first, b.first),
			cmp.Compare(a.number, b.number))
	})
	if len(sorted) <= n+1 { // "1 other" would take as much room as its name
		return sorted, party{number: -1}
	}
	others = party{number: -1}
	for _, p := range sorted[n:] {
		others.connections += p.connections
		others.bytes += p.bytes
		if p.first > 0 && (others.first == 0 || p.first < others.first) {
			others.first = p.first
		}
		others.last = max(others.last, p.last)
		if others.connections == p.connections || strength(p.state) > strength(others.state) {
			others.state = p.state
		}
	}
	return sorted[:n], others
}
