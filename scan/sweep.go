package scan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"onmux/probe"
)

const (
	// icmpBurst is how many unreachables a Linux host sends to one peer before
	// it falls back to one a second (net.ipv4.icmp_ratelimit, XRLIM_BURST_FACTOR
	// in net/ipv4/route.c). Others are stricter, few are more generous.
	icmpBurst = 6

	// maxLook is how many positions a later pass looks at in one go for
	// endpoints that are still owed, while answers wait.
	maxLook = 4096
)

// byProto is something for each transport protocol.
type byProto[T any] [probe.UDP + 1]T

// sweep is one run. The sender, which is the goroutine of run, owns the fields
// above mu; those below are shared with the receiver.
type sweep struct {
	Config
	order  *Order
	addrs  uint64        // addresses of the plan: endpoints of one port
	protos []probe.Proto // of the plan's ports, by port index
	ports  byProto[int]  // how many ports each protocol is asked on
	size   uint64        // endpoints of the shard

	begun   time.Time
	pace    *pacer
	walk    walk
	passes  int          // begun so far
	done    byProto[int] // passes that each protocol has behind it
	sent    uint64       // probes
	sentAt  time.Time    // when the last one left
	timer   *time.Timer  // of sleep
	monitor monitor      // of Watch
	batch   []Probe      // what is left of the one that is being sent
	posns   []uint64     // where its probes stand in the order
	probes  [maxBatch]Probe
	places  [maxBatch]uint64
	ahead   [maxBatch]candidate
	out     *emitter
	halt    func(error) // ends the sweep's context
	limited []uint64    // a bit for each host whose UDP silence decides nothing; nil if there is none

	mu       sync.Mutex
	table    *table
	tally    byProto[tally]
	owed     byProto[int64] // endpoints that a later pass may ask
	quiet    byProto[int64] // endpoints that were asked and are silent so far
	short    error          // why some could never be asked
	failure  string         // a local error, for those whose own was not kept
	open     uint64
	strays   uint64 // answers that fit no question
	disputes uint64 // answers that contradict another
	rtt      rtt
	stamps   stamps
}

// walk is where a pass stands in the order.
type walk struct {
	pos, end uint64
	asks     byProto[bool]
}

func newSweep(c Config) *sweep {
	s := &sweep{
		Config: c,
		order:  NewOrder(c.Plan.Len(), c.Seed),
		addrs:  c.Plan.AddrCount(),
		size:   c.Shard.size(c.Plan.Len()),
		table:  newTable(c.Plan.Len()),
	}
	for _, p := range c.Plan.Ports() {
		s.protos = append(s.protos, p.Proto)
		s.ports[p.Proto]++
	}
	return s
}

// errExhausted says that the machine was out of resources for longer than
// patience.
type errExhausted struct{ error }

func (s *sweep) run(ctx context.Context, emit func(Finding) error) (Outcome, error) {
	s.begun = time.Now()
	s.sentAt = s.begun
	s.pace = newPacer(s.Rate, s.begun)
	s.timer = time.NewTimer(0)
	defer s.timer.Stop()

	ctx, halt := context.WithCancelCause(ctx)
	defer halt(nil)
	s.halt = halt
	s.out = startEmitter(emit, halt)
	hearing := make(chan error, 1)
	go func() { hearing <- s.receive(context.WithoutCancel(ctx)) }()

	stopped := s.askAll(ctx)
	closing := s.Engine.Close()
	failed := <-hearing
	if failed == nil && ctx.Err() == nil && !errors.As(stopped, new(errExhausted)) {
		failed = stopped
	}
	s.tell()
	failed = errors.Join(failed, s.out.close())
	o := s.outcome(stopped, failed)
	if closing != nil {
		o.Notes = append(o.Notes, "closing the sockets failed: "+closing.Error())
	}
	return o, failed
}

// askAll makes the passes that are owed. It returns why it stopped before the
// end: the context's cause, the engine's error, or errExhausted.
func (s *sweep) askAll(ctx context.Context) error {
	if s.size == 0 {
		return nil
	}
	asks, more := byProto[bool]{probe.TCP: true, probe.UDP: true}, true
	for more {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		err := s.pass(ctx, asks)
		s.drain(context.Background(), s.wait())
		if err != nil {
			s.giveUp(err)
			return err
		}
		if asks, more = s.owes(); !more {
			// What was told to wait longer, or could not leave at once, may
			// still be answered, and no pass follows to make up for it.
			s.drain(ctx, s.wait()+patience)
			asks, more = s.owes()
		}
	}
	if ctx.Err() != nil && s.Engine.Pending() > 0 {
		return context.Cause(ctx)
	}
	s.watch(time.Now(), 0)
	return nil
}

// owes says which protocols another pass is owed: one that confirms the silence
// that the first pass met, and from then on as many as the loss demands.
func (s *sweep) owes() (asks byProto[bool], more bool) {
	if s.passes > s.Retries {
		return asks, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var missed byProto[float64]
	var sum, asked float64
	for _, p := range probe.Protos() {
		if s.ports[p] > 0 {
			asked++
		}
		switch {
		case s.owed[p] == 0:
		case s.done[p] == 1:
			asks[p], more = true, true
		default:
			_, missed[p], _ = s.loss(p)
			sum += missed[p]
		}
	}
	if sum >= s.Bound {
		for p := range missed {
			if missed[p] >= s.Bound/asked && s.owed[p] > 0 {
				asks[p], more = true, true
			}
		}
	}
	return asks, more
}

// loss is what the passes so far say of protocol p: the share of attempts at
// answering hosts that brought nothing, and how many such hosts are still told
// silent. It is false if that cannot be measured. The caller holds mu.
func (s *sweep) loss(p probe.Proto) (share, missed float64, ok bool) {
	if s.quiet[p] == 0 {
		share, ok = s.tally[p].lossOfAll()
		return share, 0, ok
	}
	share, missed, ok = s.tally[p].loss(s.done[p])
	return share, min(missed, float64(s.quiet[p])), ok
}

// pass asks, in the order, everybody who is owed a question.
func (s *sweep) pass(ctx context.Context, asks byProto[bool]) error {
	s.passes++
	s.walk = walk{pos: uint64(s.Shard.I - 1), end: s.Plan.Len(), asks: asks}
	s.mu.Lock()
	s.stamps.begin()
	s.monitor.begin(s)
	s.mu.Unlock()
	for s.walk.pos < s.walk.end {
		s.out.wait(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		now := time.Now()
		s.watch(now, s.wait())
		if d := s.pace.wait(now); d > 0 {
			s.sleep(ctx, d)
			continue
		}
		s.fill(now)
		if err := s.offer(ctx); err != nil {
			s.takeBack()
			return err
		}
	}
	for p := range asks {
		if asks[p] {
			s.done[p]++
		}
	}
	return nil
}

// fill takes the next endpoints that are owed a question into the batch. They
// count as asked from here, because an answer may come before Send returns.
func (s *sweep) fill(now time.Time) {
	s.batch, s.posns = s.probes[:0], s.places[:0]
	s.mu.Lock()
	defer s.mu.Unlock()
	size, wait := s.pace.batch(), s.rtt.wait(s.passes, s.Timeout)
	for look := 0; look < maxLook && len(s.batch) < size && s.walk.pos < s.walk.end; {
		ahead := s.look(size - len(s.batch))
		for _, c := range ahead {
			if s.passes > 1 && !(c.cell.owed() && s.walk.asks[s.proto(c.index)]) {
				continue
			}
			e, next := s.Plan.At(c.index), c.cell.ask()
			s.set(c.index, e.Proto, c.cell, next)
			s.batch = append(s.batch, Probe{Index: c.index, Endpoint: e, Try: next.tries(), Wait: wait})
			s.posns = append(s.posns, c.pos)
		}
		look += len(ahead)
	}
	s.stamp(now)
}

// candidate is an endpoint that a pass comes by.
type candidate struct {
	pos, index uint64
	cell       cell
}

// look steps over the next n positions, at most, and reads their cells. It reads
// them all before the first is worked on: they lie all over memory, and loads
// that do not depend on each other overlap.
func (s *sweep) look(n int) []candidate {
	w, every := &s.walk, uint64(s.Shard.N)
	ahead := s.ahead[:0]
	for ; len(ahead) < n && w.pos < w.end; w.pos += every {
		ahead = append(ahead, candidate{pos: w.pos, index: s.order.Index(w.pos)})
	}
	for i := range ahead {
		ahead[i].cell = s.table.cells[ahead[i].index]
	}
	return ahead
}

// offer hands the batch to the engine until all of it has left. What did not
// remains in s.batch.
func (s *sweep) offer(ctx context.Context) error {
	for len(s.batch) > 0 {
		n, err := s.Engine.Send(ctx, s.batch)
		n = min(max(n, 0), len(s.batch))
		s.batch, s.posns = s.batch[n:], s.posns[n:]
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
		s.stamp(now)
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
	if now.Sub(s.sentAt) >= patience {
		return errExhausted{err}
	}
	s.sleep(ctx, backoff)
	return nil
}

// takeBack makes those in the batch, which did not leave, unasked again.
func (s *sweep) takeBack() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.batch {
		at := s.batch[i].Index
		old := s.table.cells[at]
		s.set(at, s.batch[i].Endpoint.Proto, old, old.takeBack())
	}
}

// giveUp makes every endpoint that could never be asked for want of resources
// one whose state is unknown.
func (s *sweep) giveUp(err error) {
	var short errExhausted
	if s.passes > 1 || !errors.As(err, &short) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.short = short.error
	for pos := uint64(s.Shard.I - 1); pos < s.walk.end; pos += uint64(s.Shard.N) {
		if i := s.order.Index(pos); !s.table.cells[i].asked() {
			s.table.cells[i] = cellOf(localError, 0)
		}
	}
}
