package scan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"onmux/probe"
	"onmux/scan/engine"
)

const (
	// maxLook is how many positions a later pass looks at in one go for
	// endpoints that are still owed, while answers wait.
	maxLook = 4096

	// crowded is the pace, in probes a second, from which on all the engine's
	// Senders work: half of what one of them does.
	crowded = 250_000
)

// hand is one of those that send a pass.
type hand struct {
	engine.Sender
	batch  []engine.Probe // what is left of the one that is being sent
	posns  []uint64       // where its probes stand in the order
	probes [engine.MaxBatch]engine.Probe
	places [engine.MaxBatch]uint64
	ahead  [engine.MaxBatch]candidate

	// Under the sweep's mu.
	first uint64    // what it is sending stands here in the order, or later
	taken time.Time // when it took that
}

func newCrew(e engine.Engine) []*hand {
	senders := []engine.Sender{e}
	if p, ok := e.(engine.Parallel); ok {
		senders = p.Senders()
	}
	var crew []*hand
	for _, s := range senders {
		crew = append(crew, &hand{Sender: s, first: math.MaxUint64})
	}
	return crew
}

// pass asks, in the order, everybody who is owed a question in this pass.
func (s *sweep) pass(ctx context.Context) error {
	crew := s.crew
	if s.pace.now() < crowded {
		crew = crew[:1]
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	ended := make(chan error)
	work := func(h *hand) error {
		err := s.work(ctx, h)
		if err != nil {
			stop(err) // for all
		}
		return err
	}
	for _, h := range crew[1:] {
		go func() { ended <- work(h) }()
	}
	err := work(crew[0])
	for range crew[1:] {
		err = cmp.Or(err, <-ended)
	}
	return err
}

// work sends batches until the pass is over. What it does while it has the turn
// takes little of the time that Send takes.
func (s *sweep) work(ctx context.Context, h *hand) error {
	s.turn.Lock()
	defer s.turn.Unlock()
	defer s.rest(h)
	for s.walk.pos < s.walk.end {
		s.out.wait(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		now := time.Now()
		s.watch(now, s.wait())
		s.spareRouters(now)
		if d := s.pace.wait(now); d > 0 {
			s.sleep(ctx, d)
			continue
		}
		if err := s.heed(ctx, now); err != nil {
			return err
		}
		s.fill(h, now)
		if err := s.offer(ctx, h); err != nil {
			s.takeBack(h)
			return err
		}
	}
	return nil
}

// fill takes the next endpoints that are owed a question into the batch. They
// count as asked from here, because an answer may come before Send returns.
func (s *sweep) fill(h *hand, now time.Time) {
	h.batch, h.posns = h.probes[:0], h.places[:0]
	s.mu.Lock()
	defer s.mu.Unlock()
	size, wait := s.pace.batch(), s.rtt.wait(s.passes, s.Timeout)
	for look := 0; look < maxLook && len(h.batch) < size && s.walk.pos < s.walk.end; {
		ahead := s.look(h, size-len(h.batch))
		for _, c := range ahead {
			if !s.asks(c) {
				continue
			}
			e, next := s.Plan.At(c.index), c.cell.ask()
			s.set(c.index, e.Proto, c.cell, next)
			h.batch = append(h.batch, engine.Probe{Index: c.index, Endpoint: e, Try: next.tries(), Wait: wait})
			h.posns = append(h.posns, c.pos)
		}
		look += len(ahead)
	}
	s.stamp(h, now)
	s.journal.sent = s.sent
	s.taken(h, now)
}

// taken notes where the batch stands and that the one before has left. The caller
// holds mu.
func (s *sweep) taken(h *hand, now time.Time) {
	if h.first != math.MaxUint64 {
		s.flight = max(s.flight, now.Sub(h.taken))
	}
	h.first, h.taken = math.MaxUint64, now
	if len(h.posns) > 0 {
		h.first = h.posns[0]
	}
}

// rest notes that a batch has left and none follows.
func (s *sweep) rest(h *hand) {
	if len(h.batch) > 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	h.first = math.MaxUint64
}

// settled is a position before which every probe left so long ago that no answer
// is waited for; 0 if that is not known. The caller holds mu.
func (s *sweep) settled(now time.Time) uint64 {
	by := now.Add(-s.rtt.wait(s.passes, s.Timeout))
	if len(s.crew) > 1 { // else each batch has left when the next is stamped
		by = by.Add(-s.flight)
	}
	pos := s.stamps.settled(by)
	for _, h := range s.crew {
		pos = min(pos, h.first)
	}
	return pos
}

// asks reports whether the present pass owes c a question. A first pass that is
// resumed comes by some that have answered.
func (s *sweep) asks(c candidate) bool {
	if s.passes == 1 {
		return !c.cell.asked()
	}
	return c.cell.owed() && s.walk.asks[s.proto(c.index)] && !(s.walk.turns && c.cell.class() == noNeighbour)
}

// candidate is an endpoint that a pass comes by.
type candidate struct {
	pos, index uint64
	cell       cell
}

// look steps over the next n positions, at most, and reads their cells. It reads
// them all before the first is worked on: they lie all over memory, and loads
// that do not depend on each other overlap.
func (s *sweep) look(h *hand, n int) []candidate {
	w, every := &s.walk, uint64(s.Shard.N)
	ahead := h.ahead[:0]
	for ; len(ahead) < n && w.pos < w.end; w.pos += every {
		ahead = append(ahead, candidate{pos: w.pos, index: s.order.Index(w.pos)})
	}
	for i := range ahead {
		ahead[i].cell = s.table.cells[ahead[i].index]
	}
	return ahead
}

// offer hands the batch to the engine until all of it has left. What did not
// remains in h.batch.
func (s *sweep) offer(ctx context.Context, h *hand) error {
	for len(h.batch) > 0 {
		s.turn.Unlock()
		n, err := h.Send(ctx, h.batch)
		s.turn.Lock()
		n = min(max(n, 0), len(h.batch))
		h.batch, h.posns = h.batch[n:], h.posns[n:]
		if n > 0 {
			s.sent += uint64(n)
			s.sentAt = time.Now()
			s.pace.spend(n)
		}
		if err == nil && n > 0 {
			continue
		}
		if err := s.refused(ctx, err); err != nil {
			return err
		}
		now := time.Now()
		s.watch(now, s.wait())
		s.mu.Lock()
		s.stamp(h, now)
		s.mu.Unlock()
	}
	return nil
}

// refused decides what follows a Send that did not take everything: a pause and
// nil if it is worth offering the rest again.
func (s *sweep) refused(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err == nil:
		return fmt.Errorf("the engine takes no probes and gives no reason: %w", io.ErrNoProgress)
	case !errors.Is(err, probe.ErrBusy):
		return err
	}
	now := time.Now()
	s.pace.busy(now, err)
	if now.Sub(s.sentAt) >= engine.BusyTimeout {
		return errExhausted{err}
	}
	s.sleep(ctx, backoff)
	return nil
}

// takeBack makes those in the batch, which did not leave, unasked again.
func (s *sweep) takeBack(h *hand) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range h.batch {
		at := h.batch[i].Index
		old := s.table.cells[at]
		s.set(at, h.batch[i].Endpoint.Proto, old, old.takeBack())
	}
}
