package connect

import (
	"context"
	"net/netip"
	"time"

	"onmux/probe"
	"onmux/scan/engine"
)

const (
	// neighborBurst and neighborRate are how many neighbors are asked at once, and
	// a second from then on. The kernel's table of them holds 1,024 in all
	// (gc_thresh3), and those that were asked within five seconds are not removed
	// for others (neigh_forced_gc in net/core/neighbour.c). A connection to one
	// more sends nothing and gets no answer.
	neighborBurst = 768
	neighborRate  = 150

	// neighborsKept is how many neighbors are assumed to be in the table still when
	// they are asked again: half of it, and as many that came before.
	neighborsKept = 512
)

// neighborLimit holds the attempts at neighbors to the size of the kernel's table
// of them. One goroutine calls wait; contains may be called by others.
type neighborLimit struct {
	own    []netip.Prefix
	recent map[netip.Addr]bool // that were asked
	older  map[netip.Addr]bool // before those
	spent  float64             // of the burst
	at     time.Time
	waited bool
}

// newNeighborLimit leaves out this machine's own addresses.
func newNeighborLimit(own []netip.Prefix) neighborLimit {
	l := neighborLimit{}
	for _, p := range own {
		if !p.Addr().IsLoopback() && !p.IsSingleIP() {
			l.own = append(l.own, p)
		}
	}
	return l
}

// contains reports whether an address is a neighbor's.
func (l *neighborLimit) contains(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	for _, p := range l.own {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// wait blocks until the table has room for an address, if it is a neighbor's. The
// error is the context's.
func (l *neighborLimit) wait(ctx context.Context, a netip.Addr) error {
	if len(l.own) == 0 || !l.contains(a) || !l.add(a) {
		return nil
	}
	now := time.Now()
	l.spent = max(0, l.spent-neighborRate*now.Sub(l.at).Seconds()) + 1
	l.at = now
	if l.spent <= neighborBurst {
		return nil
	}
	l.waited = true
	return probe.Sleep(ctx, time.Duration((l.spent-neighborBurst)/neighborRate*float64(time.Second)))
}

// add reports whether a neighbor was not among the last that were asked.
func (l *neighborLimit) add(a netip.Addr) bool {
	if l.recent[a] || l.older[a] {
		return false
	}
	if len(l.recent) == neighborsKept || l.recent == nil {
		l.recent, l.older = make(map[netip.Addr]bool, neighborsKept), l.recent
	}
	l.recent[a] = true
	return true
}

// notes reports whether it had to wait.
func (l *neighborLimit) notes() []engine.Note {
	if !l.waited {
		return nil
	}
	return []engine.Note{{Kind: engine.NoteNeighborRate, Count: neighborRate}}
}
