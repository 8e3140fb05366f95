package wire

import (
	"onmux/probe"
	"onmux/scan/verdict"
)

// tracker assigns packets to flows, and judges the endpoints by them.
type tracker struct {
	ports     [probe.UDP + 1]portSet
	maxFlows  int
	flows     flowTable
	ends      endpointTable
	sums      sums
	services  *identifier
	announcer announcer
	scope     *scope
	count     Count

	// Of the packet that is being read.
	now     int64
	via     uint32
	matched bool // it belongs to a flow
}

func newTracker(c Config, s *scope) *tracker {
	if c.Flows <= 0 {
		c.Flows = DefaultFlows
	}
	t := &tracker{maxFlows: c.Flows, sums: sums{most: max(c.Flows/maxFolded, 1)}, scope: s}
	t.services = newIdentifier(&t.ends)
	t.announcer = announcer{begun: c.Begun, scope: s, greetings: t.services.greetings, pairs: make(map[pair]struct{})}
	for _, p := range c.Ports {
		if int(p.Proto) < len(t.ports) {
			t.ports[p.Proto].add(p.Number)
		}
	}
	return t
}

// portSet holds ports, a bit for each.
type portSet [1 << 16 / 64]uint64

func (s *portSet) add(p uint16)      { s[p/64] |= 1 << (p % 64) }
func (s *portSet) has(p uint16) bool { return s[p/64]>>(p%64)&1 != 0 }

// next begins with another packet, which passes an interface.
func (t *tracker) next(now int64, via uint32) { t.now, t.via, t.matched = now, via, false }

// begin adds a flow between a client and an endpoint, nil if there is no room for the
// endpoint.
func (t *tracker) begin(k *flowKey, clientB bool) *flow {
	if t.flows.len() >= t.maxFlows {
		t.flows.oldest(foldShare, func(f *flow) {
			t.count.Folded++
			t.finish(f)
		})
	}
	server := k.b
	if clientB {
		server = k.a
	}
	e, ok := t.ends.number(endpointKey{server, k.proto})
	if !ok {
		t.count.NotKept++
		return nil
	}
	f := t.flows.add(k)
	f.first, f.endpoint = t.now, e
	if clientB {
		f.flags |= clientIsB
	}
	return f
}

// finish folds one flow, and removes it.
func (t *tracker) finish(f *flow) {
	t.services.identify(f, t.now)
	delete(t.services.greetings, f)
	t.sums.fold(f)
	t.flows.remove(f)
}

// passes counts the packet in one direction of a flow. It returns false for a copy.
func (t *tracker) passes(f *flow, dir int, data int) bool {
	t.matched = f.half[dir].passes(data, t.now, t.via)
	if !t.matched {
		t.count.Copies++
	}
	return t.matched
}

// open takes in that a connection exists though its SYN-ACK was not seen.
func (t *tracker) open(f *flow) {
	if f.cell.Class() != verdict.SynAck {
		f.cell, _, _ = f.cell.Merge(verdict.SynAck, probe.TCP)
		e := t.ends.at(f.endpoint)
		e.cell, _, _ = e.cell.Merge(verdict.SynAck, probe.TCP)
		t.announcer.announce(f)
	}
}

// asks takes in a question.
func (t *tracker) asks(f *flow) {
	f.asks++
	if f.asked == 0 {
		f.asked = t.now
		t.announcer.await(f, t.now)
	} else if !f.cell.HasAnswer() {
		f.flags |= repeatedSYN
	}
	f.cell = f.cell.Ask()
	e := t.ends.at(f.endpoint)
	e.cell = e.cell.Ask()
	if e.asked == 0 {
		e.asked = t.now
	}
}

// answered takes in what an endpoint, or another host about it, answered to a question of a
// flow: the strongest evidence stays.
func (t *tracker) answered(f *flow, k verdict.Class) {
	t.scope.answers++
	f.cell, _, _ = f.cell.Merge(k, f.key.proto)
	e := t.ends.at(f.endpoint)
	cell, changed, disagrees := e.cell.Merge(k, f.key.proto)
	e.cell = cell
	if disagrees {
		e.contradicted = true
	}
	if changed {
		e.icmp, e.responder, e.ttl, e.rtt = probe.ICMP{}, [16]byte{}, 0, 0
	}
}
