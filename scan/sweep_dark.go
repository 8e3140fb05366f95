package scan

import (
	"context"
	"fmt"
	"time"

	"onmux/probe"
	"onmux/scan/engine"
)

// leastDark is of how many hosts that had answered none must answer again before the
// way to them is doubted. Where half of all packets are lost, chance does that once in
// 65,536 times.
const leastDark = 16

// doubt lets the engine look for its ways anew.
func (s *sweep) doubt() {
	if e, ok := s.Engine.(engine.Revalidator); ok {
		e.Revalidate()
	}
}

// errDark says that hosts which had answered have stopped.
type errDark int

func (n errDark) Error() string {
	return fmt.Sprintf("none of %d hosts that had answered did so again, and nobody else: the way to them is gone, or closed to this machine", int(n))
}

// dark reports whether a sample of known hosts brought no answer, nor anybody else an
// answer for the first time: hosts that shut themselves after one question leave
// others to answer.
func (k *familiar) dark() bool { return k.asked >= leastDark && k.heard == 0 && k.met == 0 }

// awaken waits for hosts that had answered to do so again after all, which they may
// when a next hop was found anew. It asks ever later; the error is errDark if none
// answers.
func (s *sweep) awaken(ctx context.Context) error {
	s.mu.Lock()
	s.known.blink, s.known.dim = true, true
	s.mu.Unlock()
	asked := 0
	for pause := 250 * time.Millisecond; pause <= 4*time.Second; pause *= 2 {
		s.doubt()
		s.sleep(ctx, pause)
		if err := s.askKnown(ctx, time.Now()); err != nil || ctx.Err() != nil {
			return err
		}
		n, dark := s.listen(ctx)
		if !dark {
			return nil
		}
		asked += n
	}
	if ctx.Err() != nil {
		return nil
	}
	s.known.gone = true
	return errDark(asked)
}

// listen waits for the answers to a sample, or the first, and ends it.
func (s *sweep) listen(ctx context.Context) (asked int, dark bool) {
	for ctx.Err() == nil {
		s.mu.Lock()
		over := !s.known.dark() || !time.Now().Before(s.known.due)
		s.mu.Unlock()
		if over {
			break
		}
		s.sleep(ctx, glance)
	}
	s.mu.Lock()
	asked, dark = s.known.asked, s.known.dark() && ctx.Err() == nil
	s.mu.Unlock()
	s.settle()
	return asked, dark
}

// believe makes sure, before silence is believed for good, that hosts which had
// answered still do. Where they stopped and began again, another pass is owed: more is
// true. The error is errDark if they stopped.
func (s *sweep) believe(ctx context.Context) (more bool, err error) {
	s.mu.Lock()
	k := &s.known
	ask := !k.off && s.Retries > 0 && s.sent >= heedSample*heedCost && s.quiet[probe.TCP] > 0 && len(k.fresh) >= 2*heedSample
	s.mu.Unlock()
	if ask {
		if err := s.askKnown(ctx, time.Now()); err != nil || ctx.Err() != nil {
			return false, err
		}
		if _, dark := s.listen(ctx); dark {
			if err := s.awaken(ctx); err != nil || ctx.Err() != nil {
				return false, err
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	more = k.blink && s.owed[probe.TCP] > 0 && s.passes <= s.Retries
	k.blink = false
	return more, nil
}
