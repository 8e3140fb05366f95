package inquiry

import (
	"context"
	"errors"
	"sync"
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
	p := &repetition{
		inquiry: q, repeat: r, attempts: make(chan probe.Attempt), slots: make(chan struct{}, parallel),
		over: make(chan struct{}),
	}
	p.update(ctx, endpoints, r.Count)
	if r.Refresh != nil {
		p.running.Go(func() { p.refresh(ctx) })
	}
	go func() { // ends with the last attempt, which the loop below waits for
		p.running.Wait()
		close(p.attempts)
	}()
	for a := range p.attempts {
		if err == nil {
			if err = emit(a); err != nil {
				cancel(err)
			}
		}
	}
	byName := make(families)
	for _, s := range p.series {
		byName.compare(&s.verdict)
		verdicts = append(verdicts, s.verdict)
		if s.cut {
			incomplete++
		}
	}
	return verdicts, incomplete, err
}

// repetition is a run of attempts at endpoints, to which others may come.
type repetition struct {
	inquiry  *Inquiry
	repeat   Repeat
	attempts chan probe.Attempt
	slots    chan struct{} // bounds how many attempts are made at the same time
	over     chan struct{} // closed when endpoints are not looked up any more
	running  sync.WaitGroup

	mu     sync.Mutex // guards series, and absent of each
	series []*endpointSeries
}

// endpointSeries is the attempts at one endpoint.
type endpointSeries struct {
	endpoint probe.Endpoint
	verdict  probe.Result
	cut      bool          // it had fewer attempts than it should have had
	absent   chan struct{} // closed when its name leads to it again; nil while it does
}

// refresh finds the endpoints anew before each attempt. Where that fails they stay.
func (p *repetition) refresh(ctx context.Context) {
	defer close(p.over)
	for n := 1; p.repeat.Count == 0 || n < p.repeat.Count; n++ {
		if probe.Sleep(ctx, p.repeat.Interval) != nil {
			return
		}
		left := 0 // no bound
		if p.repeat.Count > 0 {
			left = p.repeat.Count - n
		}
		if now, err := p.repeat.Refresh(ctx); err == nil && len(now) > 0 {
			p.update(ctx, now, left)
		}
	}
}

// update starts series of so many attempts at endpoints that are new, stops those that are
// not there any more, and goes on with those that are again.
func (p *repetition) update(ctx context.Context, now []probe.Result, count int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	present := make(map[probe.Endpoint]bool)
	for _, e := range now {
		present[e.Endpoint] = true
	}
	known := make(map[probe.Endpoint]bool)
	for _, s := range p.series {
		known[s.endpoint] = true
		switch there := present[s.endpoint]; {
		case there && s.absent != nil:
			close(s.absent)
			s.absent = nil
		case !there && s.absent == nil:
			s.absent = make(chan struct{})
		}
	}
	for _, e := range now {
		if !known[e.Endpoint] {
			s := &endpointSeries{endpoint: e.Endpoint, verdict: e}
			p.series = append(p.series, s)
			p.running.Go(func() { p.run(ctx, s, e, count) })
		}
	}
}

// run makes the attempts at one endpoint, and its verdict.
func (p *repetition) run(ctx context.Context, s *endpointSeries, e probe.Result, count int) {
	r := p.repeat
	r.Count = count
	final, err := r.Run(ctx, func(ctx context.Context) (probe.Result, error) {
		if err := p.wait(ctx, s); err != nil {
			return e, err
		}
		select {
		case p.slots <- struct{}{}:
			defer func() { <-p.slots }()
			return p.inquiry.attempt(ctx, e, probe.Do)
		case <-ctx.Done():
			return e, ctx.Err()
		}
	}, func(a probe.Attempt) { p.attempts <- a })
	gone := errors.Is(err, errGone)
	s.cut = err != nil && !gone && (r.Count > 0 || final.Attempts == nil)
	if final.Attempts != nil {
		s.verdict, err = p.inquiry.finish(ctx, final)
		s.cut = s.cut || err != nil && !gone && r.Count > 0
	}
}

// errGone ends the attempts at an endpoint to which its name has ceased to lead.
var errGone = errors.New("the name leads elsewhere")

// wait waits while the endpoint's name does not lead to it.
func (p *repetition) wait(ctx context.Context, s *endpointSeries) error {
	for {
		p.mu.Lock()
		absent := s.absent
		p.mu.Unlock()
		if absent == nil {
			return nil
		}
		select {
		case <-absent:
		case <-p.over:
			return errGone
		case <-ctx.Done():
			return ctx.Err()
		}
	}
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
