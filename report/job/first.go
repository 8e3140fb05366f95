package job

import (
	"context"
	"fmt"
	"sync/atomic"

	"onmux/probe"
	"onmux/report/phrase"
	"onmux/report/record"
)

// errFirst is the cause with which a job's context ends when it has found enough.
type errFirst uint64

func (n errFirst) Error() string { return fmt.Sprintf("--first %d", uint64(n)) }

// first ends a job that has found so many open endpoints. The zero value does nothing.
type first struct {
	most  uint64 // 0: no bound
	stop  context.CancelCauseFunc
	found atomic.Uint64 // open endpoints that were judged, of whichever some are not emitted

	emitted, left uint64 // open endpoints that were emitted, and others
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

// run runs a job until it has emitted so many open endpoints; what answers later as open
// is not emitted. The rest of what is known is.
func (f *first) run(
	ctx context.Context,
	emit func(record.Finding) error,
	do func(context.Context, func(record.Finding) error) (record.End, error),
) (record.End, error) {
	if f.most == 0 {
		return do(ctx, emit)
	}
	ctx, f.stop = context.WithCancelCause(ctx)
	defer f.stop(nil)
	end, err := do(ctx, func(found record.Finding) error {
		if r, ok := found.(probe.Result); ok && f.counts(r) {
			if f.emitted == f.most {
				f.left++
				return nil
			}
			if f.emitted++; f.emitted == f.most {
				f.stop(errFirst(f.most))
			}
		}
		return emit(found)
	})
	if _, ok := context.Cause(ctx).(errFirst); !ok || end.Complete && f.left == 0 {
		return end, err
	}
	end.Complete, end.First = false, f.most
	end.Coverage = append(end.Coverage, phrase.StoppedAtFirst(f.most, f.left))
	if f.left > 0 {
		end.Summary.Targets -= f.left
		end.Summary.States[probe.Open.String()] -= f.left
		end.Summary.NotReached += f.left
	}
	return end, err
}
