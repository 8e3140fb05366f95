package scan

import (
	"net/netip"
	"time"

	"onmux/probe"
	"onmux/scan/checkpoint"
	"onmux/scan/control"
	"onmux/scan/engine"
	"onmux/scan/timing"
	"onmux/scan/verdict"
)

// state is all that is known of the endpoints of a scan. While the scan runs, the
// lock of its table guards it.
type state struct {
	knowledge
	unsent verdict.Unsent
	totals
	times   timing.SendTimes
	journal journal
	history control.History
}

// totals are the pass and the sums over all cells.
type totals struct {
	pass     checkpoint.Pass
	askable  verdict.ByProto[int64] // endpoints that a later pass may ask
	silent   verdict.ByProto[int64] // endpoints that were asked and have not answered
	absent   verdict.ByProto[int64] // of those, the ones that no neighbor answered for
	answered verdict.ByProto[verdict.Tally]
	resolved verdict.ByProto[verdict.Tally] // at which try neighbors answered ARP or NDP
	open     uint64
	voided   uint64 // tries that were taken back since the last pass that made up for it
}

func (n *totals) sumSilent() int64 { return n.silent[probe.TCP] + n.silent[probe.UDP] }

func (n *totals) sumAskable() int64 { return n.askable[probe.TCP] + n.askable[probe.UDP] }

// set changes a cell and the sums.
func (s *state) set(i uint64, p probe.Proto, old, next verdict.Cell) {
	s.cells[i] = next
	if i < s.journal.copied {
		s.journal.patch(i, old, next)
	}
	askable, silent, absent := next.Counts()
	wasAskable, wasSilent, wasAbsent := old.Counts()
	s.askable[p] += askable - wasAskable
	s.silent[p] += silent - wasSilent
	s.absent[p] += absent - wasAbsent
}

// asks reports whether the present pass asks c. A first pass that is resumed comes
// by some that have answered.
func (s *state) asks(c candidate) bool {
	switch {
	case s.pass.Number == 1:
		return !c.cell.Asked()
	case s.pass.Redo:
		return s.isBehind(c.index, c.cell, &s.pass.Done)
	}
	return c.cell.Askable() && s.pass.Asks[s.proto(c.index)] &&
		!(s.pass.Payloads && c.cell.Class() == verdict.NoNeighbor)
}

// exclude makes every endpoint whose address must not be asked one that could not be.
func (s *state) exclude(allow func(netip.Addr) error) {
	for c := s.start(0); !c.done(); c.pos += c.step {
		if i := s.order.Index(c.pos); allow(s.plan.At(i).Addr) != nil {
			s.cells[i] = verdict.CellOf(verdict.LocalError, 0)
		}
	}
}

// giveUp makes every endpoint that was never asked one that this machine could not
// ask.
func (s *state) giveUp() {
	for c := s.start(0); !c.done(); c.pos += c.step {
		if i := s.order.Index(c.pos); !s.cells[i].Asked() {
			s.cells[i] = verdict.CellOf(verdict.LocalError, 0)
		}
	}
}

// abandon makes endpoints unknown that were asked only while the path had failed.
func (s *state) abandon() {
	for i, c := range s.cells {
		if c == verdict.CellOf(verdict.Silence, 0) {
			s.set(uint64(i), s.proto(uint64(i)), c, verdict.CellOf(verdict.LocalError, 0))
		}
	}
}

// takeBack takes back the tries of silent endpoints whose probes left in voids. In one
// that lasts, those that have no other try cannot be asked.
func (s *state) takeBack(l *control.Layout, voids []control.Void) {
	for c := s.start(0); !c.done(); c.pos += c.step {
		i := s.order.Index(c.pos)
		if !s.cells[i].Silent() {
			continue
		}
		tries, lost := l.Tries(voids, i, c.pos)
		for ; tries > 0 && s.cells[i].Silent(); tries-- {
			cell := s.cells[i]
			if cell.Tries() == 1 {
				s.history.Add(i, c.pos, -1)
			}
			next := cell.Void()
			if lost && next.Tries() == 0 {
				next = verdict.CellOf(verdict.LocalError, 0)
			}
			s.set(i, s.proto(i), cell, next)
			s.voided++
		}
	}
}

// void reports whether some endpoint may have been asked more often than its cell has
// tries.
func (s *state) void() bool { return s.voided > 0 || s.pass.Redone > 0 }

// update is what an answer changed.
type update struct {
	old       verdict.Cell
	class     verdict.Class
	stray     bool // no probe can have caused it
	byOther   bool // another host than the target sent it
	changed   bool // it is the strongest evidence now
	found     bool // … and the first to show the endpoint open
	disagrees bool // it makes another state than an earlier answer
	again     bool // it repeats what is known
	late      bool // it is the first, and answers a try before the last
	measures  bool // it is the first of its host that counts for the loss
	rtt       time.Duration
}

// merge takes one answer in, and fills in its round-trip time.
func (s *state) merge(a *engine.Answer, u *update) {
	*u = update{stray: true}
	if a.Index >= uint64(len(s.cells)) {
		return
	}
	old, p := s.cells[a.Index], s.proto(a.Index)
	if a.Neighbor || a.Unsent {
		u.stray = false
		s.mergeNeighbor(a, old, p)
		return
	}
	fromTarget := s.isTarget(a.Responder, a.Index)
	k, ok := verdict.ClassOf(p, a.Reason, fromTarget)
	u.byOther = ok && !fromTarget
	if a.Try > engine.MaxTries { // a control probe's
		a.Try = 0
	}
	if n := old.Tries(); !ok || n == 0 && old.Class() != verdict.Silence || a.Try < 0 || a.Try > n && !s.void() {
		return
	}
	u.stray, u.old, u.class = false, old, k
	u.rtt = s.measure(a, old, k)
	if k == verdict.LocalError && a.Try > 0 && old.Class() == verdict.Silence && !s.void() {
		// The try was not silent after all: it never left, and that took longer to find
		// out than its pass lasted.
		c, all := s.unsent.Add(a.Index, a.Try, old)
		if s.set(a.Index, p, old, c); !all {
			return
		}
		old = c
	}
	var next verdict.Cell
	next, u.changed, u.disagrees = old.Merge(k, p)
	u.again = old.Class() == k
	u.late = !old.Answered() && a.Try > 0 && a.Try < old.Tries()
	if !u.changed {
		return
	}
	s.set(a.Index, p, old, next)
	first := !old.Answered() && (a.Try == 1 || a.Try == 0 && old.Tries() == 1)
	if kind, ok := control.KindOf(p, k); first && ok && kind == control.Direct {
		s.history.Answer(a.Index, s.order.Position(a.Index))
	}
	u.measures = s.count(a, old, k, p)
	if u.found = next.Open(); u.found {
		s.open++
		s.details.Forget(a.Index, old)
	} else if kept := s.details.Keep(a.Index, old, &a.Result); kept != nil {
		s.journal.keep(a.Index, kept)
	}
}

// mergeNeighbor takes in that a target answered ARP or NDP, or that a next hop did not, so
// that the try was none.
func (s *state) mergeNeighbor(a *engine.Answer, old verdict.Cell, p probe.Proto) {
	switch {
	case a.Try < 1 || a.Try > old.Tries(): // a control probe's
	case a.Unsent:
		s.set(a.Index, p, old, old.Void())
		if old.Tries() == 1 {
			s.history.Add(a.Index, s.order.Position(a.Index), -1)
		}
		s.voided++
	default:
		if a.Try == old.Tries() && (a.Try == 1 || old.Class() == verdict.NoNeighbor) {
			s.resolved[p][a.Try]++
		}
		s.set(a.Index, p, old, old.NeighborAnswers())
	}
}

// count counts the try at which a host answered, if that measures loss, and reports
// whether it does. A datagram that a further payload drew does not: that
// the others drew none is no loss.
func (s *state) count(a *engine.Answer, old verdict.Cell, k verdict.Class, p probe.Proto) bool {
	if !s.measuresLoss(k, p) || s.measuresLoss(old.Class(), p) || s.pass.Payloads && k == verdict.UDPResponse {
		return false
	}
	try := a.Try
	if try == 0 {
		try = old.Tries()
	}
	s.answered[p][max(try, 1)]++
	return true
}

// measure fills in an answer's round-trip time if the engine did not, and returns
// what the estimate may learn from it, or 0. Only the first answer has a certain
// time, and only if it is known which try it answers (Karn and Partridge, "Improving
// Round-Trip Time Estimates in Reliable Transport Protocols", SIGCOMM 1987); what a
// router sends may come seconds later, when it has given up looking for the host,
// so it is not learnt from.
func (s *state) measure(a *engine.Answer, old verdict.Cell, k verdict.Class) time.Duration {
	if !a.Reason.IsAnswer() {
		a.RTT = 0
		return 0
	}
	try := a.Try
	if try == 0 && old.Tries() == 1 {
		try = 1
	}
	if old.Answered() || try == 0 {
		return 0
	}
	if a.RTT <= 0 {
		if s.pass.Redone > 0 { // which pass a try was made in is not known
			return 0
		}
		sent, ok := s.times.SentAt(s.order.Position(a.Index), old.Tries()-try)
		if !ok || !a.At.After(sent) {
			return 0
		}
		a.RTT = probe.Millis(a.At.Sub(sent))
	}
	if !k.FromTarget() {
		return 0
	}
	return time.Duration(a.RTT)
}
