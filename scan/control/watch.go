package control

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"onmux/probe"
	"onmux/scan/engine"
)

const (
	firstRest = 250 * time.Millisecond // how long the scan pauses when controls stop answering
	longRest  = 4 * time.Second        // … and at most before it asks them again
	patience  = 16 * time.Second       // in all, before the path is taken for lost

	leastShare = 1. / 8 // of its rate that a scan is slowed down to at once

	glance = time.Millisecond // how often it is looked what became of control probes, at most
)

// Scan is the scan that a Watch watches. Its methods are called by the goroutine
// that calls Check or Confirm, and may block.
type Scan interface {
	// Ask sends control probes, each by a flow that the endpoint has not seen, and
	// returns how many left, of the first. An error ends the scan.
	Ask(ctx context.Context, controls []Control, wait time.Duration) (int, error)

	// Wait is how long an answer is waited for at present.
	Wait() time.Duration

	Sleep(ctx context.Context, d time.Duration)
	Sent() uint64 // probes so far
	Mark(now time.Time) Mark
	SlowDown(share float64, why Cause) // to a share of the present rate
	Revalidate()                       // have the engine look up its next hops again
	Paths() []engine.Path              // the ways out, by Layout.Group; nil if they are not known

	// Void takes back the tries of silent endpoints whose probes left in a void.
	Void(voids []Void)
}

// Cause is why a scan is slowed down: FewerAnswers, RouterErrors, or what an engine
// ran short of.
type Cause any

// FewerAnswers: of the controls a smaller share answered while the scan went on
// than while it paused. Shares are from 0 to 1.
type FewerAnswers struct{ Loaded, Paused float64 }

// Watch asks endpoints again that have answered, and finds out from that in which
// parts of the scan silence is no evidence, and whether the scan's own pace or the
// path is to blame. The receiver of answers calls MarkControls and Answered, one
// other goroutine the rest.
type Watch struct {
	scan Scan
	next time.Time // no Check before

	mu       sync.Mutex
	controls controls
	outages  []Outage
	lost     bool
	dead     map[int]engine.Path // groups of which nobody can be asked
	alone    map[int]engine.Path // groups of which nothing but the next hop has answered
}

// NewWatch watches a scan that begins now.
func NewWatch(s Scan, l Layout, now time.Time) *Watch {
	return &Watch{
		scan: s, controls: newControls(l, now),
		dead: make(map[int]engine.Path), alone: make(map[int]engine.Path),
	}
}

// Answers reports whether something that is not this machine answered.
func Answers(r probe.Reason) bool {
	return r != probe.NoResponse && r != probe.LocalError && r != probe.NoNeighbor
}

// MarkControls sets isControl[i] where answers[i] answers a control probe.
func (w *Watch) MarkControls(answers []engine.Answer, isControl []bool) {
	unasked := func(a engine.Answer) bool { return a.Try == 0 || a.Try > engine.MaxTries }
	if clear(isControl); !slices.ContainsFunc(answers, unasked) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range answers {
		switch a := &answers[i]; {
		case a.Neighbor || !Answers(a.Reason):
			isControl[i] = a.Try > engine.MaxTries
		case a.Try > engine.MaxTries:
			w.controls.answered(a.Index)
			isControl[i] = true
		default:
			isControl[i] = a.Try == 0 && w.controls.answered(a.Index)
		}
	}
}

// An Answerer is an endpoint that answered, and how.
type Answerer struct {
	Index uint64
	Kind  Kind
}

// Answered takes in endpoints that have answered for the first time: from now on
// they are controls.
func (w *Watch) Answered(all []Answerer, now time.Time) {
	if len(all) == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range all {
		w.controls.known(a.Index, a.Kind, now)
	}
}

// Check deals with a path that has failed, and returns the control probes that are
// due: they leave among the next probes of the scan, at random places, so that what
// becomes of them is what becomes of those. The error is that of Scan.Ask, or
// PathLost.
func (w *Watch) Check(ctx context.Context, now time.Time) ([]Control, error) {
	if now.Before(w.next) {
		return nil, nil
	}
	w.next = now.Add(glance)
	picks, failed := w.step(now)
	if failed {
		return nil, w.rest(ctx)
	}
	w.expect(picks, now)
	return picks, nil
}

// rest pauses the scan and asks the controls of what has failed, ever later, until
// something works again. It returns PathLost if nothing does in time.
func (w *Watch) rest(ctx context.Context) error {
	w.pause(time.Now())
	defer w.pause(time.Time{})
	asked, pause, last := 0, firstRest, w.answered()
	for spent := time.Duration(0); spent < patience; spent += pause {
		if before := w.answered(); asked > 0 && before == last {
			pause = min(2*pause, longRest)
		} else {
			last = before
		}
		n, err := w.askAgain(ctx, pause, func(p *part) bool { return p.State() == Fails })
		if err != nil || ctx.Err() != nil {
			return err
		}
		asked += n
		if !w.hasFailed() {
			return nil
		}
	}
	w.giveUp(func(p *part) bool { return p.State() == Fails })
	if w.hasFailed() {
		return PathLost{Asked: asked, Never: w.answered() == 0}
	}
	return nil
}

// askAgain pauses, sends control probes to the parts that want selects, and waits
// for what becomes of them.
func (w *Watch) askAgain(ctx context.Context, pause time.Duration, want func(p *part) bool) (asked int, err error) {
	w.scan.Revalidate()
	w.scan.Sleep(ctx, pause)
	now, sent := time.Now(), w.scan.Sent()
	w.mu.Lock()
	picks := w.controls.round(now, sent, true, want)
	w.mu.Unlock()
	if err := w.ask(ctx, picks, now); err != nil {
		return len(picks), err
	}
	_ = w.await(ctx) // the caller looks at ctx
	return len(picks), nil
}

// await waits for what becomes of all control probes. The error is the context's.
func (w *Watch) await(ctx context.Context) error {
	for ctx.Err() == nil {
		now := time.Now()
		w.mu.Lock()
		s := w.controls.settle(now)
		left := len(w.controls.flights.list)
		w.mu.Unlock()
		w.apply(s)
		if left == 0 {
			break
		}
		w.scan.Sleep(ctx, glance)
	}
	return ctx.Err()
}

// pause notes that the scan pauses, or goes on.
func (w *Watch) pause(since time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.controls.pausedSince = since
}

func (w *Watch) answered() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.controls.hits
}

func (w *Watch) hasFailed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.controls.failed()
}

// giveUp reports the parts that want selects as lost.
func (w *Watch) giveUp(want func(p *part) bool) {
	now := w.scan.Mark(time.Now())
	var s settled
	w.mu.Lock()
	w.controls.judge(func(p *part) {
		if !want(p) {
			return
		}
		if c := p.Accept(now); c.Works {
			w.controls.add(&s, p, c)
			return
		}
		v := p.void(Interval{p.Settled(), now}, 0, true)
		v.Lost, w.lost = true, true
		s.voids = append(s.voids, v)
	})
	w.mu.Unlock()
	w.apply(s)
}

// nextHopPatience is how long a next hop that does not answer is waited for: the kernel asks
// one that it knows only five seconds after it was given packets, and gives up after three.
const nextHopPatience = 10 * time.Second

// ConfirmNextHops makes sure of the next hops of groups of which nobody has answered: they
// are the only controls there. What was asked by one that does not answer in time is lost.
func (w *Watch) ConfirmNextHops(ctx context.Context) {
	var open map[int]engine.Path
	for spent := time.Duration(0); ctx.Err() == nil; spent += firstRest {
		open = w.unanswered()
		if len(open) == 0 || spent >= nextHopPatience {
			break
		}
		w.scan.Revalidate()
		w.scan.Sleep(ctx, firstRest)
	}
	if len(open) == 0 || ctx.Err() != nil {
		return
	}
	now := w.scan.Mark(time.Now())
	var s settled
	w.mu.Lock()
	for group, p := range open {
		s.voids = append(s.voids, Void{Interval: Interval{w.controls.begun, now}, Group: group, Lost: true})
		w.dead[group], w.lost = p, true
	}
	w.mu.Unlock()
	w.apply(s)
}

// unanswered are the paths by which nobody has answered and whose next hops do not answer
// either. Those that do are noted.
func (w *Watch) unanswered() map[int]engine.Path {
	open := make(map[int]engine.Path)
	paths := w.scan.Paths()
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.alone)
	for group, p := range paths {
		_, dead := w.dead[group]
		switch {
		case dead || w.controls.answering(group) > 0 || p.State == engine.PathDirect:
		case p.State == engine.PathAlive:
			w.alone[group] = p
		default:
			open[group] = p
		}
	}
	return open
}

// Dead is the way to an endpoint that could not be asked because its next hop did not
// answer.
func (w *Watch) Dead(index uint64) (p engine.Path, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.dead) == 0 {
		return p, false
	}
	p, ok = w.dead[w.controls.Group(index)]
	return p, ok
}

// Alone are the ways by which nobody has answered but the next hop.
func (w *Watch) Alone() (out []engine.Path) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, group := range slices.Sorted(maps.Keys(w.alone)) {
		if w.controls.group(group, Direct).seen == 0 { // nor is one named
			out = append(out, w.alone[group])
		}
	}
	return out
}

// Confirm makes sure that what has been silent up to now is: that controls of each
// part answer after the last probe. Parts of which none does in time are lost. The
// error is that of Scan.Ask.
func (w *Watch) Confirm(ctx context.Context) error {
	w.ConfirmNextHops(ctx)
	w.pause(time.Now())
	defer w.pause(time.Time{})
	end := w.scan.Mark(time.Now())
	open := func(p *part) bool { return p.Settled().before(end) }
	pause, last := glance, w.answered()
	for spent := time.Duration(0); spent < patience && ctx.Err() == nil; spent += pause {
		if !w.anyJudged(open) {
			return nil
		}
		if _, err := w.askAgain(ctx, pause, open); err != nil {
			return err
		}
		if n := w.answered(); n > last { // the next parts may be asked at once
			pause, last = glance, n
			continue
		}
		pause = min(max(2*pause, 10*roundEvery), longRest)
	}
	if ctx.Err() == nil {
		w.giveUp(open)
		w.mu.Lock()
		lost := w.controls.lose(w.scan.Mark(time.Now()))
		w.lost = w.lost || len(lost) > 0
		w.mu.Unlock()
		w.apply(settled{voids: lost})
	}
	return nil
}

func (w *Watch) anyJudged(want func(p *part) bool) (any bool) {
	w.mu.Lock()
	s := w.controls.settle(time.Now())
	w.mu.Unlock()
	w.apply(s)
	w.mu.Lock()
	defer w.mu.Unlock()
	any = len(w.controls.suspects) > 0
	w.controls.judge(func(p *part) { any = any || want(p) })
	return any
}

// GiveUp notes that the scan ends although silence in a void was not made up for.
func (w *Watch) GiveUp() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lost = true
}

// Lost reports whether a part was lost for good.
func (w *Watch) Lost() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lost
}

// Asked is how many control probes were sent, and how many were answered.
func (w *Watch) Asked() (asked, answered uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.controls.asked, w.controls.hits
}

// Compare slows the scan down if it loses far more of its probes, 0 to 1, than of
// those to controls, which in a small scan leave mostly while it pauses.
func (w *Watch) Compare(loss float64) {
	w.mu.Lock()
	direct := w.controls.direct
	w.mu.Unlock()
	if direct.asked >= enough && direct.raw()-(1-loss) >= noticeable {
		w.slowDown(1-loss, direct.raw())
	}
}

// slowDown slows down to what was answered of what would have been without load.
func (w *Watch) slowDown(loaded, paused float64) {
	w.scan.SlowDown(max(loaded/paused, leastShare), FewerAnswers{Loaded: loaded, Paused: paused})
}

// Suspect takes in the gaps in the history of a scan, one of whose passes has ended.
func (w *Watch) Suspect(gaps []Gap) {
	end := w.scan.Mark(time.Now())
	w.mu.Lock()
	s := settled{voids: w.controls.suspect(gaps, end)}
	w.mu.Unlock()
	w.apply(s)
}

// Round sends a round of control probes when one is due, and leaves a path that has
// failed to Confirm.
func (w *Watch) Round(ctx context.Context, now time.Time) error {
	picks, failed := w.step(now)
	if failed {
		return nil
	}
	return w.ask(ctx, picks, now)
}

// step takes in what is known at now, and chooses the controls of a round. failed
// reports that nothing works of what can be judged.
func (w *Watch) step(now time.Time) (picks []Control, failed bool) {
	sent, silent := w.scan.Sent(), w.scan.Mark(now).Pass > 1
	w.mu.Lock()
	s := w.controls.settle(now)
	if failed = w.controls.failed(); !failed && !now.Before(w.controls.next) {
		if silent {
			picks, _ = w.controls.sampled(now, w.controls.budget.left(sent))
			w.controls.spent += uint64(len(picks))
		}
		if len(picks) == 0 {
			picks = w.controls.round(now, sent, false, nil)
		}
	}
	w.mu.Unlock()
	w.apply(s)
	return picks, failed
}

// apply makes the scan do what follows from outcomes.
func (w *Watch) apply(s settled) {
	if len(s.voids) > 0 {
		w.mu.Lock()
		for _, v := range s.voids {
			if v.Sure {
				w.addOutage(v)
			}
		}
		w.mu.Unlock()
		w.scan.Void(s.voids)
	}
	if s.pace != nil {
		w.slowDown(s.pace.Loaded, s.pace.Rested)
	}
}

// ask sends control probes.
func (w *Watch) ask(ctx context.Context, picks []Control, now time.Time) error {
	if len(picks) == 0 {
		return nil
	}
	wait := w.expect(picks, now)
	n, err := w.scan.Ask(ctx, picks, wait)
	w.Withdraw(picks[n:])
	return err
}

// expect makes answers to control probes count, which may come before Send returns.
func (w *Watch) expect(picks []Control, now time.Time) (wait time.Duration) {
	wait, at := w.scan.Wait(), w.scan.Mark(now)
	if len(picks) > 0 {
		w.mu.Lock()
		w.controls.leave(picks, at, wait)
		w.controls.asked += uint64(len(picks))
		w.mu.Unlock()
	}
	return wait
}

// Withdraw takes back control probes that have not left.
func (w *Watch) Withdraw(unsent []Control) {
	if len(unsent) == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.controls.asked -= w.controls.withdraw(unsent)
}

// PathLost is the error of a scan whose controls have stopped answering.
type PathLost struct {
	Asked int  // control probes since the path failed
	Never bool // no control has ever answered: they were named
}

func (e PathLost) Error() string {
	if e.Never {
		return "the controls that were named do not answer: what is silent proves nothing"
	}
	return fmt.Sprintf("none of %d hosts that had answered did so again, and no other host: "+
		"the path to them is lost, or closed to this machine", e.Asked)
}
