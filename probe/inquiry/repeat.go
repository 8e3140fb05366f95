package inquiry

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"onmux/probe"
)

// RunRepeatedly makes attempts at every endpoint as r demands, all at the same pace, and
// passes each to emit as it comes. When all are done, or the context ends, it returns the
// verdicts in the order of the endpoints, and how many endpoints had fewer attempts than
// they should have had: without a count the end of the context is the intended one. An
// error of emit ends it, too, and is returned.
func (q *Inquiry) RunRepeatedly(ctx context.Context, r Repeat, endpoints []probe.Result,
	emit func(probe.Attempt) error) (verdicts []probe.Result, incomplete int, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	attempts := make(chan probe.Attempt)
	verdicts = make([]probe.Result, len(endpoints))
	var short atomic.Int64 // of the count
	var all sync.WaitGroup
	slots := make(chan struct{}, parallel)
	for i, e := range endpoints {
		all.Go(func() {
			final, err := r.Run(ctx, func(ctx context.Context) (probe.Result, error) {
				select {
				case slots <- struct{}{}:
					defer func() { <-slots }()
					return q.attempt(ctx, e, probe.Do)
				case <-ctx.Done():
					return e, ctx.Err()
				}
			}, func(a probe.Attempt) { attempts <- a })
			cut := err != nil && (r.Count > 0 || final.Attempts == nil)
			verdicts[i] = e
			if final.Attempts != nil {
				verdicts[i], err = q.finish(ctx, final)
				cut = cut || err != nil && r.Count > 0
			}
			if cut {
				short.Add(1)
			}
		})
	}
	go func() { // ends with the last attempt, which the loop below waits for
		all.Wait()
		close(attempts)
	}()
	for a := range attempts {
		if err == nil {
			if err = emit(a); err != nil {
				cancel(err)
			}
		}
	}
	byName := make(families)
	for i := range verdicts {
		byName.compare(&verdicts[i])
	}
	return verdicts, int(short.Load()), err
}

// finishTime is how long the details of a verdict may take after the attempts were
// interrupted, which is how those without a count end.
const finishTime = 2 * time.Second

// finish completes the verdict of attempts.
func (q *Inquiry) finish(ctx context.Context, r probe.Result) (probe.Result, error) {
	if ctx.Err() != context.Canceled { // there is time, or a deadline that the caller set
		return q.addDetails(ctx, r, new(known))
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTime)
	defer cancel()
	return q.addDetails(ctx, r, new(known))
}
