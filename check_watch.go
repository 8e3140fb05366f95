package main

import (
	"context"
	"errors"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/report"
	"onmux/report/phrase"
	"onmux/report/record"
)

// watching is a checker that goes on after its first report, until a signal or the deadline.
type watching struct {
	*checker
	words map[probe.Port]local.Word // verdicts so far
	seen  record.Watched
}

// readWatch rejects what does not go with --watch.
func (k *checker) readWatch() error {
	switch {
	case k.trace:
		return usageError(errors.New("--watch and --trace exclude each other"), "")
	case k.wait > 0:
		return usageError(errors.New("--watch and --wait exclude each other"), "--deadline bounds how long it watches")
	}
	for _, e := range k.expect {
		if e.IsCount() {
			return usageError(errors.New("--watch does not count: --expect "+e.String()), "name the verdicts of each port, as in --expect free")
		}
	}
	return nil
}

// watch reports the ports as they are, then what begins and stops listening on them.
func (k *checker) watch(ctx context.Context, emit func(record.Finding) error) (record.End, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer report.WhenUnread(k.stdout, cancel)()
	watcher, err := local.NewWatcher(ctx, local.Request{
		Ports: k.ports, All: k.all, IPv4: k.ipv4, IPv6: k.ipv6, Owners: k.needsOwners(), Unmask: k.unmask})
	if err != nil {
		return record.End{}, err
	}
	defer watcher.Close()
	w := watching{checker: k, words: make(map[probe.Port]local.Word)}
	end, err := k.check(ctx, func(f record.Finding) error {
		if v, ok := f.(local.Verdict); ok {
			w.words[probe.Port{Number: v.Port, Proto: v.Proto}] = v.Verdict
		}
		return emit(f)
	})
	if err == nil {
		err = watcher.Run(ctx, func(e local.Event) error { return w.event(ctx, e, emit) })
	}
	w.seen.Listening = uint64(watcher.Listening())
	end.Watched, end.Coverage = &w.seen, append(end.Coverage, phrase.WatchCoverage())
	end.Complete = !errors.Is(context.Cause(ctx), errDeadline)
	if errors.Is(err, report.ErrEnded) {
		err = nil
	}
	return end, err
}

// event emits what happened, and where that is expected not to be, the port's new verdict.
func (w *watching) event(ctx context.Context, e local.Event, emit func(record.Finding) error) error {
	if e.Event == local.Began {
		w.seen.Began++
	} else {
		w.seen.Stopped++
	}
	if err := emit(e); err != nil || len(w.expect) == 0 {
		return err
	}
	p := probe.Port{Number: e.Port, Proto: e.Proto}
	now, err := report.Check(ctx, local.Request{Ports: []probe.Port{p}, IPv4: w.ipv4, IPv6: w.ipv6, Words: true})
	if err != nil || now.Verdicts[0].Verdict == w.words[p] {
		return nil // the watch has ended, or nothing has changed for who expects something
	}
	w.words[p] = now.Verdicts[0].Verdict
	return emit(now.Verdicts[0])
}

// isWatch reports whether a command line has --watch.
func isWatch(args []string) bool {
	for _, a := range args {
		if a == "--watch" || a == "-watch" {
			return true
		}
	}
	return false
}
