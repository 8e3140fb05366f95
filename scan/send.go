package scan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"onmux/probe"
	"onmux/scan/checkpoint"
	"onmux/scan/control"
	"onmux/scan/engine"
	"onmux/scan/timing"
)

const (
	// parallelRate is the rate, in probes a second, from which on all the engine's
	// Senders work: half of what one of them does.
	parallelRate = 250_000

	// drainPoll is how often a drain looks whether it is over.
	drainPoll = time.Millisecond
)

// errExhausted: this machine was short of something for longer than
// engine.BusyTimeout.
type errExhausted struct{ error }

// sender sends batches of a pass through one of the engine's Senders.
type sender struct {
	engine.Sender
	id        int
	batch     []engine.Probe // what is left of the one that is being sent
	positions []uint64       // where its probes stand in the order
	probes    [engine.MaxBatch]engine.Probe
	places    [engine.MaxBatch]uint64
	ahead     [engine.MaxBatch]candidate
	controls  int // control probes in batch
	random    *rand.Rand
}

func newSenders(e engine.Engine, seed uint64) (out []*sender) {
	all := []engine.Sender{e}
	if p, ok := e.(engine.Parallel); ok {
		all = p.Senders()
	}
	for id, s := range all {
		out = append(out, &sender{Sender: s, id: id, random: rand.New(rand.NewPCG(seed, uint64(id)))})
	}
	return out
}

// mix puts control probes at random places of the batch, which ends before a
// position.
func (s *sender) mix(controls []engine.Probe, end uint64) {
	s.controls = len(controls)
	for _, p := range controls {
		at, position := s.random.IntN(len(s.batch)+1), end
		if at < len(s.positions) {
			position = s.positions[at]
		}
		s.batch = slices.Insert(s.batch, at, p)
		s.positions = slices.Insert(s.positions, at, position)
	}
}

// sent removes n probes that have left from the batch, and returns how many of them
// are of the pass.
func (s *sender) sent(n int) (ordinary int) {
	ordinary = n
	for i := 0; i < n && s.controls > 0; i++ {
		if s.batch[i].Try > engine.MaxTries {
			s.controls--
			ordinary--
		}
	}
	s.batch, s.positions = s.batch[n:], s.positions[n:]
	return ordinary
}

// dropControls removes the control probes from what has not left, and returns them.
func (s *sender) dropControls() (out []control.Control) {
	if s.controls == 0 {
		return nil
	}
	kept := 0
	for i, p := range s.batch {
		if p.Try > engine.MaxTries {
			out = append(out, control.Control{Index: p.Index, Flow: p.Try - engine.MaxTries})
			continue
		}
		s.batch[kept], s.positions[kept] = p, s.positions[i]
		kept++
	}
	s.batch, s.positions, s.controls = s.batch[:kept], s.positions[:kept], 0
	return out
}

// dispatcher makes passes: it takes batches of endpoints from the table and sends
// them at the pace that is allowed. The goroutines of a pass, one for each sender,
// hold its lock except while they send; between passes the loop's goroutine has it
// to itself.
type dispatcher struct {
	*parts
	senders []*sender

	mu       sync.Mutex
	cursor   cursor
	pass     checkpoint.Pass
	pace     *timing.Pacer
	sent     uint64    // probes
	sentAt   time.Time // when the last one left
	timer    *time.Timer
	progress progress
}

func newDispatcher(p *parts, senders []*sender, now time.Time) *dispatcher {
	return &dispatcher{
		parts: p, senders: senders, sentAt: now, pace: timing.NewPacer(p.Rate, now), timer: time.NewTimer(0),
		pass: checkpoint.Pass{Over: true}, progress: progress{report: p.Watch},
	}
}

// run makes a pass: it asks, in the order, every endpoint that the pass asks.
func (d *dispatcher) run(ctx context.Context) error {
	senders := d.senders
	if d.pace.Rate() < parallelRate {
		senders = senders[:1]
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	ended := make(chan error)
	work := func(s *sender) error {
		err := d.work(ctx, s)
		if err != nil {
			stop(err) // for all
		}
		return err
	}
	for _, s := range senders[1:] {
		go func() { ended <- work(s) }()
	}
	err := work(senders[0])
	for range senders[1:] {
		err = cmp.Or(err, <-ended)
	}
	return err
}

// work sends batches until the pass is over. What it does while it holds the lock
// takes little of the time that Send takes.
func (d *dispatcher) work(ctx context.Context, s *sender) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer func() {
		d.watch.Withdraw(s.dropControls())
		d.table.release(s)
	}()
	for !d.cursor.done() {
		d.out.Wait(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		now := time.Now()
		d.report(now, d.wait())
		if rate, why, tooMany := d.routers.Busiest(now, d.sent); tooMany {
			d.pace.SlowTo(now, rate, why)
		}
		if pause := d.pace.Wait(now); pause > 0 {
			d.sleep(ctx, pause)
			continue
		}
		controls, err := d.watch.Check(ctx, now)
		if err != nil || ctx.Err() != nil {
			return cmp.Or(err, context.Cause(ctx))
		}
		wait := d.wait()
		named, controls := d.named.Split(controls)
		d.watch.Withdraw(named[d.named.Ask(ctx, named, wait):])
		d.table.fill(s, &d.cursor, max(d.pace.Batch()-len(controls), 1), wait, time.Now(), d.sent)
		s.mix(d.controlProbes(controls, wait), d.cursor.pos)
		if err := d.offer(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// offer hands the batch to the engine until all of it has left. What did not
// remains in s.batch.
func (d *dispatcher) offer(ctx context.Context, s *sender) error {
	for len(s.batch) > 0 {
		d.mu.Unlock()
		n, err := s.Send(ctx, s.batch)
		d.mu.Lock()
		n = min(max(n, 0), len(s.batch))
		ordinary := s.sent(n)
		if n > 0 {
			d.sent += uint64(ordinary)
			d.pace.Spend(n)
			d.sentAt = time.Now()
		}
		if err == nil && n > 0 {
			continue
		}
		if err := d.retryAfter(ctx, err); err != nil {
			return err
		}
		now := time.Now()
		d.report(now, d.wait())
		d.table.resend(s, now)
	}
	return nil
}

// controlProbes are the probes that ask controls again.
func (d *dispatcher) controlProbes(controls []control.Control, wait time.Duration) (batch []engine.Probe) {
	for _, c := range controls {
		batch = append(batch, engine.Probe{
			Index: c.Index, Endpoint: d.plan.At(c.Index), Try: engine.MaxTries + c.Flow, Wait: wait,
		})
	}
	return batch
}

// retryAfter waits until the probes that the engine did not accept may be offered
// again, and returns nil, or the error that ends the pass.
func (d *dispatcher) retryAfter(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err == nil:
		return fmt.Errorf("the engine takes no probes and gives no reason: %w", io.ErrNoProgress)
	case !errors.Is(err, probe.ErrBusy):
		return err
	}
	now := time.Now()
	d.pace.SlowDown(now, err)
	if now.Sub(d.sentAt) >= engine.BusyTimeout {
		return errExhausted{err}
	}
	d.sleep(ctx, timing.Backoff)
	return nil
}

// drain waits for answers that are on their way, until wait has passed since the
// last probe, or nothing is outstanding or no endpoint silent, and no SYN-ACK held.
// More than the usual wait is for engines that know what is outstanding.
func (d *dispatcher) drain(ctx context.Context, wait time.Duration) {
	for ctx.Err() == nil {
		pending := d.Engine.Pending()
		if pending < 0 {
			wait = min(wait, d.wait())
		}
		now := time.Now()
		left := wait - now.Sub(d.sentAt)
		d.report(now, left)
		if now.Sub(d.sentAt) < d.wait() { // later ones would only make the drain longer
			_ = d.watch.Round(ctx, now) // the next Send fails too
		}
		n := d.table.totals()
		if left <= 0 || (pending == 0 || n.sumSilent() == 0) && !d.resets.Holding() {
			return
		}
		d.sleep(ctx, min(left, drainPoll))
	}
}

// pause is how long a pass waits for answers at its end. Between payloads there is
// no need to: an answer counts later too, and is waited for after the last pass.
func (d *dispatcher) pause() time.Duration {
	if d.pass.Payloads {
		return timing.ShortWait
	}
	return d.wait()
}

// wait is how long an answer is waited for in the present pass.
func (d *dispatcher) wait() time.Duration { return d.rtt.Wait(d.pass.Number, d.Timeout) }

// sleep sleeps, and keeps reporting progress meanwhile.
func (d *dispatcher) sleep(ctx context.Context, pause time.Duration) {
	for pause > 0 && ctx.Err() == nil {
		slice := min(pause, tick)
		pause -= slice
		d.timer.Reset(slice)
		select {
		case <-d.timer.C:
		case <-ctx.Done():
		}
		if pause > 0 {
			d.report(time.Now(), d.wait())
		}
	}
}

// revalidate has the engine look up its next hops again.
func (p *parts) revalidate() {
	if e, ok := p.Engine.(engine.Revalidator); ok {
		e.Revalidate()
	}
}

// controlled is a dispatcher as control sees it.
type controlled struct{ *dispatcher }

func (c controlled) Sent() uint64                                   { return c.sent }
func (c controlled) Sleep(ctx context.Context, pause time.Duration) { c.sleep(ctx, pause) }
func (c controlled) Revalidate()                                    { c.revalidate() }

// Wait is that of a first try: controls have answered before.
func (c controlled) Wait() time.Duration { return c.rtt.Wait(1, c.Timeout) }

// Paths are the ways out of this machine, with what is known of their next hops now.
func (c controlled) Paths() (all []engine.Path) {
	if e, ok := c.Engine.(engine.Router); ok {
		all = e.Paths()
	}
	return all
}

func (c controlled) SlowDown(share float64, why control.Cause) {
	c.pace.SlowBy(time.Now(), share, why)
}

// Mark is where the pass stands.
func (c controlled) Mark(now time.Time) control.Mark {
	return control.Mark{Pass: c.pass.Number, Pos: c.cursor.pos, At: now}
}

func (c controlled) Void(voids []control.Void) {
	c.table.use(func(s *state) {
		s.takeBack(c.layout, voids)
	})
}

// Ask sends control probes.
func (c controlled) Ask(ctx context.Context, controls []control.Control, wait time.Duration) (int, error) {
	named, planned := c.named.Split(controls)
	first := c.named.Ask(ctx, named, wait)
	if first < len(named) || len(planned) == 0 {
		return first, nil
	}
	batch := c.controlProbes(planned, wait)
	sent, err := c.Engine.Send(ctx, batch)
	sent = min(max(sent, 0), len(batch))
	c.pace.Spend(sent)
	if errors.Is(err, probe.ErrBusy) {
		c.pace.SlowDown(time.Now(), err)
		err = nil
	}
	return first + sent, err
}
