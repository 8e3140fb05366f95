package scan

import (
	"math"
	"slices"
	"time"

	"onmux/probe"
)

const (
	// behind is how long a SYN-ACK is held back before it is told: a reset that comes
	// right behind it makes it a lesser finding.
	behind = 10 * time.Millisecond

	noteResetBehind = "its SYN-ACK was followed by a reset: something in between answers, or no service"
)

// fresh are the SYN-ACKs that are not told yet, under the sweep's mu. With sockets it
// stays empty: the kernel has finished the handshake before it says anything.
type fresh struct {
	on    bool
	held  []held          // in the order in which they were heard
	reset map[uint64]bool // the same by index: whether they were reset since
}

type held struct {
	index  uint64
	until  time.Time
	result probe.Result
}

func newFresh(methods map[string]string) fresh {
	return fresh{on: methods[probe.TCP.String()] == "syn", reset: make(map[uint64]bool)}
}

// hold keeps a SYN-ACK back.
func (f *fresh) hold(h held) {
	f.held = append(f.held, h)
	f.reset[h.index] = false
}

// doubt notes that an endpoint which sent a SYN-ACK has sent a reset, and reports
// whether that is told with it.
func (f *fresh) doubt(index uint64) bool {
	_, ok := f.reset[index]
	if ok {
		f.reset[index] = true
	}
	return ok
}

// release takes out what was held back long enough.
func (f *fresh) release(now time.Time) []held {
	n := 0
	for n < len(f.held) && !now.Before(f.held[n].until) {
		n++
	}
	out := f.held[:n:n]
	if f.held = f.held[n:]; len(f.held) == 0 {
		f.held = nil
	}
	for i := range out {
		h := &out[i]
		doubted := f.reset[h.index]
		delete(f.reset, h.index)
		if doubted {
			h.result.Notes = append(slices.Clip(h.result.Notes), noteResetBehind)
			h.result.Confidence = probe.Low
		}
	}
	return out
}

// tellFresh tells the open endpoints that were held back long enough.
func (s *sweep) tellFresh(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.fresh.release(now) {
		s.journal.open(h.index, &h.result)
		s.out.put(s.judged(h.index, h.result))
	}
}

// holds reports whether something is held back.
func (s *sweep) holds() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.fresh.held) > 0
}

// tellAllFresh tells the rest, when nothing more is heard.
func (s *sweep) tellAllFresh() { s.tellFresh(time.Unix(math.MaxInt32, 0)) }
