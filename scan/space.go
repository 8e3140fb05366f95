package scan

import (
	"net/netip"

	"onmux/probe"
	"onmux/scan/control"
	"onmux/scan/target"
	"onmux/scan/verdict"
)

// space is the index space of a scan, which never changes: what stands at which
// index of the plan and at which position of the order, and which part of it the
// shard has.
type space struct {
	plan   *target.Plan
	order  *target.Order
	shard  target.Shard
	protos []probe.Proto        // of the plan's ports, by their number
	ports  verdict.ByProto[int] // on how many ports of each protocol an address is asked, at most
	size   uint64               // endpoints of the shard
}

func newSpace(c Config) *space {
	s := &space{
		plan: c.Plan, order: target.NewOrder(c.Plan.Len(), c.Seed), shard: c.Shard,
		size: c.Shard.Size(c.Plan.Len()),
	}
	for _, p := range c.Plan.Ports() {
		s.protos = append(s.protos, p.Proto)
	}
	for _, proto := range probe.Protos() {
		s.ports[proto] = c.Plan.MostPorts(proto)
	}
	return s
}

// proto is the protocol of the endpoint at an index.
func (s *space) proto(i uint64) probe.Proto { return s.protos[s.plan.PortOf(i)] }

// isTarget reports whether by, if it is valid, is the address of the endpoint at an
// index itself.
func (s *space) isTarget(by netip.Addr, i uint64) bool {
	return !by.IsValid() || probe.SameHost(by, s.plan.At(i).Addr)
}

// measuresLoss reports whether an answer of that class measures loss: the target
// sent it, and at no limited rate. A host sends its first few unreachables at once,
// so they count as long as it is not asked on more ports than that.
func (s *space) measuresLoss(k verdict.Class, p probe.Proto) bool {
	switch k {
	case verdict.SynAck, verdict.Reset, verdict.UDPResponse:
		return true
	case verdict.PortUnreach:
		return s.ports[p] <= control.ICMPBurst
	}
	return false
}

// record is the record of an endpoint whose cell is c, with what an answer brought.
func (s *space) record(i uint64, c verdict.Cell, r probe.Result) probe.Result {
	r.Endpoint = s.plan.At(i)
	r.Origin = probe.OriginOf(s.plan.Hosts(r.Endpoint))
	r.State, r.Reason, r.Tries = c.State(r.Proto), c.Reason(), c.Tries()
	if r.Responder.IsValid() && probe.SameHost(r.Responder, r.Addr) {
		r.Responder = netip.Addr{}
	}
	return r
}

// cursor is where a pass stands in the order.
type cursor struct {
	pos, end, step uint64
}

func (s *space) start(from uint64) cursor {
	return cursor{pos: s.shard.From(from), end: s.shard.End(s.plan.Len()), step: uint64(s.shard.N)}
}

func (c *cursor) done() bool { return c.pos >= c.end }

// candidate is an endpoint that a pass comes by.
type candidate struct {
	pos, index uint64
	cell       verdict.Cell
}

// next appends the next n candidates, at most, without their cells.
func (c *cursor) next(order *target.Order, out []candidate, n int) []candidate {
	for ; n > 0 && c.pos < c.end; c.pos += c.step {
		out = append(out, candidate{pos: c.pos, index: order.Index(c.pos)})
		n--
	}
	return out
}
