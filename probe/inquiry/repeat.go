package inquiry

import (
	"context"
	"sync"
	"sync/atomic"

	"onmux/probe"
)

// Repeat asks every endpoint again and again, as r says, all at the same pace, and
// hands each attempt to emit as it comes. When all are done, or the context ends, it
// returns the verdicts in the order of asked, and how many endpoints were asked less
// often than they should have been: without a count the context's end is the one that
// was asked for. An error of emit ends it, too, and is returned.
func (q *Inquiry) Repeat(ctx context.Context, r probe.Repeat, asked []probe.Result, emit func(probe.Attempt) error) ([]probe.Result, int, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	attempts := make(chan probe.Attempt)
	finals := make([]probe.Result, len(asked))
	var short atomic.Int64 // of the count
	var all sync.WaitGroup
	slots := make(chan struct{}, parallel)
	for i, e := range asked {
		all.Go(func() {
			final, err := r.Run(ctx, func(ctx context.Context) (probe.Result, error) {
				select {
				case slots <- struct{}{}:
					defer func() { <-slots }()
					return q.attempt(ctx, e, probe.Ask)
				case <-ctx.Done():
					return e, ctx.Err()
				}
			}, func(a probe.Attempt) { attempts <- a })
			if err != nil && (r.Count > 0 || final.Attempts == nil) {
				short.Add(1)
			}
			finals[i] = e
			if final.Attempts != nil {
				finals[i] = q.complete(ctx, final)
			}
		})
	}
	go func() {
		all.Wait()
		close(attempts)
	}()
	var broken error
	for a := range attempts {
		if broken == nil {
			if broken = emit(a); broken != nil {
				cancel(broken)
			}
		}
	}
	against := make(families)
	for i := range finals {
		against.compare(&finals[i])
	}
	return finals, int(short.Load()), broken
}
