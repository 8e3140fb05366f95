package scan

import (
	"context"

	"onmux/probe"
)

// A checkpoint holds cells condensed: an endpoint of which nothing was heard is
// zero. Whether it was asked, and how often, follows from where it stands in the
// order, so that silence, which is most of most networks, makes long runs of
// zeros in the order of addresses too.

// plain reports whether the cell's place in the order tells all that it does.
func (c cell) plain() bool {
	switch c.class() {
	case unheard: // after two tries: the first never left
		return c.tries() <= 1
	case silent:
		return true
	}
	return c == cellOf(localError, 0) // given up for want of resources: asked when it is resumed
}

// condensed is the cell as a checkpoint holds it.
func (c cell) condensed() cell {
	if c.plain() {
		return 0
	}
	return c
}

// silentCell is the cell of an endpoint that was asked so often, in vain.
func silentCell(tries int) cell {
	if tries > 1 {
		return cellOf(silent, tries)
	}
	return cellOf(unheard, tries)
}

// sane reports whether a sweep can make that condensed cell of an endpoint of
// protocol p in so many passes.
func (c cell) sane(p probe.Proto, passes int) bool {
	if c == 0 {
		return true
	}
	switch k := c.class(); {
	case c.plain(), c.tries() < 1, c.tries() > passes:
		return false
	case p == probe.TCP:
		return k != udpResponse
	default:
		return k != synAck && k != reset
	}
}

// restore makes the sweep what it was at a checkpoint, and takes its cells over.
func (s *sweep) restore(c *Checkpoint) {
	h := &c.head
	s.sent, s.journal.sent = h.Sent, h.Sent
	s.strays, s.disputes, s.tally, s.failure = h.Strays, h.Disputes, h.Tally, h.Failure
	s.repeated, s.late = h.Repeated, h.Late
	s.rtt = rtt{h.RTT[0], h.RTT[1], h.RTT[2]}
	s.passes, s.over, s.done = h.Passes, h.Over, h.Done
	s.walk = walk{pos: s.Shard.From(h.Settled), end: s.Plan.Len(), asks: h.Asks, turns: h.Turns}
	if s.over {
		s.walk.pos = s.walk.end
	}
	s.journal.settled = h.Settled
	s.table.cells = c.cells
	s.monitor.total = s.sent + s.restoreCells()
	s.limited = s.findLimited()
	s.restoreDetails(c.details)
	s.monitor.sent = s.sent
}

// restoreCells undoes condensed, takes back the probes that could still have been
// answered, and counts what the sweep counts. It returns how many endpoints the
// present pass still owes a question.
func (s *sweep) restoreCells() (owes uint64) {
	for i, c := range s.table.cells {
		at := uint64(i)
		p := s.proto(at)
		tries := s.done[p]
		settled := s.over
		if s.Shard.N > 1 || !s.over && (c.quiet() || c == 0) {
			pos := s.order.Position(at)
			if !s.Shard.Has(pos) {
				s.table.cells[at] = 0
				continue
			}
			settled = s.over || pos < s.walk.pos
		}
		switch {
		case c == 0 && settled && !s.over && s.walk.asks[p]:
			c = silentCell(tries + 1)
		case c == 0:
			c = silentCell(tries)
		case c.quiet() && !settled && c.tries() > max(tries, 1):
			c = c.takeBack()
		}
		s.table.cells[at] = 0
		s.set(at, p, 0, c)
		s.open += uint64(one(c.open()))
		owes += uint64(one(!s.over && s.asks(candidate{index: at, cell: c})))
	}
	return owes
}

// restoreDetails keeps what was kept, and puts the open endpoints to the front of
// what is told.
func (s *sweep) restoreDetails(all []detail) {
	open := make(map[uint64]*probe.Result)
	for _, d := range all {
		c := s.table.cells[d.index]
		switch {
		case c.reason() != d.Reason: // something stronger was heard later
		case c.open() && open[d.index] == nil:
			open[d.index] = d.Result
			s.journal.open(d.index, d.Result)
		case !c.open():
			if kept := s.table.keep(d.index, c, d.Result); kept != nil {
				s.journal.keep(d.index, kept)
			}
		}
	}
	s.retold = open
}

// retell tells again which endpoints were found open before the checkpoint was
// made, so that the report of a resumed sweep is whole.
func (s *sweep) retell(ctx context.Context) {
	if s.Resume == nil {
		return
	}
	for i, c := range s.table.cells {
		if c.open() {
			var r probe.Result
			if kept := s.retold[uint64(i)]; kept != nil {
				r = *kept
			}
			s.out.wait(ctx)
			s.out.put(s.judged(uint64(i), r))
		}
	}
	s.retold = nil
}
