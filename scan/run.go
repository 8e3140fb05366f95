package scan

import (
	"context"
	"errors"
	"strings"
	"time"

	"onmux/probe"
	"onmux/scan/checkpoint"
	"onmux/scan/control"
	"onmux/scan/engine"
	"onmux/scan/named"
	"onmux/scan/queue"
	"onmux/scan/timing"
	"onmux/scan/verdict"
)

// Run asks every endpoint of the plan's shard and passes what it finds to emit: open
// endpoints as they are found, and when all were asked the rest, in the order of
// the plan's ports and addresses, as ranges where neighbors agree. Calls of emit
// come one at a time, and Run returns after the last.
//
// When the context ends, Run stops sending, receives what is on its way for as long
// as an answer takes, reports what is known and returns an Outcome that is not
// Complete, without an error. The first error of the engine or of emit ends the scan
// in the same way and is returned with the Outcome; after an error of emit, emit is
// not called again. A Config that makes no sense, or a Checkpoint that cannot be
// written, is an error before anything is sent; one that cannot be written later is
// a note. In every case the engine is closed.
func Run(ctx context.Context, c Config, emit func(Finding) error) (Outcome, error) {
	if c.FollowUp.Identify || c.FollowUp.Verify {
		return newFollowUps(c, emit).run(ctx, c)
	}
	return run(ctx, c, emit)
}

func run(ctx context.Context, c Config, emit func(Finding) error) (Outcome, error) {
	if err := c.complete(); err != nil {
		return Outcome{}, errors.Join(err, c.close())
	}
	l := newLoop(c, time.Now())
	if err := l.saver.Save(false); err != nil {
		return Outcome{}, errors.Join(err, c.close())
	}
	return l.run(ctx, emit)
}

// parts are what the dispatcher, the receiver and the loop of a scan share. Each has
// a lock of its own where it needs one.
type parts struct {
	Config
	*space
	table     *table
	rtt       *timing.Estimator
	resets    *verdict.Resets
	anomalies *verdict.Anomalies
	watch     *control.Watch
	layout    *control.Layout
	named     *named.Asker
	routers   *control.Routers
	out       *queue.Queue[Finding] // nil until the loop runs
}

// loop makes the passes of one scan.
type loop struct {
	*parts
	dispatch *dispatcher
	receiver *receiver
	saver    *checkpoint.Saver
	begun    time.Time
	limits   control.Limits           // as of the last pass
	shortage error                    // why some endpoints could never be asked
	found    map[uint64]*probe.Result // open endpoints that the resumed scan found
}

func newLoop(c Config, now time.Time) *loop {
	methods, senders := methodNames(c), newSenders(c.Engine, c.Seed)
	p := &parts{
		Config: c, space: newSpace(c), rtt: new(timing.Estimator), resets: new(verdict.Resets),
		anomalies: new(verdict.Anomalies), routers: new(control.Routers),
	}
	p.table = newTable(p.space, len(senders), methods[probe.TCP.String()] == "syn")
	if c.Allow != nil {
		p.table.state.exclude(c.Allow)
	}
	d := newDispatcher(p, senders, now)
	p.layout = &control.Layout{Addresses: p.plan.AddrCount(), Address: p.plan.AddressOf, Endpoints: p.plan.Len(),
		Named: len(c.Controls.Endpoints), Seed: c.Seed}
	if e, ok := c.Engine.(engine.Router); ok {
		if p.layout.Paths = len(e.Paths()); p.layout.Paths > 1 {
			p.layout.Path = e.Path
		}
	}
	p.table.state.history = control.NewHistory(p.layout, p.plan.Len())
	p.watch = control.NewWatch(controlled{d}, *p.layout, now)
	p.named = named.NewAsker(c.Controls, p.plan.Len(), p.watch)
	l := &loop{parts: p, dispatch: d, receiver: &receiver{parts: p}, begun: now}
	if !c.resumesComplete() {
		l.saver = checkpoint.NewSaver(c.Checkpoint, source{p, methods})
		p.table.state.journal.on = l.saver != nil
	}
	if c.Resume != nil {
		l.restore(c.Resume)
	}
	return l
}

// methodNames is how the engine asks the plan's protocols, by their names.
func methodNames(c Config) map[string]string {
	out := make(map[string]string)
	if c.Engine == nil {
		return out
	}
	m := c.Engine.Methods()
	for _, proto := range c.Plan.Protos() {
		out[proto.String()] = strings.ToValidUTF8(m[proto], "?")
	}
	return out
}

func (l *loop) run(ctx context.Context, emit func(Finding) error) (Outcome, error) {
	defer l.dispatch.timer.Stop()
	ctx, halt := context.WithCancelCause(ctx)
	defer halt(nil)
	l.out = queue.Start(emit, halt)
	l.emitFound(ctx)
	var stopped, failed error
	var notes []Note
	if !l.resumesComplete() {
		notes, stopped, failed = l.ask(ctx, halt)
	} else {
		failed = l.close()
	}
	r := l.result()
	if l.Part != nil {
		r.fill(l.Part)
	} else {
		r.verdicts().emit(l.out)
	}
	failed = errors.Join(failed, l.out.Close())
	o := r.outcome(stopped, failed)
	o.Notes = append(o.Notes, notes...)
	return o, failed
}

// ask makes all the passes, receives the answers and saves checkpoints. It returns
// what else went wrong, why it stopped before the end, if it did, and what failed.
func (l *loop) ask(ctx context.Context, halt func(error)) (notes []Note, stopped, failed error) {
	receiving := make(chan error, 1)
	go func() { receiving <- l.receiver.run(context.WithoutCancel(ctx), halt) }()
	l.named.Start(context.WithoutCancel(ctx))
	l.saver.Start(l.SaveEvery)
	stopped = l.askAll(ctx)
	closing := errors.Join(l.Engine.Close(), l.named.Stop())
	failed = <-receiving
	l.releaseAllHeld()
	l.saver.Stop()
	if failed == nil && ctx.Err() == nil && !errors.As(stopped, new(errExhausted)) {
		failed = stopped
	}
	if closing != nil {
		notes = append(notes, Note{Kind: NoteCloseFailed, Err: closing})
	}
	if err := l.lastSave(stopped); err != nil {
		notes = append(notes, Note{Kind: NoteSaveFailed, Err: err})
	}
	return notes, stopped, failed
}

// askAll makes the passes that are needed. It returns why it stopped before the end:
// the context's cause, the engine's error, or errExhausted.
func (l *loop) askAll(ctx context.Context) error {
	if l.size == 0 {
		return nil
	}
	d := l.dispatch
	for {
		if d.pass.Over {
			next, more, err := l.next(ctx)
			if err != nil {
				return err
			}
			if !more {
				break
			}
			if ctx.Err() == nil {
				d.begin(next)
			}
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		d.limitNetworks()
		err := d.run(ctx)
		d.drain(context.Background(), d.pause())
		if err != nil {
			l.giveUp(err)
			return err
		}
		d.pass = d.table.end()
		if d.pass.Number == 1 || d.pass.Redo {
			var gaps []control.Gap
			l.table.use(func(s *state) { gaps = s.history.Gaps() })
			l.watch.Suspect(gaps)
		}
		l.table.use(func(s *state) { l.limits = s.limits(l.watch.Limits()) })
	}
	if ctx.Err() != nil && l.Engine.Pending() > 0 {
		return context.Cause(ctx)
	}
	d.report(time.Now(), 0)
	return nil
}

// giveUp makes every endpoint that could never be asked for lack of resources one
// whose state is unknown.
func (l *loop) giveUp(err error) {
	var short errExhausted
	if l.dispatch.pass.Number > 1 || !errors.As(err, &short) {
		return
	}
	l.shortage = short.error
	l.table.use((*state).giveUp)
}

// lastSave saves the checkpoint that the scan ends with, when nothing else changes
// it any more. stopped is why it ended early, or nil.
func (l *loop) lastSave(stopped error) error {
	d := l.dispatch
	next := d.cursor.pos
	for _, s := range d.senders {
		if len(s.batch) > 0 { // what did not leave is asked first
			next = min(next, s.positions[0])
		}
	}
	over := l.table.close(d.sent, next)
	return l.saver.Save(over && stopped == nil)
}
