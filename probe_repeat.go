package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"onmux/probe"
	"onmux/report"
)

// Bounds of repeated attempts.
const (
	repeatEvery = time.Second
	repeatFast  = 10 * time.Millisecond // the shortest interval
	repeatMost  = 1_000_000             // attempts at each endpoint; 0 has no bound
)

func repeatFlags() []cli.Flag {
	return []cli.Flag{
		&cli.IntFlag{Name: "count", Aliases: []string{"c"}, Category: aboutLooking, Usage: "`N` attempts, each told; 0: until interrupted", DefaultText: "1"},
		&cli.DurationFlag{Name: "interval", Category: aboutLooking, Usage: "`TIME` from one attempt to the next", DefaultText: repeatEvery.String()},
	}
}

// readRepeat returns nil if attempts are not to be repeated.
func (s *session) readRepeat(c *cli.Context) (*probe.Repeat, error) {
	r := &probe.Repeat{Count: c.Int("count"), Interval: cmp.Or(c.Duration("interval"), repeatEvery)}
	switch {
	case c.IsSet("interval") && !c.IsSet("count"):
		return nil, usage(errors.New("--interval without --count: there is but one attempt"), "-c 10 makes ten, -c 0 goes on until interrupted")
	case !c.IsSet("count"):
		return nil, nil
	case r.Count < 0 || r.Count > repeatMost:
		return nil, usage(fmt.Errorf("--count %d is out of range", r.Count), fmt.Sprintf("1 to %d, or 0 until interrupted", repeatMost))
	case c.IsSet("interval") && c.Duration("interval") < repeatFast:
		return nil, usage(fmt.Errorf("--interval %s is too short", c.Duration("interval")), "at least "+repeatFast.String())
	case s.wait > 0:
		return nil, usage(errors.New("--count and --wait exclude each other"), "--wait repeats by itself until it holds; --deadline bounds --count")
	}
	return r, nil
}

// repeated asks every endpoint again and again, all at the same pace, and tells
// each attempt as it comes; the verdicts follow when all are done, or when the
// context ends. Without a count its end is the end that was asked for.
func (p *prober) repeated(ctx context.Context, asked []probe.Result, emit func(report.Finding) error) (report.End, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	attempts := make(chan probe.Attempt)
	finals := make([]probe.Result, len(asked))
	short := make([]bool, len(asked)) // of the count
	var all sync.WaitGroup
	slots := make(chan struct{}, probeParallel)
	for i, r := range asked {
		all.Go(func() {
			final, err := p.repeat.Run(ctx, func(ctx context.Context) (probe.Result, error) {
				select {
				case slots <- struct{}{}:
					defer func() { <-slots }()
					return p.attempt(ctx, r, probe.Ask)
				case <-ctx.Done():
					return r, ctx.Err()
				}
			}, func(a probe.Attempt) { attempts <- a })
			short[i] = err != nil && (p.repeat.Count > 0 || final.Attempts == nil)
			finals[i] = r
			if final.Attempts != nil {
				finals[i] = p.complete(ctx, final)
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
	end := p.begin(fmt.Sprintf("every address of the host that was found, each port %d times", p.repeat.Count))
	if p.repeat.Count == 0 {
		end = p.begin("every address of the host that was found, each port until interrupted")
	}
	cut := 0
	for i, r := range finals {
		if short[i] {
			end.Complete = false
			cut++
		}
		if broken == nil {
			broken = p.tell(&end, r, emit)
		}
	}
	if cut > 0 {
		end.Coverage = append(end.Coverage, fmt.Sprintf("cut off before the last attempt: %d of %d endpoints", cut, len(asked)))
	}
	return end, broken
}
