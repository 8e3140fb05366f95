package connect

import (
	"context"
	"net/netip"
	"onmux/scan/engine"
	"time"
)

const (
	// nearBurst and nearRate are how many neighbours are asked for at once, and a
	// second from then on. The kernel's table of them holds 1,024 in all (gc_thresh3),
	// and those that were asked for within five seconds are not forgotten for others
	// (neigh_forced_gc in net/core/neighbour.c). A connection to one more sends nothing
	// and learns nothing of it.
	nearBurst = 768
	nearRate  = 150

	// nearKept is how many neighbours are taken to be in the table still when they are
	// asked again: half of it, and as many that came before.
	nearKept = 512
)

// nearby holds the attempts at neighbours to what the kernel's table of them bears.
type nearby struct {
	own    []netip.Prefix
	recent map[netip.Addr]bool // that were asked for
	older  map[netip.Addr]bool // before those
	spent  float64             // of the burst
	at     time.Time
	waited bool
}

// newNearby leaves out this machine itself.
func newNearby(own []netip.Prefix) nearby {
	n := nearby{}
	for _, p := range own {
		if !p.Addr().IsLoopback() && !p.IsSingleIP() {
			n.own = append(n.own, p)
		}
	}
	return n
}

// holds reports whether an address is one of a neighbour.
func (n *nearby) holds(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	for _, p := range n.own {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// wait blocks until there is room for the neighbour that a probe asks for. The error is
// the context's.
func (n *nearby) wait(ctx context.Context, p *engine.Probe) error {
	if len(n.own) == 0 || !n.holds(p.Endpoint.Addr) {
		return nil
	}
	if !n.add(p.Endpoint.Addr) {
		return nil
	}
	now := time.Now()
	n.spent = max(0, n.spent-nearRate*now.Sub(n.at).Seconds()) + 1
	n.at = now
	if n.spent <= nearBurst {
		return nil
	}
	n.waited = true
	t := time.NewTimer(time.Duration((n.spent - nearBurst) / nearRate * float64(time.Second)))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// add reports whether a neighbour was not among the last that were asked for.
func (n *nearby) add(a netip.Addr) bool {
	if n.recent[a] || n.older[a] {
		return false
	}
	if len(n.recent) == nearKept || n.recent == nil {
		n.recent, n.older = make(map[netip.Addr]bool, nearKept), n.recent
	}
	n.recent[a] = true
	return true
}

// notes reports that it had to wait.
func (n *nearby) notes() []engine.Note {
	if !n.waited {
		return nil
	}
	return []engine.Note{{Kind: engine.NoteNeighborRate, Count: nearRate}}
}
