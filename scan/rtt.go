package scan

import (
	"sync"
	"time"
)

const (
	// DefaultTimeout bounds the wait for one answer if the user set no other.
	DefaultTimeout = 2 * time.Second

	firstWait = time.Second            // while no round trip was measured (RFC 6298, section 2.1)
	shortWait = 100 * time.Millisecond // the least, however near the others are
)

// rttEstimator estimates how long an answer takes: the smoothed round-trip time and
// its variation of RFC 6298, section 2, over all hosts, and the longest seen. Any
// goroutine may use it.
type rttEstimator struct {
	mu                    sync.Mutex
	smooth, vary, longest time.Duration
}

// sample takes measured round trips.
func (r *rttEstimator) sample(all ...time.Duration) {
	if len(all) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range all {
		switch {
		case d <= 0:
			continue
		case r.smooth == 0:
			r.smooth, r.vary = d, d/2
		default:
			r.vary += ((r.smooth - d).Abs() - r.vary) / 4
			r.smooth += (d - r.smooth) / 8
		}
		r.longest = max(r.longest, d)
	}
}

// wait is how long an answer to a probe of that try is waited for. A scan asks many
// hosts at unlike distances, so twice the longest round trip seen counts beside the
// estimator's bound. It doubles with each try (RFC 6298, section 5.5), and from the
// second on it is at least a second: the host that is silent among near ones may be
// a far one, and silence is not accepted for less.
func (r *rttEstimator) wait(try int, timeout time.Duration) time.Duration {
	if try > 1 && timeout > DefaultTimeout {
		return timeout
	}
	r.mu.Lock()
	smooth, vary, longest := r.smooth, r.vary, r.longest
	r.mu.Unlock()
	w := min(firstWait, timeout)
	if smooth > 0 {
		w = max(smooth+4*vary, 2*longest, shortWait)
	}
	for ; try > 1 && w < timeout; try-- {
		w = max(2*w, firstWait)
	}
	return min(w, timeout)
}

// state is the smoothed round trip, its variation and the longest.
func (r *rttEstimator) state() [3]time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return [3]time.Duration{r.smooth, r.vary, r.longest}
}

// restore makes the estimator what it was at a state.
func (r *rttEstimator) restore(state [3]time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.smooth, r.vary, r.longest = state[0], state[1], state[2]
}
