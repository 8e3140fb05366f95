package scan

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

type numbered int

func (numbered) Kind() string { return "number" }

// TestEmitterBoundsItsQueue checks that a writer who never stops waits for one
// who reads slowly, and that nothing is lost or out of order.
func TestEmitterBoundsItsQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := numbered(0)
		release := make(chan struct{})
		e := startEmitter(func(f Finding) error {
			if next == 0 {
				<-release
			}
			if f != next {
				t.Errorf("%v came instead of %v", f, next)
			}
			next++
			return nil
		}, func(error) {})
		const all = 4 * maxQueued
		put := 0
		go func() {
			for ; put < all; put++ {
				e.wait(t.Context())
				e.put(numbered(put))
			}
			e.close()
		}()
		synctest.Wait()
		if put < maxQueued || put > 2*maxQueued {
			t.Errorf("%d findings wait for a reader who is stuck", put)
		}
		close(release)
		<-e.done
		if next != all {
			t.Errorf("%d of %d were emitted", next, all)
		}
	})
}

func TestEmitterStopsAtTheFirstError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken pipe")
		calls, failed := 0, 0
		e := startEmitter(func(Finding) error { calls++; return broken }, func(error) { failed++ })
		for i := range 3 * maxQueued {
			e.wait(t.Context()) // must not block for ever
			e.put(numbered(i))
		}
		if err := e.close(); err != broken || calls != 1 || failed != 1 {
			t.Errorf("%v after %d calls, %d times reported", err, calls, failed)
		}
	})
}

func TestEmitterWaitEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		e := startEmitter(func(Finding) error { <-release; return nil }, func(error) {})
		e.put(numbered(0))
		synctest.Wait()
		e.put(make([]Finding, maxQueued)...)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		e.wait(ctx)
		close(release)
		if err := e.close(); err != nil {
			t.Error(err)
		}
	})
}
