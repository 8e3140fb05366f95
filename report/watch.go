package report

import (
	"context"
	"errors"
	"time"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/report/phrase"
	"onmux/report/record"
)

// WatchJob is the Job of a check that goes on: the ports as they are, then what begins and
// stops listening on them, until the context ends or emit fails. With words, a verdict
// follows an event that changes it. The report is incomplete if the context ended because
// of late.
func WatchJob(r local.Request, timeout time.Duration, words bool, late error) Job {
	return func(ctx context.Context, emit func(record.Finding) error) (record.End, error) {
		watcher, err := local.NewWatcher(ctx, r)
		if err != nil {
			return record.End{}, err
		}
		defer watcher.Close()
		w := watching{Request: r, emit: emit}
		if words {
			w.words = make(map[probe.Port]local.Word)
		}
		end, err := CheckJob(r, timeout)(ctx, w.first)
		if err == nil {
			err = watcher.Run(ctx, func(e local.Event) error { return w.event(ctx, e) })
		}
		w.seen.Listening = uint64(watcher.Listening())
		end.Watched, end.Coverage = &w.seen, append(end.Coverage, phrase.WatchCoverage())
		end.Complete = !errors.Is(context.Cause(ctx), late)
		if errors.Is(err, ErrEnded) || ctx.Err() != nil {
			err = nil
		}
		return end, err
	}
}

// watching is what a watch has seen.
type watching struct {
	local.Request
	emit  func(record.Finding) error
	words map[probe.Port]local.Word // verdicts so far; nil: nobody expects any
	seen  record.Watched
}

// first emits a record of the ports as they are at first.
func (w *watching) first(f record.Finding) error {
	if v, ok := f.(local.Verdict); ok && w.words != nil {
		w.words[probe.Port{Number: v.Port, Proto: v.Proto}] = v.Verdict
	}
	return w.emit(f)
}

// event emits what happened, and the port's new verdict.
func (w *watching) event(ctx context.Context, e local.Event) error {
	if e.Event == local.Began {
		w.seen.Began++
	} else {
		w.seen.Stopped++
	}
	if err := w.emit(e); err != nil || w.words == nil {
		return err
	}
	p := probe.Port{Number: e.Port, Proto: e.Proto}
	now, err := Check(ctx, local.Request{Ports: []probe.Port{p}, IPv4: w.IPv4, IPv6: w.IPv6, Owners: w.Owners})
	if err != nil || now.Verdicts[0].Verdict == w.words[p] {
		return nil // the watch has ended, or the verdict is the same
	}
	w.words[p] = now.Verdicts[0].Verdict
	return w.emit(now.Verdicts[0])
}
