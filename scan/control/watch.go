package control

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"onmux/scan/engine"
)

const (
	sampleSize  = 32                     // hosts that are asked again at a time
	sampleCost  = 100                    // … after so many times as many other probes
	maxKnown    = 1024                   // hosts that are remembered for it
	sampleEvery = 500 * time.Millisecond // at most
	samplePoll  = time.Millisecond       // how often it is looked whether a sample is complete

	// noticeable is the least fall of the share of answers that is acted upon: more
	// than two standard deviations of two samples, where half of them answer.
	noticeable = 0.3
)

// Scan is the scan that a Watch watches. Its methods are called by the goroutine
// that calls Check or Confirm, and may block.
type Scan interface {
	// Repeat asks endpoints, by their index in the plan, outside of passes, and
	// returns how many probes left, of the first. An error ends the scan.
	Repeat(ctx context.Context, indexes []uint64, wait time.Duration) (int, error)

	// Wait is how long an answer is waited for at present.
	Wait() time.Duration

	Sleep(ctx context.Context, d time.Duration)
	Sent() uint64 // probes so far
	SlowDown(why Cause)
	Revalidate() // have the engine look up its next hops again
}

// Cause is why a scan is slowed down: FewerAnswers, RouterErrors, or what an engine
// ran short of.
type Cause any

// FewerAnswers: of hosts that had answered, a smaller share did so while the scan
// went on than while it paused. Shares are from 0 to 1.
type FewerAnswers struct{ Loaded, Paused float64 }

// Watch asks hosts again that have answered: what becomes of that shows whether
// the scan itself makes answers fail, which silence never does. The receiver of
// answers calls IsRepeat and Answered, one other goroutine the rest.
type Watch struct {
	scan Scan

	mu       sync.Mutex
	off      bool     // another question is expensive for the engine or its targets
	known    []uint64 // endpoints that answered, and were not asked again
	pending  map[uint64]bool
	asked    int // of the present sample
	answered int
	due      time.Time // when the sample is over
	next     time.Time // no sample before
	after    uint64    // nor before so many probes
	usual    float64   // the share of answers that the scan's pace does not change
	met      int       // hosts that answered for the first time since the last sample
	outage   bool      // all had stopped for a while, and silence of that time is worth nothing
	outages  bool      // that has happened in this scan
	lost     bool      // they have stopped
}

// NewWatch watches a scan. With off it does nothing: where the kernel connects it
// sends a SYN again by itself, and another connection would disturb services.
func NewWatch(s Scan, off bool) *Watch {
	return &Watch{scan: s, off: off, pending: make(map[uint64]bool), usual: 1, after: sampleSize * sampleCost}
}

// MarkRepeats sets repeats[i] where answers[i] answers a probe of a sample.
func (w *Watch) MarkRepeats(answers []engine.Answer, repeats []bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range answers {
		at := answers[i].Index
		repeats[i] = w.pending[at]
		if repeats[i] {
			delete(w.pending, at)
			w.answered++
		}
	}
}

// Answered notes endpoints that answered by themselves for the first time.
func (w *Watch) Answered(indexes []uint64) {
	if len(indexes) == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.met += len(indexes)
	for _, i := range indexes {
		switch {
		case w.off:
		case len(w.known) < maxKnown:
			w.known = append(w.known, i)
		default:
			w.known[rand.N(maxKnown)] = i
		}
	}
}

// Check asks known hosts again from time to time. If fewer answer than usual, it
// pauses, asks others, and slows the scan down if more answer then: answers are
// lost because of its pace, and not in any case. The error is that of Scan.Repeat,
// or PathLost.
func (w *Watch) Check(ctx context.Context, now time.Time) error {
	w.mu.Lock()
	waiting, due := w.asked > 0, !now.Before(w.due)
	ready := !w.off && !waiting && len(w.known) >= 2*sampleSize && !now.Before(w.next)
	after := w.after
	w.mu.Unlock()
	switch {
	case ready && w.scan.Sent() >= after:
		return w.ask(ctx, now)
	case !waiting || !due:
		return nil
	}
	loaded, stopped := w.settle()
	if loaded > w.usual-noticeable {
		return nil
	}
	w.scan.Revalidate()
	w.scan.Sleep(ctx, w.scan.Wait()) // what is under way passes by
	if err := w.ask(ctx, time.Now()); err != nil {
		return err
	}
	w.scan.Sleep(ctx, w.scan.Wait())
	if ctx.Err() != nil {
		return nil
	}
	paused, stoppedToo := w.settle()
	switch {
	case stoppedToo:
		return w.waitForRecovery(ctx)
	case paused < loaded+noticeable:
		w.usual = loaded
	case stopped && w.noteOutage(): // once, that is more likely the path's doing than the pace's
	default:
		w.scan.SlowDown(FewerAnswers{Loaded: loaded, Paused: paused})
	}
	return nil
}

// ask sends a sample.
func (w *Watch) ask(ctx context.Context, now time.Time) error {
	wait := w.scan.Wait()
	var sample [sampleSize]uint64
	n := w.take(sample[:], now.Add(wait))
	sent, err := w.scan.Repeat(ctx, sample[:n], wait)
	if sent < n {
		w.mu.Lock()
		for _, i := range sample[sent:n] {
			delete(w.pending, i)
		}
		w.asked = sent
		w.mu.Unlock()
	}
	return err
}

// take chooses a sample, whose answers are waited for until due, and returns its size.
func (w *Watch) take(sample []uint64, due time.Time) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := min(len(sample), len(w.known))
	for j := range n {
		at, last := rand.N(len(w.known)), len(w.known)-1
		sample[j] = w.known[at]
		w.known[at] = w.known[last]
		w.known = w.known[:last]
		w.pending[sample[j]] = true
	}
	w.asked, w.answered, w.due = n, 0, due
	return n
}

// settle ends a sample: the share of hosts that answered, 1 without any, and
// whether all have stopped. They may be asked again then.
func (w *Watch) settle() (share float64, stopped bool) {
	sent := w.scan.Sent()
	w.mu.Lock()
	defer w.mu.Unlock()
	share, stopped = 1.0, w.stopped()
	if w.asked > 0 {
		share = float64(w.answered) / float64(w.asked)
	}
	if stopped {
		w.known = slices.AppendSeq(w.known, maps.Keys(w.pending))
	}
	clear(w.pending)
	w.asked, w.answered, w.met = 0, 0, 0
	w.next, w.after = time.Now().Add(sampleEvery), sent+sampleSize*sampleCost
	return share, stopped
}
