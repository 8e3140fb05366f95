package scan

import (
	"context"
	"time"

	"onmux/probe"
	"onmux/scan/checkpoint"
	"onmux/scan/control"
	"onmux/scan/verdict"
)

// restore makes the loop what it was at a checkpoint, and takes over the checkpoint's
// cells. Nothing else runs yet.
func (l *loop) restore(c *checkpoint.Checkpoint) {
	d, st := l.dispatch, &l.table.state
	l.anomalies.Restore(verdict.Odd{
		Strays: c.Strays, Contradictions: c.Contradictions, Repeated: c.Repeated, Late: c.Late,
	}, c.LocalError)
	l.rtt.Restore(c.RTT)
	st.pass, st.answered, st.voided = c.Pass, c.Answered, c.Voided
	st.journal.sent, st.journal.settled = c.Sent, c.Settled
	d.pass, d.sent = c.Pass, c.Sent
	d.cursor = l.start(c.Settled)
	if c.Over {
		d.cursor.pos = d.cursor.end
	}
	st.cells = c.TakeCells()
	d.progress.total = d.sent + st.restoreCells(d.cursor.pos)
	d.progress.sent = d.sent
	l.limits = st.limits(l.watch.Limits())
	l.watch.Answered(st.controls(), time.Time{})
	l.found = st.restoreAnswers(c.Answers())
}

// restoreCells undoes checkpoint.Condense, takes back the probes that could still
// have been answered, and sums up. It returns how many endpoints the present pass,
// which stands at pos, still asks.
func (s *state) restoreCells(pos uint64) (asks uint64) {
	over := s.pass.Over
	for i, c := range s.cells {
		at := uint64(i)
		p := s.proto(at)
		tries := s.pass.Done[p]
		settled := over
		if !s.shard.All() || !over && (c.Silent() || c == 0) {
			position := s.order.Position(at)
			if !s.shard.Has(position) {
				s.cells[at] = 0
				continue
			}
			settled = over || position < pos
		}
		switch {
		case c == 0 && settled && !over && s.pass.Asks[p] && !s.pass.Redo:
			c = checkpoint.SilentCell(tries + 1)
		case c == 0:
			c = checkpoint.SilentCell(tries)
		case c.Silent() && !settled && c.Tries() > max(tries, 1):
			c = c.Unask()
		}
		if s.voided > 0 { // of any of them
			c = c.Void()
		}
		s.cells[at] = 0
		s.set(at, p, 0, c)
		if c.Open() {
			s.open++
		}
		if !over && c.Tries() > 0 {
			s.restoreTry(at, c)
		}
		if !over && s.asks(candidate{index: at, cell: c}) {
			asks++
		}
	}
	return asks
}

// restoreTry takes the first try of an endpoint into the history, as if an answer had been to
// that: cells do not have to which it was.
func (s *state) restoreTry(index uint64, c verdict.Cell) {
	pos := s.order.Position(index)
	s.history.Add(index, pos, 1)
	if kind, ok := control.KindOf(s.proto(index), c.Class()); ok && kind == control.Direct {
		s.history.Answer(index, pos)
	}
}

// restoreAnswers keeps the answers that were kept, and returns those of open
// endpoints.
func (s *state) restoreAnswers(all []checkpoint.Answer) map[uint64]*probe.Result {
	open := make(map[uint64]*probe.Result)
	for _, a := range all {
		c := s.cells[a.Index]
		switch {
		case c.Reason() != a.Reason: // stronger evidence came later
		case c.Open() && open[a.Index] == nil:
			open[a.Index] = a.Result
			s.journal.found(a.Index, a.Result)
		case !c.Open():
			if kept := s.details.Keep(a.Index, c, a.Result); kept != nil {
				s.journal.keep(a.Index, kept)
			}
		}
	}
	return open
}

// emitFound emits the endpoints that were found open before the checkpoint was made,
// so that the report of a resumed scan is whole. Nothing else runs yet.
func (l *loop) emitFound(ctx context.Context) {
	if l.Resume == nil {
		return
	}
	st := &l.table.state
	for i, c := range st.cells {
		if c.Open() {
			var r probe.Result
			if kept := l.found[uint64(i)]; kept != nil {
				r = *kept
			}
			l.out.Wait(ctx)
			l.out.Put(st.record(uint64(i), r))
		}
	}
	l.found = nil
}
