package timing

import (
	"sync"
	"time"
)

const (
	// DefaultTimeout bounds the wait for one answer if the user set no other.
	DefaultTimeout = 2 * time.Second

	// ShortWait is the least, however near the other hosts are.
	ShortWait = 100 * time.Millisecond

	firstWait = time.Second // while no round trip was measured (RFC 6298, section 2.1)
)

// Estimator estimates how long an answer takes: the smoothed round-trip time and
// its variation of RFC 6298, section 2, over all hosts, and the longest seen. Any
// goroutine may use it.
type Estimator struct {
	mu                    sync.Mutex
	smooth, vary, longest time.Duration
}

// Add takes measured round trips.
func (r *Estimator) Add(all ...time.Duration) {
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

// Wait is how long an answer to a probe of that try is waited for. A scan asks many
// hosts at unlike distances, so twice the longest round trip seen counts beside the
// estimator's bound. It doubles with each try (RFC 6298, section 5.5), and from the
// second on it is at least a second: the host that is silent among near ones may be
// a far one, and silence is not accepted for less.
func (r *Estimator) Wait(try int, timeout time.Duration) time.Duration {
	if try > 1 && timeout > DefaultTimeout {
		return timeout
	}
	r.mu.Lock()
	smooth, vary, longest := r.smooth, r.vary, r.longest
	r.mu.Unlock()
	w := min(firstWait, timeout)
	if smooth > 0 {
		w = max(smooth+4*vary, 2*longest, ShortWait)
	}
	for ; try > 1 && w < timeout; try-- {
		w = max(2*w, firstWait)
	}
	return min(w, timeout)
}

// State is the smoothed round trip, its variation and the longest.
func (r *Estimator) State() [3]time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return [3]time.Duration{r.smooth, r.vary, r.longest}
}

// Restore makes the estimator what it was at a State.
func (r *Estimator) Restore(state [3]time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.smooth, r.vary, r.longest = state[0], state[1], state[2]
}
