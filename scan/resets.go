package scan

import (
	"math"
	"slices"
	"sync"
	"time"

	"onmux/probe"
)

// resetDelay is how long a SYN-ACK is held before it is reported: a reset that
// follows at once makes it a weaker finding.
const resetDelay = 10 * time.Millisecond

// resets holds SYN-ACKs until it is known whether a reset follows. With connections
// it stays empty: the kernel has finished the handshake before it reports one. The
// receiver and the dispatcher share it.
type resets struct {
	mu       sync.Mutex
	held     []heldSynAck    // in the order in which they were received
	followed map[uint64]bool // the same by index: whether they were reset since
}

type heldSynAck struct {
	index  uint64
	until  time.Time
	result probe.Result
}

// hold holds a SYN-ACK that was received now.
func (r *resets) hold(i uint64, now time.Time, result probe.Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.followed == nil {
		r.followed = make(map[uint64]bool)
	}
	r.held = append(r.held, heldSynAck{i, now.Add(resetDelay), result})
	r.followed[i] = false
}

// reset notes that an endpoint which sent a SYN-ACK has sent a reset, and reports
// whether that is reported with it.
func (r *resets) reset(i uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.followed[i]
	if ok {
		r.followed[i] = true
	}
	return ok
}

// release takes out what was held long enough.
func (r *resets) release(now time.Time) []heldSynAck {
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
		if r.followed[h.index] {
			h.result.Doubts = append(slices.Clip(h.result.Doubts), probe.Doubt{Kind: probe.DoubtResetFollowed})
			h.result.Confidence = probe.Low
		}
		delete(r.followed, h.index)
	}
	return out
}

// holding reports whether something is held.
func (r *resets) holding() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.held) > 0
}

// releaseHeld emits the open endpoints that were held long enough.
func (p *parts) releaseHeld(now time.Time) {
	for _, h := range p.resets.release(now) {
		p.out.Put(p.table.foundOpen(h.index, h.result))
	}
}

// releaseAllHeld emits the rest, when nothing more is received.
func (p *parts) releaseAllHeld() { p.releaseHeld(time.Unix(math.MaxInt32, 0)) }
