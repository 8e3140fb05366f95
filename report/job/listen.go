package job

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"onmux/probe"
	"onmux/probe/listen"
	"onmux/probe/local"
	"onmux/probe/wording"
	"onmux/report"
	"onmux/report/phrase/arrival"
	"onmux/report/record"
)

// Listen is the Job of a listener that is open. It ends after count arrivals (0: never by
// itself), or with the context: the report is complete if nothing was counted, or so many came.
func Listen(l *listen.Listener, count uint64, late error) report.Job {
	return func(ctx context.Context, emit func(record.Finding) error) (record.End, error) {
		came := uint64(0)
		counts, err := l.Run(ctx, func(a listen.Arrival) error {
			if came++; count > 0 && came > count {
				return report.ErrEnded
			}
			if err := emit(a); err != nil || came == count {
				return errors.Join(err, report.ErrEnded)
			}
			return nil
		})
		enough := count > 0 && came >= count
		if ctx.Err() != nil || enough {
			err = nil
		}
		end := record.End{
			Complete: enough || count == 0 && !errors.Is(context.Cause(ctx), late),
			Coverage: arrival.Coverage(l.Addresses(), l.Missing()), Arrived: &counts,
		}
		if count > 0 && !enough {
			end.Coverage = append(end.Coverage, fmt.Sprintf("%d of %s came", came, wording.Count(count, "arrival",
				"arrivals")))
		}
		return end, err
	}
}

// Sockets names where l listens: "0.0.0.0:417/tcp, [::]:417/tcp".
func Sockets(l *listen.Listener) string { return arrival.Endpoints(l.Addresses()) }

// WhyNotBound is what check knows of a port that could not be bound, and where more is to be had.
func WhyNotBound(ctx context.Context, e *listen.BindError) (why, hint string) {
	hint = "onmux check " + e.Port.String()
	seen, err := report.Check(ctx, local.Request{Ports: []probe.Port{e.Port}, IPv4: true, IPv6: true, Owners: true})
	if err != nil || len(seen.Verdicts) == 0 {
		return "", hint
	}
	v := seen.Verdicts[0]
	if errors.Is(e.Err, fs.ErrPermission) && len(v.Bind) > 0 {
		return "; " + strings.Join(v.Bind, "; "), hint
	}
	return "; " + string(v.Verdict) + ": " + v.Why, hint
}
