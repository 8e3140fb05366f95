package queue

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

type numbered int

// TestQueueBoundsItsQueue checks that a writer who never stops waits for one
// who reads slowly, and that nothing is lost or out of order.
func TestQueueBoundsItsQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := numbered(0)
		release := make(chan struct{})
		e := Start(func(f numbered) error {
			if next == 0 {
				<-release
			}
			if f != next {
				t.Errorf("%v came instead of %v", f, next)
			}
			next++
			return nil
		}, func(error) {})
		const all = 4 * Max
		put := 0
		go func() {
			for ; put < all; put++ {
				e.Wait(t.Context())
				e.Put(numbered(put))
			}
			e.Close()
		}()
		synctest.Wait()
		if put < Max || put > 2*Max {
			t.Errorf("%d findings wait for a reader who is stuck", put)
		}
		close(release)
		<-e.done
		if next != all {
			t.Errorf("%d of %d were emitted", next, all)
		}
	})
}

func TestQueueStopsAtTheFirstError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken pipe")
		calls, failed := 0, 0
		e := Start(func(numbered) error { calls++; return broken }, func(error) { failed++ })
		for i := range 3 * Max {
			e.Wait(t.Context()) // must not block for ever
			e.Put(numbered(i))
		}
		if err := e.Close(); err != broken || calls != 1 || failed != 1 {
			t.Errorf("%v after %d calls, %d times reported", err, calls, failed)
		}
	})
}

func TestQueueWaitEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		e := Start(func(numbered) error { <-release; return nil }, func(error) {})
		e.Put(numbered(0))
		synctest.Wait()
		e.Put(make([]numbered, Max)...)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		e.Wait(ctx)
		close(release)
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
}
