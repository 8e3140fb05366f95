package connect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"onmux/probe"
	"onmux/scan/engine"
	"onmux/scan/link"
)

const (
	maxAttempts     = 16384 // at the same time: half of the usual ephemeral ports
	minAttempts     = 16    // however short this machine is of everything
	spareFiles      = 128   // descriptors left to the rest of the process
	queuedAnswers   = 1024
	shortestBackoff = 4 * time.Millisecond
	longestBackoff  = 500 * time.Millisecond
	shrinkInterval  = 100 * time.Millisecond
)

// Config describes an engine without privileges.
type Config struct {
	Own      []netip.Prefix // networks of this machine: those in them are its neighbours
	Attempts int            // at the same time, at most; 0 means as many as descriptors allow, up to 16,384
	Evidence bool           // collect Result.Evidence, which costs system calls
}

// Engine is an Engine that needs no privileges: it asks TCP by
// connecting and UDP from connected sockets, one attempt of probe.Ask for each
// probe, many at the same time.
//
// When this machine is out of descriptors, ports or memory, the attempts that
// met it are made again, a little later and fewer at a time, and Send takes
// nothing meanwhile and returns an error that wraps probe.ErrBusy. An attempt
// that could not be made for half a minute is answered with a local error.
type Engine struct {
	ask     func(context.Context, probe.Endpoint, probe.Options) (probe.Result, error)
	options probe.Options
	most    int64 // workers
	near    nearby

	ctx    context.Context
	cancel context.CancelFunc
	jobs   chan engine.Probe

	answers chan engine.Answer
	rest    []engine.Answer // what was not taken before Close, once answers is closed
	handed  int64           // answers that the last Receive delivered

	pending atomic.Int64 // attempts that are not over, and answers that were not worked on
	limit   atomic.Int64 // workers allowed now
	good    atomic.Int64 // attempts that met no shortage
	tight   atomic.Int64 // until when this machine counts as short of something, Unix nanoseconds

	mu      sync.Mutex
	workers int64
	closed  bool
	shrunk  time.Time
	why     error // the last shortage
	running sync.WaitGroup
}

// New makes an engine and raises the soft limit on open files to the
// hard one.
func New(c Config) *Engine {
	most := min(link.RaiseFileLimit()-spareFiles, maxAttempts)
	if c.Attempts > 0 {
		most = min(most, c.Attempts)
	}
	e := &Engine{
		ask:     probe.Ask,
		options: probe.Options{Evidence: c.Evidence},
		near:    newNearby(c.Own),
		most:    int64(max(most, 1)),
		jobs:    make(chan engine.Probe),
		answers: make(chan engine.Answer, queuedAnswers),
	}
	e.limit.Store(e.most)
	e.ctx, e.cancel = context.WithCancel(context.Background())
	return e
}

// Methods names TCP's method "connect" and UDP's "udp".
func (e *Engine) Methods() map[probe.Proto]string {
	return map[probe.Proto]string{probe.TCP: "connect", probe.UDP: "udp"}
}

// Notes are what the user should know when a scan is over.
func (e *Engine) Notes() []engine.Note { return e.near.notes() }

// Pending is how many attempts are not over.
func (e *Engine) Pending() int { return int(e.pending.Load()) }

// Send starts an attempt for each probe. It blocks while as many as this
// machine bears are under way.
func (e *Engine) Send(ctx context.Context, batch []engine.Probe) (int, error) {
	for n, p := range batch {
		if e.tight.Load() > 0 && time.Now().UnixNano() < e.tight.Load() {
			return n, e.shortage()
		}
		if err := e.near.wait(ctx, &p); err != nil {
			return n, err
		}
		if err := e.start(ctx, p); err != nil {
			return n, err
		}
	}
	return len(batch), nil
}

// start hands a probe to a worker: an idle one, a new one, or the next that is
// done. Workers stay: a goroutine for each attempt would grow its stack anew
// every time.
func (e *Engine) start(ctx context.Context, p engine.Probe) error {
	e.pending.Add(1)
	if e.hand(p) {
		return nil
	}
	runtime.Gosched() // most attempts at hosts nearby are over before this returns
	if e.hand(p) || e.hire(p) {
		return nil
	}
	var err error
	select {
	case e.jobs <- p:
		return nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-e.ctx.Done():
		err = io.ErrClosedPipe
	}
	e.pending.Add(-1)
	return err
}

// hand gives a probe to an idle worker.
func (e *Engine) hand(p engine.Probe) bool {
	select {
	case e.jobs <- p:
		return true
	default:
		return false
	}
}

// hire starts a worker with its first probe, if one more is allowed.
func (e *Engine) hire(p engine.Probe) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || e.workers >= e.limit.Load() {
		return false
	}
	e.workers++
	e.running.Go(func() { e.work(p) })
	return true
}

// work makes attempts until the engine is closed or has too many workers.
func (e *Engine) work(p engine.Probe) {
	for {
		e.deliver(p)
		if e.dismissed() {
			return
		}
		select {
		case p = <-e.jobs:
		case <-e.ctx.Done():
			return
		}
	}
}

func (e *Engine) dismissed() bool {
	if e.limit.Load() == e.most {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.workers <= e.limit.Load() {
		return false
	}
	e.workers--
	return true
}

// deliver makes an attempt and queues its answer, if there was one.
func (e *Engine) deliver(p engine.Probe) {
	r, ok := e.attempt(p)
	if !ok {
		e.pending.Add(-1)
		return
	}
	a := engine.Answer{Index: p.Index, Try: p.Try, At: time.Now(), Result: r}
	select {
	case e.answers <- a:
	case <-e.ctx.Done():
		e.mu.Lock()
		e.rest = append(e.rest, a)
		e.mu.Unlock()
	}
}

// attempt asks, again and again while this machine is short of something. It is
// false after silence.
func (e *Engine) attempt(p engine.Probe) (probe.Result, bool) {
	o := e.options
	o.Timeout, o.Try, o.Neighbour = p.Wait, p.Try, e.near.holds(p.Endpoint.Addr)
	r, err := e.ask(e.ctx, p.Endpoint, o)
	if errors.Is(err, probe.ErrBusy) {
		r, err = e.persist(p, o, err)
	}
	switch {
	case errors.Is(err, probe.ErrBusy):
		return probe.Result{Reason: probe.LocalError, Error: err.Error()}, true
	case err != nil: // closed meanwhile
		return r, false
	}
	if e.limit.Load() < e.most && e.good.Add(1)%minAttempts == 0 {
		e.limit.Add(1)
	}
	return r, r.Reason != probe.NoResponse
}

// persist makes the attempt again, ever later, until it is made, patience is
// over or the engine is closed; the error is then the shortage.
func (e *Engine) persist(p engine.Probe, o probe.Options, err error) (probe.Result, error) {
	var r probe.Result
	since, pause := time.Now(), shortestBackoff
	for errors.Is(err, probe.ErrBusy) {
		if !errors.Is(err, probe.ErrNoRoom) { // there is for others
			e.shrink(err, pause+time.Millisecond)
		}
		if time.Since(since) >= engine.BusyTimeout {
			break
		}
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-e.ctx.Done():
			t.Stop()
			return r, err
		}
		pause = min(2*pause, longestBackoff)
		r, err = e.ask(e.ctx, p.Endpoint, o)
	}
	return r, err
}

// shrink lowers the number of workers by a quarter, at most once for all that
// meet the same shortage, and lets Send take nothing until it is known whether
// the shortage is over.
func (e *Engine) shrink(why error, pause time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	e.why = why
	e.tight.Store(max(e.tight.Load(), now.Add(pause).UnixNano()))
	if now.Sub(e.shrunk) >= shrinkInterval {
		e.shrunk = now
		e.limit.Store(min(max(e.workers*3/4, minAttempts), e.most))
	}
}

// shortage is what this machine is short of, without the endpoint that met it.
func (e *Engine) shortage() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	var no syscall.Errno
	if errors.As(e.why, &no) {
		return fmt.Errorf("%w (%v)", probe.ErrBusy, no)
	}
	return probe.ErrBusy
}

// Receive delivers answers as attempts end.
func (e *Engine) Receive(ctx context.Context, buf []engine.Answer) (int, error) {
	e.pending.Add(-e.handed)
	e.handed = 0
	select {
	case a, ok := <-e.answers:
		if !ok {
			return e.last(buf)
		}
		buf[0] = a
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	n := 1
	for more := true; more && n < len(buf); {
		select {
		case buf[n], more = <-e.answers:
			if more {
				n++
			}
		default:
			more = false
		}
	}
	e.handed = int64(n)
	return n, nil
}

// last delivers what Close found undelivered.
func (e *Engine) last(buf []engine.Answer) (int, error) {
	n := copy(buf, e.rest)
	e.rest = e.rest[n:]
	e.handed = int64(n)
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Close ends all attempts and waits for them.
func (e *Engine) Close() error {
	e.mu.Lock()
	was := e.closed
	e.closed = true
	e.mu.Unlock()
	e.cancel()
	e.running.Wait()
	if !was {
		close(e.answers)
	}
	return nil
}
