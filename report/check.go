package report

import (
	"context"
	"errors"
	"fmt"
	"time"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/report/phrase"
	"onmux/report/record"
	"onmux/scan"
)

// Check looks at ports of this machine, and writes the sentences of the records.
func Check(ctx context.Context, r local.Request) (local.Report, error) {
	seen, err := local.Check(ctx, r)
	phrase.Complete(&seen)
	return seen, err
}

// CheckJob is the Job of a check: verdicts, each with the sockets behind it. A timeout that
// is not 0 bounds it.
func CheckJob(r local.Request, timeout time.Duration) Job {
	return func(ctx context.Context, emit func(record.Finding) error) (record.End, error) {
		whole := ctx
		if timeout > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, timeout)
			defer cancel()
		}
		seen, failed := Check(ctx, r)
		if errors.Is(failed, context.DeadlineExceeded) && whole.Err() == nil {
			failed = fmt.Errorf("the timeout of %s has passed", timeout)
		}
		end := record.End{
			Complete: failed == nil,
			Coverage: phrase.CheckCoverage(seen.Coverage), Hints: phrase.CheckHints(seen.Coverage),
		}
		end.Summary = scan.Summary{Targets: uint64(len(seen.Verdicts)), States: make(map[string]uint64)}
		holders := make(map[probe.Port][]local.Listener)
		for _, l := range seen.Listeners {
			p := probe.Port{Number: l.Port, Proto: l.Proto}
			holders[p] = append(holders[p], l)
		}
		for _, v := range seen.Verdicts {
			end.Summary.States[string(v.Verdict)]++
			if err := emit(v); err != nil {
				return end, err
			}
			for _, l := range holders[probe.Port{Number: v.Port, Proto: v.Proto}] {
				if err := emit(l); err != nil {
					return end, err
				}
			}
		}
		return end, failed
	}
}
