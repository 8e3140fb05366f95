package connect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"onmux/probe"
	"onmux/scan/engine"
	"onmux/scan/link"
)

const (
	maxAttempts     = 16384 // at the same time: half of the usual ephemeral ports
	reservedFiles   = 128   // descriptors left to the rest of the process
	queuedAnswers   = 1024
	shortestBackoff = 4 * time.Millisecond
	longestBackoff  = 500 * time.Millisecond
)

// Targets are the endpoints of a scan, by index.
type Targets interface {
	Ports() []probe.Port
	PortOf(index uint64) int                 // the number of an endpoint's port among Ports
	Runs() iter.Seq2[netip.Addr, netip.Addr] // first and last address of each run of adjacent ones
	At(index uint64) probe.Endpoint
}

// Config describes an Engine.
type Config struct {
	Targets Targets // nil: by which way probes leave is not looked up

	Own      []netip.Prefix // networks of this machine: targets in them are its neighbors
	Attempts int            // at the same time, at most; 0 means as many as descriptors allow, up to 16,384
	Evidence bool           // collect Result.Evidence, which costs system calls
	Table    Table          // of neighbors; nil is the system's
	Local    probe.Local    // from where attempts are made
}

// askFunc makes one attempt: probe.Do.
type askFunc func(context.Context, probe.Endpoint, probe.Options) (probe.Result, error)

// Engine is an engine.Engine that makes one attempt of probe.Do for each probe,
// many at the same time.
//
// When this machine is out of descriptors, ports or memory, the attempts that
// met it are made again, a little later and fewer at a time, and Send accepts
// nothing meanwhile and returns an error that wraps probe.ErrBusy. An attempt
// that could not be made for engine.BusyTimeout is answered with a local error.
type Engine struct {
	ask       func(probe.Endpoint, probe.Options) (probe.Result, error)
	evidence  bool
	local     probe.Local
	ways      *ways // nil where they are not known
	neighbors neighborLimit
	refused   *counter // neighbors, by the table; nil where that is not known
	dropped   *counter // packets, by this machine's own firewall; nil if it is not watched
	pool      *pool

	jobs      chan engine.Probe
	answers   chan engine.Answer
	late      lateAnswers
	delivered int64        // by the last Receive
	pending   atomic.Int64 // attempts that are not over, and answers that were not processed

	cancel  context.CancelFunc // ends attempts
	closing chan struct{}      // closed by Close
	running sync.WaitGroup     // workers
}

// New makes an engine and raises the soft limit on open files to the hard one.
func New(c Config) *Engine {
	most := min(link.RaiseFileLimit()-reservedFiles, maxAttempts)
	if c.Attempts > 0 {
		most = min(most, c.Attempts)
	}
	if c.Table == nil {
		c.Table = systemTable()
	}
	e := newEngine(c, int64(max(most, 1)), probe.Do)
	e.dropped = &counter{read: droppedPackets}
	if c.Targets != nil {
		e.ways = newWays(context.Background(), c.Targets)
	}
	return e
}

func newEngine(c Config, workers int64, ask askFunc) *Engine {
	ctx, cancel := context.WithCancel(context.Background())
	n := &Engine{
		evidence:  c.Evidence,
		local:     c.Local,
		neighbors: newNeighborLimit(c.Own, c.Table),
		pool:      newPool(workers),
		jobs:      make(chan engine.Probe),
		answers:   make(chan engine.Answer, queuedAnswers),
		cancel:    cancel,
		closing:   make(chan struct{}),
	}
	if c.Table != nil {
		n.refused = &counter{read: c.Table.Refused}
	}
	n.ask = func(e probe.Endpoint, o probe.Options) (probe.Result, error) {
		return n.askOnce(ctx, e, o, ask)
	}
	return n
}

// resendWait is how long an attempt takes at least in which the kernel sends a second SYN
// and so shows that none can leave.
const resendWait = 1200 * time.Millisecond

// askOnce makes an attempt. Silence while the table of neighbors had no room proves nothing:
// the error is then probe.ErrNoRoom. Silence while this machine dropped packets is looked at for longer.
func (e *Engine) askOnce(
	ctx context.Context,
	to probe.Endpoint,
	o probe.Options,
	ask askFunc,
) (probe.Result, error) {
	refused, dropped, begun := e.refused.before(ctx, to.Addr), e.dropped.before(ctx, to.Addr), time.Now()
	r, err := ask(ctx, to, o)
	if err != nil || r.Reason != probe.NoResponse {
		return r, err
	}
	// By then the packet had been sent, also where the machine is busy and that took long.
	sent := time.Now().Add(-o.Timeout / 2)
	if early := begun.Add(roomPause); sent.Before(early) {
		sent = early
	}
	if e.refused.increased(ctx, to.Addr, refused, sent) {
		return probe.Result{}, fmt.Errorf("%s: %w, so that nothing may have left this machine", to, probe.ErrNoRoom)
	}
	if to.Proto == probe.TCP && o.Timeout < resendWait && e.dropped.increased(ctx, to.Addr, dropped, sent) {
		o.Timeout = resendWait
		return ask(ctx, to, o)
	}
	return r, nil
}

// Methods names TCP's method "connect" and UDP's "udp".
func (e *Engine) Methods() map[probe.Proto]string {
	return map[probe.Proto]string{probe.TCP: "connect", probe.UDP: "udp"}
}

// Notes are what the user should know when a scan is over.
func (e *Engine) Notes() []engine.Note { return e.neighbors.notes() }

// Pending is how many attempts are not over.
func (e *Engine) Pending() int { return int(e.pending.Load()) }

// Send starts an attempt for each probe. It blocks while as many are being made
// as this machine can make.
func (e *Engine) Send(ctx context.Context, batch []engine.Probe) (int, error) {
	for n, p := range batch {
		if err := e.pool.busy(); err != nil {
			return n, err
		}
		if err := e.neighbors.wait(ctx, p.Endpoint.Addr); err != nil {
			return n, err
		}
		if err := e.start(ctx, p); err != nil {
			return n, err
		}
	}
	return len(batch), nil
}

// start passes a probe to a worker: an idle one, a new one, or the next that is
// done. Workers stay: a goroutine for each attempt would grow its stack anew
// every time.
func (e *Engine) start(ctx context.Context, p engine.Probe) error {
	e.pending.Add(1)
	if offer(e.jobs, p) {
		return nil
	}
	runtime.Gosched() // most attempts at hosts nearby are over before this returns
	if offer(e.jobs, p) || e.pool.start(func() { e.running.Go(func() { e.work(p) }) }) {
		return nil
	}
	var err error
	select {
	case e.jobs <- p:
		return nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-e.closing:
		err = io.ErrClosedPipe
	}
	e.pending.Add(-1)
	return err
}

// offer passes a probe to an idle worker, if there is one.
func offer(jobs chan<- engine.Probe, p engine.Probe) bool {
	select {
	case jobs <- p:
		return true
	default:
		return false
	}
}

// work makes attempts until the engine is closed or has too many workers.
func (e *Engine) work(p engine.Probe) {
	for {
		e.deliver(p)
		if e.pool.leave() {
			return
		}
		select {
		case p = <-e.jobs:
		case <-e.closing:
			return
		}
	}
}

// deliver makes an attempt and queues its answer, if there was one.
func (e *Engine) deliver(p engine.Probe) {
	a := engine.Answer{Index: p.Index, Try: p.Try}
	var ok bool
	if a.Result, ok = e.attempt(p); !ok {
		e.pending.Add(-1)
		return
	}
	a.At = time.Now()
	a.Unsent = a.Reason == probe.NoNeighbor && e.ways.through(p.Index)
	select {
	case e.answers <- a:
	case <-e.closing:
		e.late.add(a)
	}
}

// attempt asks, again and again while this machine is short of something. It
// returns false after silence.
func (e *Engine) attempt(p engine.Probe) (probe.Result, bool) {
	o := probe.Options{
		Evidence: e.evidence, Timeout: p.Wait, Try: p.Try, Neighbor: e.neighbors.contains(p.Endpoint.Addr),
		Local: e.local,
	}
	if p.Try > engine.MaxTries { // a control answers the first, and another flow
		o.Try, o.Local = 1, e.local.WithoutPort()
	}
	r, err := e.ask(p.Endpoint, o)
	if errors.Is(err, probe.ErrBusy) {
		r, err = e.retry(p, o, err)
	}
	switch {
	case errors.Is(err, probe.ErrBusy):
		return probe.Result{Reason: probe.LocalError, Error: err.Error()}, true
	case err != nil: // closed meanwhile
		return r, false
	}
	e.pool.grow()
	return r, r.Reason != probe.NoResponse
}

// retry makes the attempt again, at growing intervals, until it could be made,
// BusyTimeout is over or the engine is closed; the error is then the shortage.
func (e *Engine) retry(p engine.Probe, o probe.Options, err error) (probe.Result, error) {
	var r probe.Result
	since, pause := time.Now(), shortestBackoff
	for errors.Is(err, probe.ErrBusy) {
		if !errors.Is(err, probe.ErrNoRoom) { // which other endpoints do not meet
			e.pool.shrink(err, pause+time.Millisecond)
		}
		if time.Since(since) >= engine.BusyTimeout {
			break
		}
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-e.closing:
			t.Stop()
			return r, err
		}
		pause = min(2*pause, longestBackoff)
		r, err = e.ask(p.Endpoint, o)
	}
	return r, err
}

// Receive delivers answers as attempts end.
func (e *Engine) Receive(ctx context.Context, buf []engine.Answer) (int, error) {
	e.pending.Add(-e.delivered)
	e.delivered = 0
	select {
	case a, ok := <-e.answers:
		if !ok {
			return e.receiveLate(buf)
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
	e.delivered = int64(n)
	return n, nil
}

// receiveLate delivers the answers that did not fit into the queue before Close.
func (e *Engine) receiveLate(buf []engine.Answer) (int, error) {
	n := e.late.take(buf)
	e.delivered = int64(n)
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Close ends all attempts and waits for them.
func (e *Engine) Close() error {
	first := e.pool.close()
	if first {
		close(e.closing)
	}
	e.cancel()
	e.running.Wait()
	if first {
		close(e.answers)
	}
	return nil
}

// lateAnswers are those that workers could not queue before Close.
type lateAnswers struct {
	mu   sync.Mutex
	list []engine.Answer
}

func (l *lateAnswers) add(a engine.Answer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, a)
}

// take moves answers into buf and returns how many.
func (l *lateAnswers) take(buf []engine.Answer) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := copy(buf, l.list)
	l.list = l.list[n:]
	return n
}
