package job

import (
	"context"
	"fmt"
	"sync/atomic"

	"onmux/probe"
	"onmux/report/phrase"
	"onmux/report/record"
	"onmux/scan"
)

// errFirst is the cause with which a job's context ends when it has found enough.
type errFirst uint64

func (n errFirst) Error() string { return fmt.Sprintf("--first %d", uint64(n)) }

// first ends a job that has found so many open endpoints. The zero value does nothing.
type first struct {
	most  uint64 // 0: no bound
	stop  context.CancelCauseFunc
	found atomic.Uint64 // open endpoints that were judged, of whichever some are not emitted

	emitted uint64            // open endpoints
	left    map[string]uint64 // endpoints that have no record, by state: open ones, and silent ones
}

// counts reports whether r is one of the endpoints that are counted: not one that is open as
// every port of its host is, which is no evidence of a service.
func (*first) counts(r probe.Result) bool { return r.State == probe.Open && !r.IsDecoy() }

// judged notes an endpoint before it is emitted. It may be called concurrently.
func (f *first) judged(r probe.Result) {
	if f.most > 0 && f.counts(r) && f.found.Add(1) == f.most {
		f.stop(errFirst(f.most))
	}
}

// takes counts a finding that is emitted, or is not: what is open beyond what was asked for, and
// what was silent when the job stopped, for it may only not have answered yet. What else is
// known is emitted.
func (f *first) takes(ctx context.Context, found record.Finding) bool {
	var state probe.State
	var reason probe.Reason
	n := uint64(1)
	switch r := found.(type) {
	case probe.Result:
		if state, reason = r.State, r.Reason; f.counts(r) && f.emitted < f.most {
			f.emitted++
			return true
		}
		if !f.counts(r) && state == probe.Open {
			return true
		}
	case scan.Range:
		state, reason, n = r.State, r.Reason, r.Count
	default:
		return true
	}
	if state != probe.Open && (reason != probe.NoResponse || !stoppedAtFirst(ctx)) {
		return true
	}
	f.left[state.String()] += n
	return false
}

// stoppedAtFirst reports whether a job's context ended because it found enough.
func stoppedAtFirst(ctx context.Context) bool {
	_, ok := context.Cause(ctx).(errFirst)
	return ok
}

// run runs a job until it has emitted so many open endpoints.
func (f *first) run(
	ctx context.Context,
	emit func(record.Finding) error,
	do func(context.Context, func(record.Finding) error) (record.End, error),
) (record.End, error) {
	if f.most == 0 {
		return do(ctx, emit)
	}
	f.left = make(map[string]uint64)
	ctx, f.stop = context.WithCancelCause(ctx)
	defer f.stop(nil)
	end, err := do(ctx, func(found record.Finding) error {
		if !f.takes(ctx, found) {
			return nil
		}
		if f.emitted == f.most {
			f.stop(errFirst(f.most))
		}
		return emit(found)
	})
	if !stoppedAtFirst(ctx) || end.Complete && len(f.left) == 0 {
		return end, err
	}
	end.Complete, end.First = false, f.most
	open := f.left[probe.Open.String()]
	silent := uint64(0)
	for state, n := range f.left {
		end.Summary.Targets -= n
		end.Summary.NotReached += n
		if end.Summary.States[state] -= n; end.Summary.States[state] == 0 {
			delete(end.Summary.States, state)
		}
		if state != probe.Open.String() {
			silent += n
		}
	}
	end.Coverage = append(end.Coverage, phrase.StoppedAtFirst(f.most, open, silent))
	return end, err
}
