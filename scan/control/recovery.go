package control

import (
	"context"
	"fmt"
	"time"
)

// leastStopped is of how many hosts that had answered none must answer again before
// the path to them is taken for lost. Where half of all packets are lost, chance
// does that once in 65,536 times.
const leastStopped = 16

// PathLost is the error of a scan of which hosts that had answered have stopped,
// and not one of those that were asked again has answered.
type PathLost struct{ Asked int }

func (e PathLost) Error() string {
	return fmt.Sprintf("none of %d hosts that had answered did so again, and no other host: "+
		"the path to them is lost, or closed to this machine", e.Asked)
}

// stopped reports whether a sample of known hosts brought no answer, nor another
// host an answer for the first time: where hosts close themselves after one
// question, others still answer. The caller holds mu.
func (w *Watch) stopped() bool { return w.asked >= leastStopped && w.answered == 0 && w.met == 0 }

// noteOutage notes that the silence since the last pass is worth nothing, and
// reports whether that was not known yet.
func (w *Watch) noteOutage() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	first := !w.outage
	w.outage, w.outages = true, true
	return first
}

// waitForRecovery waits for hosts that had answered to do so again after all, which
// they may when a next hop was found anew. It asks less and less often; the error
// is PathLost if none answers.
func (w *Watch) waitForRecovery(ctx context.Context) error {
	w.noteOutage()
	asked := 0
	for pause := 250 * time.Millisecond; pause <= 4*time.Second; pause *= 2 {
		w.scan.Revalidate()
		w.scan.Sleep(ctx, pause)
		if err := w.ask(ctx, time.Now()); err != nil || ctx.Err() != nil {
			return err
		}
		n, stopped := w.await(ctx)
		if !stopped {
			return nil
		}
		asked += n
	}
	if ctx.Err() != nil {
		return nil
	}
	w.mu.Lock()
	w.lost = true
	w.mu.Unlock()
	return PathLost{asked}
}

// await waits for the answers to a sample, or the first, and ends it.
func (w *Watch) await(ctx context.Context) (asked int, stopped bool) {
	for ctx.Err() == nil {
		w.mu.Lock()
		over := !w.stopped() || !time.Now().Before(w.due)
		w.mu.Unlock()
		if over {
			break
		}
		w.scan.Sleep(ctx, samplePoll)
	}
	w.mu.Lock()
	asked, stopped = w.asked, w.stopped() && ctx.Err() == nil
	w.mu.Unlock()
	w.settle()
	return asked, stopped
}

// Confirm makes sure, before silence is accepted for good, that hosts which had
// answered still do. It reports whether they had stopped for a while since the
// last call, so that what was silent then must be asked again. Without ask it asks
// nobody. The error is that of Scan.Repeat, or PathLost.
func (w *Watch) Confirm(ctx context.Context, ask bool) (again bool, err error) {
	w.mu.Lock()
	ask = ask && !w.off && len(w.known) >= 2*sampleSize
	w.mu.Unlock()
	if ask && w.scan.Sent() >= sampleSize*sampleCost {
		if err := w.ask(ctx, time.Now()); err != nil || ctx.Err() != nil {
			return false, err
		}
		if _, stopped := w.await(ctx); stopped {
			if err := w.waitForRecovery(ctx); err != nil || ctx.Err() != nil {
				return false, err
			}
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	again = w.outage
	w.outage = false
	return again, nil
}

// Lost reports whether hosts that had answered have stopped for good.
func (w *Watch) Lost() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lost
}

// HadOutage reports whether all hosts had stopped for a while earlier in this scan.
func (w *Watch) HadOutage() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.outages
}
