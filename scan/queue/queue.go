package queue

import (
	"context"
	"sync"
)

// Max bounds the items that wait for a slow reader, as far as the writer calls Wait.
const Max = 65536

// Queue calls a function with items, in order and in a goroutine of its own,
// so that a slow one delays neither sending nor receiving. After the function's
// first error it is not called again.
type Queue[T any] struct {
	emit   func(T) error
	failed func(error) // called with the first error

	mu     sync.Mutex
	queue  []T
	closed bool
	err    error

	more chan struct{} // something was queued, or closed was set
	room chan struct{} // the queue was taken
	done chan struct{}
}

// Start makes a Queue that calls emit with each item, and failed with its first error.
func Start[T any](emit func(T) error, failed func(error)) *Queue[T] {
	q := &Queue[T]{
		emit: emit, failed: failed,
		more: make(chan struct{}, 1), room: make(chan struct{}, 1), done: make(chan struct{}),
	}
	go q.run()
	return q
}

// Put queues items and never blocks.
func (q *Queue[T]) Put(items ...T) {
	if len(items) == 0 {
		return
	}
	q.mu.Lock()
	if q.err == nil {
		q.queue = append(q.queue, items...)
	}
	q.mu.Unlock()
	signal(q.more)
}

// Wait blocks while the queue is full. One goroutine may wait.
func (q *Queue[T]) Wait(ctx context.Context) {
	for q.full() {
		select {
		case <-q.room:
		case <-ctx.Done():
			return
		}
	}
}

func (q *Queue[T]) full() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.queue) >= Max
}

// Close delivers what is queued, ends the goroutine and returns emit's error.
func (q *Queue[T]) Close() error {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	signal(q.more)
	<-q.done
	return q.err
}

func (q *Queue[T]) run() {
	defer close(q.done)
	for {
		items, closed := q.take()
		for _, item := range items {
			if err := q.emit(item); err != nil {
				q.stop(err)
				break
			}
		}
		if closed && len(items) == 0 {
			return
		}
		if len(items) == 0 {
			<-q.more
		}
	}
}

func (q *Queue[T]) take() (items []T, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	items, q.queue = q.queue, nil
	if len(items) > 0 {
		signal(q.room)
	}
	return items, q.closed
}

// stop keeps the first error and drops everything from then on.
func (q *Queue[T]) stop(err error) {
	q.mu.Lock()
	q.err, q.queue = err, nil
	q.mu.Unlock()
	signal(q.room)
	q.failed(err)
}

// signal leaves a token in a channel of capacity one, if there is none yet.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
