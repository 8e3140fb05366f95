package connect

import (
	"context"
	"io"
	"sync"
	"sync/atomic"

	"onmux/scan/engine"
)

// answerQueue has the answers between the workers and the one goroutine that receives them.
type answerQueue struct {
	queued    chan engine.Answer // closed after the last worker has ended
	late      lateAnswers
	delivered int64        // by the last receive
	pending   atomic.Int64 // attempts that are not over, and answers that were not processed
}

// add queues an answer. It does not block for good once the engine is being closed.
func (q *answerQueue) add(a engine.Answer, closing <-chan struct{}) {
	select {
	case q.queued <- a:
	case <-closing:
		q.late.add(a)
	}
}

// receive moves answers into buf, waits for the first, and returns how many. After the last the
// error is io.EOF.
func (q *answerQueue) receive(ctx context.Context, buf []engine.Answer) (n int, err error) {
	q.pending.Add(-q.delivered)
	defer func() { q.delivered = int64(n) }()
	select {
	case a, ok := <-q.queued:
		if !ok {
			if n = q.late.take(buf); n == 0 {
				return 0, io.EOF
			}
			return n, nil
		}
		buf[0] = a
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	n = 1
	for n < len(buf) {
		select {
		case a, ok := <-q.queued:
			if !ok {
				return n, nil
			}
			buf[n] = a
			n++
		default:
			return n, nil
		}
	}
	return n, nil
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
