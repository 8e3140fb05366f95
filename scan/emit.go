package scan

import (
	"context"
	"sync"
)

// maxQueued bounds the findings that wait for a slow reader. Beyond it the scan
// sends nothing more until the reader has caught up; what is on its way is received
// and queued nevertheless.
const maxQueued = 65536

// emitter calls a function with findings, in order and in a goroutine of its own,
// so that a slow one delays neither sending nor receiving. After the function's
// first error it is not called again.
type emitter struct {
	emit   func(Finding) error
	failed func(error) // called with the first error

	mu     sync.Mutex
	queue  []Finding
	closed bool
	err    error

	more chan struct{} // something was queued, or closed was set
	room chan struct{} // the queue was taken
	done chan struct{}
}

func startEmitter(emit func(Finding) error, failed func(error)) *emitter {
	e := &emitter{
		emit: emit, failed: failed,
		more: make(chan struct{}, 1), room: make(chan struct{}, 1), done: make(chan struct{}),
	}
	go e.run()
	return e
}

// put queues findings and never blocks.
func (e *emitter) put(fs ...Finding) {
	if len(fs) == 0 {
		return
	}
	e.mu.Lock()
	if e.err == nil {
		e.queue = append(e.queue, fs...)
	}
	e.mu.Unlock()
	poke(e.more)
}

// wait blocks while the queue is full. One goroutine may wait.
func (e *emitter) wait(ctx context.Context) {
	for e.full() {
		select {
		case <-e.room:
		case <-ctx.Done():
			return
		}
	}
}

func (e *emitter) full() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.queue) >= maxQueued
}

// close delivers what is queued, ends the goroutine and returns emit's error.
func (e *emitter) close() error {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	poke(e.more)
	<-e.done
	return e.err
}

func (e *emitter) run() {
	defer close(e.done)
	for {
		fs, closed := e.take()
		for _, f := range fs {
			if err := e.emit(f); err != nil {
				e.stop(err)
				break
			}
		}
		if closed && len(fs) == 0 {
			return
		}
		if len(fs) == 0 {
			<-e.more
		}
	}
}

func (e *emitter) take() (fs []Finding, closed bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	fs, e.queue = e.queue, nil
	if len(fs) > 0 {
		poke(e.room)
	}
	return fs, e.closed
}

// stop keeps the first error and drops everything from then on.
func (e *emitter) stop(err error) {
	e.mu.Lock()
	e.err, e.queue = err, nil
	e.mu.Unlock()
	poke(e.room)
	e.failed(err)
}

// poke leaves a token in a channel of capacity one, if there is none yet.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
