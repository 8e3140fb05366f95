package scan

import (
	"sort"
	"time"
)

const (
	// DefaultTimeout bounds the wait for one answer if nothing else is said.
	DefaultTimeout = 2 * time.Second

	firstWait = time.Second            // while no round trip was measured (RFC 6298, section 2.1)
	shortWait = 100 * time.Millisecond // the least, however near the others are
)

// rtt estimates how long an answer takes: the smoothed round-trip time and its
// variation of RFC 6298, section 2, over all hosts, and the longest seen.
type rtt struct {
	smooth, vary, longest time.Duration
}

// sample takes one measured round trip.
func (r *rtt) sample(d time.Duration) {
	if d <= 0 {
		return
	}
	if r.smooth == 0 {
		r.smooth, r.vary = d, d/2
	} else {
		r.vary += ((r.smooth - d).Abs() - r.vary) / 4
		r.smooth += (d - r.smooth) / 8
	}
	r.longest = max(r.longest, d)
}

// wait is how long an answer to a probe of that try is waited for. A sweep asks
// many hosts at unlike distances, so twice the longest round trip seen counts
// beside the estimator's bound. It doubles with each try (RFC 6298, section
// 5.5), and from the second on it is at least a second: the host that is silent
// among near ones may be a far one, and silence is not believed for less.
func (r *rtt) wait(try int, timeout time.Duration) time.Duration {
	if try > 1 && timeout > DefaultTimeout {
		return timeout
	}
	w := min(firstWait, timeout)
	if r.smooth > 0 {
		w = max(r.smooth+4*r.vary, 2*r.longest, shortWait)
	}
	for ; try > 1 && w < timeout; try-- {
		w = max(2*w, firstWait)
	}
	return min(w, timeout)
}

// maxStamps bounds the send times that are kept: at the largest batches and a
// million probes a second, the last 16 seconds.
const maxStamps = 65536

// stamps remembers when the positions of the present pass were sent: one time
// for a batch, found again by binary search. Positions only grow within a pass.
type stamps struct {
	ring  []stamp // the oldest is at next once it is full
	next  int
	after uint64 // the first position that was not sent yet
}

type stamp struct {
	pos uint64
	at  time.Time
}

// begin forgets the pass before.
func (s *stamps) begin() { s.ring, s.next, s.after = s.ring[:0], 0, 0 }

// add notes that the positions from first to last, and no others between
// them, leave now. Those that are offered again are stamped again, and with them
// what was stamped since, so that times only grow.
func (s *stamps) add(first, last uint64, at time.Time) {
	s.after = max(s.after, last+1)
	n, again := len(s.ring), false
	for i := n - 1; i >= 0 && s.ring[(s.next+i)%n].pos >= first; i-- {
		s.ring[(s.next+i)%n].at, again = at, true
	}
	if again {
		return
	}
	if len(s.ring) < maxStamps {
		s.ring = append(s.ring, stamp{first, at})
		return
	}
	s.ring[s.next] = stamp{first, at}
	s.next = (s.next + 1) % maxStamps
}

// sent is when a position was sent in this pass; false if it was not, or too
// long ago.
func (s *stamps) sent(pos uint64) (time.Time, bool) {
	n := len(s.ring)
	if pos >= s.after {
		return time.Time{}, false
	}
	i := sort.Search(n, func(i int) bool { return s.ring[(s.next+i)%n].pos > pos })
	if i == 0 {
		return time.Time{}, false
	}
	return s.ring[(s.next+i-1)%n].at, true
}

// settled is a position before which every probe left at that time or earlier; 0
// if that is not known. A batch has left when the next one is stamped.
func (s *stamps) settled(by time.Time) uint64 {
	n := len(s.ring)
	i := sort.Search(n, func(i int) bool { return s.ring[(s.next+i)%n].at.After(by) })
	if i == 0 {
		return 0
	}
	return s.ring[(s.next+i-1)%n].pos
}
