package scan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"onmux/probe"
	"onmux/probe/wording"
	"onmux/scan/engine"
	"onmux/scan/target"
)

// receive takes answers from the engine until it is closed and drained. An
// error ends the sweep.
func (s *sweep) receive(ctx context.Context) error {
	buf := make([]engine.Answer, engine.MaxBatch)
	var found []Finding
	for {
		n, err := s.Engine.Receive(ctx, buf)
		found = s.hearAll(buf[:min(max(n, 0), len(buf))], found[:0])
		s.out.put(found...)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			err = fmt.Errorf("hearing answers: %w", err)
			s.halt(err)
			return err
		}
	}
}

// hearAll takes answers into the table, and appends those that show an endpoint
// open, for the first time, to found, or to those that are told a little later.
func (s *sweep) hearAll(answers []engine.Answer, found []Finding) []Finding {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.table.touch(answers)
	for i := range answers {
		a := &answers[i]
		if !s.hear(a) {
			continue
		}
		s.open++
		if s.fresh.on && a.Reason == probe.SynAck {
			s.fresh.hold(held{a.Index, time.Now().Add(behind), a.Result})
			continue
		}
		s.journal.open(a.Index, &a.Result)
		found = append(found, s.judged(a.Index, a.Result))
	}
	return found
}

// hear takes one answer into the table and reports whether it is the first to
// show its endpoint open. The caller holds mu.
func (s *sweep) hear(a *engine.Answer) bool {
	if a.Index >= uint64(len(s.table.cells)) {
		s.strays++
		return false
	}
	old, p := s.table.cells[a.Index], s.proto(a.Index)
	again := s.known.hear(a.Index)
	fromTarget := s.fromTarget(a)
	k, ok := classOf(p, a.Reason, fromTarget)
	if ok && !fromTarget {
		s.routers.hear(a.Responder)
	}
	if !ok || old.tries() == 0 {
		s.strays++
		return false
	}
	if a.Try < 0 || a.Try > old.tries() {
		a.Try = 0
	}
	s.time(a, old, k)
	if k == localError && a.Try == 1 && old == cellOf(silent, 2) {
		// The first try was not silent after all: it never left, and that
		// took longer to find out than the pass lasted.
		s.set(a.Index, p, old, cellOf(unheard, 2))
		return false
	}
	next, changed, disagrees := old.hear(k, p)
	if disagrees && !(old.class() == synAck && k == reset && s.fresh.doubt(a.Index)) {
		s.dispute(a.Index, old.class(), k)
	}
	s.repeated += uint64(one(old.class() == k && !again))
	s.late += uint64(one(!old.heard() && a.Try > 0 && a.Try < old.tries()))
	if !changed {
		return false
	}
	s.set(a.Index, p, old, next)
	if s.counts(k, p) && !s.counts(old.class(), p) && !(s.walk.turns && k == udpResponse) {
		try := a.Try
		if try == 0 {
			try = old.tries()
		}
		s.tally[p][try]++
		if p == probe.TCP {
			s.known.meet(a.Index)
		}
	}
	if next.open() {
		s.table.forget(a.Index, old)
		return true
	}
	if k == localError && s.failure == "" {
		s.failure = a.Error
	}
	if kept := s.table.keep(a.Index, old, &a.Result); kept != nil {
		s.journal.keep(a.Index, kept)
	}
	return false
}

// maxDisputed bounds the contradictions that are told with their endpoints.
const maxDisputed = 4

// dispute notes that an answer of class k contradicts one of class was.
func (s *sweep) dispute(i uint64, was, k class) {
	s.disputes++
	if len(s.disputed) < maxDisputed {
		s.disputed = append(s.disputed, fmt.Sprintf("%s said %s, then %s", s.Plan.At(i), was, k))
	}
}

// String is the reason, and who gave it where that makes another answer of it.
func (k class) String() string {
	if k == portUnreachBy {
		return classes[k].reason.String() + " from another host"
	}
	return classes[k].reason.String()
}

// disputesTold is what was contradictory, in a sentence, or "".
func (s *sweep) disputesTold() string {
	if s.disputes == 0 {
		return ""
	}
	said := wording.Count(s.disputes, "answer", "answers") + " disagreed with an earlier one of the same endpoint"
	if len(s.disputed) > 0 {
		said += ": " + strings.Join(s.disputed, "; ")
	}
	if s.disputes > uint64(len(s.disputed)) && len(s.disputed) > 0 {
		said += "; …"
	}
	return said
}

// counts reports whether an answer of that class measures loss: the target sent
// it, and at no limited rate. (Nor does a datagram that a further payload drew: that
// the others drew none is no loss.) A host sends its first few unreachables at once,
// so they count as long as it is not asked on more ports than that.
func (s *sweep) counts(k class, p probe.Proto) bool {
	switch k {
	case synAck, reset, udpResponse:
		return true
	case portUnreach:
		return s.ports[p] <= icmpBurst
	}
	return false
}

// time fills in an answer's round-trip time if the engine did not, and lets the
// estimate learn from it. Only the first answer tells a time for certain, and only if
// it is known which try it answers (Karn and Partridge, "Improving Round-Trip Time
// Estimates in Reliable Transport Protocols", SIGCOMM 1987); what a router says may come
// seconds later, when it has given up looking for the host, so it is not learnt from.
func (s *sweep) time(a *engine.Answer, old cell, k class) {
	try := a.Try
	if try == 0 && old.tries() == 1 {
		try = 1
	}
	if old.heard() || try == 0 {
		return
	}
	if a.RTT <= 0 {
		sent, ok := s.sentAtTry(a.Index, old.tries()-try)
		if !ok || !a.At.After(sent) {
			return
		}
		a.RTT = probe.Millis(a.At.Sub(sent))
	}
	if classes[k].weight >= weighsTarget {
		s.rtt.sample(time.Duration(a.RTT))
	}
}

// sentAtTry is when an endpoint was asked, the last time or the time before that, which
// was in the pass before.
func (s *sweep) sentAtTry(i uint64, before int) (time.Time, bool) {
	switch before {
	case 0:
		return s.stamps.sent(s.order.Position(i))
	case 1:
		return s.before.sent(s.order.Position(i))
	}
	return time.Time{}, false
}

// set changes a cell and what is counted of them all. The caller holds mu.
func (s *sweep) set(i uint64, p probe.Proto, old, next cell) {
	s.table.cells[i] = next
	if i < s.journal.copied {
		s.journal.patch(i, old, next)
	}
	is, was := tallied[next], tallied[old]
	s.owed[p] += int64(is&1) - int64(was&1)
	s.quiet[p] += int64(is>>1) - int64(was>>1)
}

func one(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// stamp notes that the batch leaves now. The caller holds mu.
func (s *sweep) stamp(h *hand, now time.Time) {
	if n := len(h.posns); n > 0 {
		s.stamps.add(h.posns[0], h.posns[n-1], now)
	}
}

// proto is the protocol of the endpoint at an index.
func (s *sweep) proto(i uint64) probe.Proto { return s.protos[i/s.addrs] }

// fromTarget reports whether the endpoint that was asked answered itself.
func (s *sweep) fromTarget(a *engine.Answer) bool {
	return !a.Responder.IsValid() || target.SameHost(a.Responder, s.Plan.At(a.Index).Addr)
}

// judged is the record of an endpoint, with what an answer told of it. The
// caller holds mu, or is the only one left.
func (s *sweep) judged(i uint64, r probe.Result) probe.Result {
	c := s.table.cells[i]
	r.Endpoint = s.Plan.At(i)
	r.Host = s.Plan.Host(r.Addr)
	r.State, r.Reason, r.Tries = c.state(r.Proto), c.reason(), c.tries()
	if r.Responder.IsValid() && target.SameHost(r.Responder, r.Addr) {
		r.Responder = netip.Addr{}
	}
	return r
}
