package verdict

import (
	"slices"
	"sync"
	"time"

	"onmux/probe"
)

// resetDelay is how long a SYN-ACK is held before it is reported: a reset that
// follows at once makes it a weaker finding.
const resetDelay = 10 * time.Millisecond

// Resets holds SYN-ACKs until it is known whether a reset follows. With connections
// it stays empty: the kernel has finished the handshake before it reports one. The
// receiver and the dispatcher share it.
type Resets struct {
	mu       sync.Mutex
	held     []HeldSynAck    // in the order in which they were received
	followed map[uint64]bool // the same by index: whether they were reset since
}

// HeldSynAck is a SYN-ACK that Release takes out.
type HeldSynAck struct {
	Index  uint64
	until  time.Time
	Result probe.Result
}

// Hold holds a SYN-ACK that was received now.
func (r *Resets) Hold(i uint64, now time.Time, result probe.Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.followed == nil {
		r.followed = make(map[uint64]bool)
	}
	r.held = append(r.held, HeldSynAck{i, now.Add(resetDelay), result})
	r.followed[i] = false
}

// Reset notes that an endpoint which sent a SYN-ACK has sent a reset, and reports
// whether that is reported with it.
func (r *Resets) Reset(i uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.followed[i]
	if ok {
		r.followed[i] = true
	}
	return ok
}

// Release takes out what was held long enough.
func (r *Resets) Release(now time.Time) []HeldSynAck {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for n < len(r.held) && !now.Before(r.held[n].until) {
		n++
	}
	out := r.held[:n:n]
	if r.held = r.held[n:]; len(r.held) == 0 {
		r.held = nil
	}
	for i := range out {
		h := &out[i]
		if r.followed[h.Index] {
			h.Result.Doubts = append(slices.Clip(h.Result.Doubts), probe.Doubt{Kind: probe.DoubtResetFollowed})
			h.Result.Confidence = probe.Low
		}
		delete(r.followed, h.Index)
	}
	return out
}

// Holding reports whether something is held.
func (r *Resets) Holding() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.held) > 0
}
