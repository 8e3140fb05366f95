package connect

import (
	"context"
	"io"
	"iter"
	"net/netip"
	"runtime"
	"sync"
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

// Engine is an engine.Engine that makes one attempt of probe.Do for each probe,
// many at the same time.
//
// When this machine is out of descriptors, ports or memory, the attempts that
// met it are made again, a little later and fewer at a time, and Send accepts
// nothing meanwhile and returns an error that wraps probe.ErrBusy. An attempt
// that could not be made for engine.BusyTimeout is answered with a local error.
type Engine struct {
	attempts  attempts
	answers   answerQueue
	ways      *ways // nil where they are not known
	neighbors *neighborLimit
	pool      *pool
	jobs      chan engine.Probe

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
	e.attempts.dropped = &counter{read: droppedPackets}
	if c.Targets != nil {
		e.ways = newWays(context.Background(), c.Targets)
	}
	return e
}

func newEngine(c Config, workers int64, ask askFunc) *Engine {
	ctx, cancel := context.WithCancel(context.Background())
	e := &Engine{
		answers:   answerQueue{queued: make(chan engine.Answer, queuedAnswers)},
		neighbors: newNeighborLimit(c.Own, c.Table),
		pool:      newPool(workers),
		jobs:      make(chan engine.Probe),
		cancel:    cancel,
		closing:   make(chan struct{}),
	}
	e.attempts = attempts{evidence: c.Evidence, local: c.Local, neighbors: e.neighbors, pool: e.pool, closing: e.closing}
	if c.Table != nil {
		e.attempts.refused = &counter{read: c.Table.Refused}
	}
	e.attempts.ask = func(to probe.Endpoint, o probe.Options) (probe.Result, error) {
		return e.attempts.one(ctx, to, o, ask)
	}
	return e
}

// Methods names TCP's method "connect" and UDP's "udp".
func (e *Engine) Methods() map[probe.Proto]string {
	return map[probe.Proto]string{probe.TCP: "connect", probe.UDP: "udp"}
}

// Notes are what the user should know when a scan is over.
func (e *Engine) Notes() []engine.Note { return e.neighbors.notes() }

// Pending is how many attempts are not over, with the answers that were not processed.
func (e *Engine) Pending() int { return int(e.answers.pending.Load()) }

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
	e.answers.pending.Add(1)
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
	e.answers.pending.Add(-1)
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
	if a.Result, ok = e.attempts.try(p); !ok {
		e.answers.pending.Add(-1)
		return
	}
	a.At = time.Now()
	a.Unsent = a.Reason == probe.NoNeighbor && e.ways.through(p.Index)
	e.answers.add(a, e.closing)
}

// Receive delivers answers as attempts end.
func (e *Engine) Receive(ctx context.Context, buf []engine.Answer) (int, error) {
	return e.answers.receive(ctx, buf)
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
		close(e.answers.queued)
	}
	return nil
}
