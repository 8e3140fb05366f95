package connect

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"onmux/probe"
)

const (
	minWorkers     = 16                     // however short this machine is of everything
	shrinkInterval = 100 * time.Millisecond // the number is lowered at most this often
)

// pool bounds how many workers there are: most, or fewer while this machine is
// short of descriptors, ports or memory.
type pool struct {
	most      int64
	limit     atomic.Int64 // workers allowed now
	succeeded atomic.Int64 // attempts that met no shortage
	busyUntil atomic.Int64 // until when this machine counts as short of something, Unix nanoseconds

	mu       sync.Mutex
	workers  int64
	closed   bool
	shrunk   time.Time
	shortage error // the last one
}

func newPool(most int64) *pool {
	p := &pool{most: most}
	p.limit.Store(most)
	return p
}

// start calls f, which starts a worker, if one more is allowed.
func (p *pool) start(f func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.workers >= p.limit.Load() {
		return false
	}
	p.workers++
	f()
	return true
}

// leave reports whether a worker is to end because there are too many.
func (p *pool) leave() bool {
	if p.limit.Load() == p.most {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.workers <= p.limit.Load() {
		return false
	}
	p.workers--
	return true
}

// grow allows one more worker after every minWorkers attempts without shortage.
func (p *pool) grow() {
	if p.limit.Load() < p.most && p.succeeded.Add(1)%minWorkers == 0 {
		p.limit.Add(1)
	}
}

// shrink lowers the number of workers by a quarter, at most once for all that
// meet the same shortage, and has busy fail until it is known whether the
// shortage is over.
func (p *pool) shrink(shortage error, pause time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.shortage = shortage
	p.busyUntil.Store(max(p.busyUntil.Load(), now.Add(pause).UnixNano()))
	if now.Sub(p.shrunk) >= shrinkInterval {
		p.shrunk = now
		p.limit.Store(min(max(p.workers*3/4, minWorkers), p.most))
	}
}

// busy is what this machine is short of now, without the endpoint that met it.
func (p *pool) busy() error {
	until := p.busyUntil.Load()
	if until == 0 || time.Now().UnixNano() >= until {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if no, ok := errors.AsType[syscall.Errno](p.shortage); ok {
		return fmt.Errorf("%w (%v)", probe.ErrBusy, no)
	}
	return probe.ErrBusy
}

// close allows no more workers, and reports whether it is the first call.
func (p *pool) close() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	first := !p.closed
	p.closed = true
	return first
}
