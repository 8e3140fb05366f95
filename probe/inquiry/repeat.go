package inquiry

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"onmux/probe"
)

// Repeat asks every endpoint again and again, as r says, all at the same pace, and
// hands each attempt to emit as it comes. When all are done, or the context ends, it
// returns the verdicts in the order of asked, and how many endpoints were asked less
// often than they should have been: without a count the context's end is the one that
// was asked for. An error of emit ends it, too, and is returned.
func (q *Inquiry) Repeat(ctx context.Context, r Repeat, asked []probe.Result,
	emit func(probe.Attempt) error) ([]probe.Result, int, error) {
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
			cut := err != nil && (r.Count > 0 || final.Attempts == nil)
			finals[i] = e
			if final.Attempts != nil {
				finals[i], err = q.finish(ctx, final)
				cut = cut || err != nil && r.Count > 0
			}
			if cut {
				short.Add(1)
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

// lastWords is how long what is asked beside the attempts may take when they were
// interrupted, which is how those without a count end.
const lastWords = 2 * time.Second

// finish completes the verdict of attempts.
func (q *Inquiry) finish(ctx context.Context, r probe.Result) (probe.Result, error) {
	if ctx.Err() != context.Canceled { // there is time, or a deadline that is not ours to extend
		return q.complete(ctx, r)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	return q.complete(ctx, r)
}
