package scan

import (
	"math"
	"sync"
	"time"

	"onmux/probe"
	"onmux/scan/checkpoint"
	"onmux/scan/engine"
	"onmux/scan/timing"
	"onmux/scan/verdict"
)

// maxLookahead is how many positions a later pass looks at in one go for endpoints that
// it asks, while answers wait.
const maxLookahead = 4096

// table is the state of a scan, which the dispatcher, the receiver and the saver of
// checkpoints share. Each takes the lock once for a batch.
type table struct {
	holdSynAcks bool // records of SYN-ACKs are not made when they are received

	mu      sync.Mutex
	state   state
	touched verdict.Cell // keeps touch from being optimized away
}

func newTable(s *space, senders int, holdSynAcks bool) *table {
	return &table{holdSynAcks: holdSynAcks, state: state{
		knowledge: newKnowledge(s), unsent: make(verdict.Unsent),
		totals: totals{pass: checkpoint.Pass{Over: true}}, times: timing.NewSendTimes(senders),
	}}
}

// totals are the sums, at one moment.
func (t *table) totals() totals {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state.totals
}

// begin begins a pass that asks what next states, and returns it.
func (t *table) begin(next checkpoint.Pass) checkpoint.Pass {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := &t.state.pass
	p.Number++
	p.Over, p.Asks, p.Payloads, p.Redo = false, next.Asks, next.Payloads, next.Redo
	if p.Redo {
		p.Redone++
	}
	t.state.times.Begin()
	t.state.journal.settled = 0
	return *p
}

// end ends a pass whose answers were waited for, and returns it.
func (t *table) end() checkpoint.Pass {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := &t.state.pass
	p.Over = true
	for proto, asks := range p.Asks {
		if asks && !p.Redo {
			p.Done[proto]++
		}
	}
	return *p
}

// close prepares the last checkpoint, and reports whether the pass has ended. sent is
// how many probes have left, and next the position of the first that did not, in a
// pass that has not ended: the answers that were on their way have been waited for.
func (t *table) close(sent, next uint64) (over bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	st := &t.state
	st.journal.sent = sent
	if !st.pass.Over {
		st.times.Forget()
		st.journal.settled = next
	}
	return st.pass.Over
}

// fill takes up to size endpoints that the pass asks into a sender's batch. They
// count as asked from here, because an answer may come before Send returns. sent
// is how many probes have left so far.
func (t *table) fill(s *sender, c *cursor, size int, wait time.Duration, now time.Time, sent uint64) {
	s.batch, s.positions = s.probes[:0], s.places[:0]
	t.mu.Lock()
	defer t.mu.Unlock()
	st := &t.state
	for looked := 0; looked < maxLookahead && len(s.batch) < size && !c.done(); {
		// All cells are read before the first is worked on: they lie all over memory,
		// and loads that do not depend on each other overlap.
		ahead := c.next(st.order, s.ahead[:0], size-len(s.batch))
		for i := range ahead {
			ahead[i].cell = st.cells[ahead[i].index]
		}
		for _, x := range ahead {
			if !st.asks(x) {
				continue
			}
			e, next := st.plan.At(x.index), x.cell.Ask()
			st.set(x.index, e.Proto, x.cell, next)
			if next.Tries() == 1 {
				st.history.Add(x.index, x.pos, 1)
			}
			s.batch = append(s.batch, engine.Probe{Index: x.index, Endpoint: e, Try: next.Tries(), Wait: wait})
			s.positions = append(s.positions, x.pos)
		}
		looked += len(ahead)
	}
	st.times.Stamp(s.positions, now)
	st.times.Take(s.id, s.positions, now)
	st.journal.sent = sent
}

// resend notes that what is left of a sender's batch leaves only now.
func (t *table) resend(s *sender, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.state.times.Stamp(s.positions, now)
}

// release ends a sender's part in a pass. What is left in its batch did not leave:
// those endpoints were not asked.
func (t *table) release(s *sender) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range s.batch {
		at := s.batch[i].Index
		old := t.state.cells[at]
		t.state.set(at, s.batch[i].Endpoint.Proto, old, old.Unask())
	}
	if len(s.batch) == 0 {
		t.state.times.Land(s.id)
	}
}

// receive takes answers in, fills in their round-trip times, and sets an update for
// each. Records of those that show an endpoint open for the first time are appended
// to found, unless they are held.
func (t *table) receive(answers []engine.Answer, updates []update, found []Finding) []Finding {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.touched |= touch(t.state.cells, answers)
	for i := range answers {
		a := &answers[i]
		t.state.merge(a, &updates[i])
		if updates[i].found && !(t.holdSynAcks && a.Reason == probe.SynAck) {
			t.state.journal.found(a.Index, &a.Result)
			found = append(found, t.state.record(a.Index, a.Result))
		}
	}
	return found
}

// touch brings the cells of answers into the cache. They lie all over memory, and
// loads that do not depend on each other overlap.
func touch(cells []verdict.Cell, answers []engine.Answer) (all verdict.Cell) {
	for i := range answers {
		if at := answers[i].Index; at < uint64(len(cells)) {
			all |= cells[at]
		}
	}
	return all
}

// foundOpen is the record of an endpoint that was held until now.
func (t *table) foundOpen(i uint64, r probe.Result) probe.Result {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.state.journal.found(i, &r)
	return t.state.record(i, r)
}

// use calls f with the state, which f must not keep.
func (t *table) use(f func(s *state)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(&t.state)
}

// copyCells copies cells from an index on, and has changes of those before the end
// of it recorded.
func (t *table) copyCells(buf []verdict.Cell, from uint64) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := copy(buf, t.state.cells[from:])
	t.state.journal.copied = from + uint64(n)
	return n
}

// snapshot is the part of a checkpoint that the table has, and ends what copyCells
// began. In a pass, probes that left at by or earlier cannot be answered any more.
func (t *table) snapshot(by func(pass int) time.Time) checkpoint.State {
	t.mu.Lock()
	defer t.mu.Unlock()
	st, j := &t.state, &t.state.journal
	j.settled = max(j.settled, st.times.Settled(by(st.pass.Number)))
	out := checkpoint.State{
		Head:    checkpoint.Head{Pass: st.pass, Settled: j.settled, Sent: j.sent, Answered: st.answered, Voided: st.voided},
		Patches: j.patches, Answers: j.answers,
	}
	j.copied, j.patches = 0, nil
	return out
}

// discardPatches ends what copyCells began.
func (t *table) discardPatches() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.state.journal.copied, t.state.journal.patches = 0, nil
}

// releaseHeld emits the open endpoints that were held long enough.
func (p *parts) releaseHeld(now time.Time) {
	for _, h := range p.resets.Release(now) {
		p.out.Put(p.table.foundOpen(h.Index, h.Result))
	}
}

// releaseAllHeld emits the rest, when nothing more is received.
func (p *parts) releaseAllHeld() { p.releaseHeld(time.Unix(math.MaxInt32, 0)) }
