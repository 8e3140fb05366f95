package scan

import (
	"context"
	"time"
)

// glance is how often a drain looks whether it is over.
const glance = time.Millisecond

// drain waits for answers that are on their way, until wait has passed since the
// last probe, or nothing is outstanding or nobody is silent and nothing is held back. Patience beyond the
// usual is for engines that know what is outstanding.
func (s *sweep) drain(ctx context.Context, wait time.Duration) {
	for ctx.Err() == nil {
		pending := s.Engine.Pending()
		if pending < 0 {
			wait = min(wait, s.wait())
		}
		now := time.Now()
		left := wait - now.Sub(s.sentAt)
		s.watch(now, left)
		if left <= 0 || (pending == 0 || s.silence() == 0) && !s.holds() {
			return
		}
		s.sleep(ctx, min(left, glance))
	}
}

// sleep sleeps, and keeps Watch told meanwhile.
func (s *sweep) sleep(ctx context.Context, d time.Duration) {
	for d > 0 && ctx.Err() == nil {
		slice := min(d, tick)
		d -= slice
		s.timer.Reset(slice)
		select {
		case <-s.timer.C:
		case <-ctx.Done():
		}
		if d > 0 {
			s.watch(time.Now(), s.wait())
		}
	}
}

// wait is how long an answer is waited for in the present pass.
func (s *sweep) wait() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rtt.wait(s.passes, s.Timeout)
}

// silence is how many endpoints were asked and did not answer so far.
func (s *sweep) silence() (n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, q := range s.quiet {
		n += q
	}
	return n
}
