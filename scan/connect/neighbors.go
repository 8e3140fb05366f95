package connect

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"onmux/probe"
	"onmux/scan/engine"
)

// Table is the system's table of one family's neighbors, which all programs of the machine share.
type Table interface {
	// Read counts what the table holds.
	Read(ctx context.Context, ipv6 bool) (TableUse, error)

	// Refused is how often the table had no room for a neighbor, of whatever program. It
	// may be called by several goroutines.
	Refused(ctx context.Context, ipv6 bool) (uint64, error)
}

// TableUse is what a Table holds at one moment.
type TableUse struct {
	Limit int          // entries at most
	Taken int          // that cannot be removed for others at once
	Addrs []netip.Addr // of those, the ones that this program can see
}

// Where the table cannot be read, it is assumed to be Linux's, with nothing else in it: an
// answering neighbor is kept for half a minute.
const (
	assumedRoom = 512
	assumedRate = assumedRoom / 30.0
)

const (
	readingAge  = time.Second            // after which a reading is no longer relied on
	roomPause   = 50 * time.Millisecond  // between two readings of a table that has no room
	createDelay = 500 * time.Millisecond // until an attempt at a neighbor has made its entry
)

// neighborLimit leaves room in the table of neighbors to others: what this scan holds at
// a time is at most as much as it leaves free. One goroutine calls wait; contains may be
// called by others.
type neighborLimit struct {
	own    []netip.Prefix
	table  Table
	held   [2]heldNeighbors // IPv4, IPv6
	waited bool
	limit  int // of the table that was waited for; 0 if it could not be read
}

// heldNeighbors are those of one family that this scan asked and that take room.
type heldNeighbors struct {
	asked map[netip.Addr]time.Time
	room  int // for others until the next reading
	read  time.Time
	full  bool // there was no room at the last reading, and this scan takes none

	spent float64 // of the assumed room
	at    time.Time
}

// newNeighborLimit leaves out this machine's own addresses.
func newNeighborLimit(own []netip.Prefix, t Table) *neighborLimit {
	l := &neighborLimit{table: t}
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

// wait blocks until the table has room for an address, if it is a neighbor's. The error is
// the context's, or wraps probe.ErrNoRoom when others fill the table.
func (l *neighborLimit) wait(ctx context.Context, a netip.Addr) error {
	if !l.contains(a) {
		return nil
	}
	a = a.Unmap().WithZone("")
	h := &l.held[familyOf(a)]
	if _, ok := h.asked[a]; ok {
		return nil
	}
	for {
		if h.room <= 0 { // what was asked since makes its entries meanwhile, also that of other scans
			if err := probe.Sleep(ctx, roomPause-time.Since(h.read)); err != nil {
				return err
			}
		}
		if h.room <= 0 || time.Since(h.read) > readingAge {
			known, err := l.update(ctx, h, a.Is6())
			switch {
			case err != nil:
				return err
			case !known:
				return l.waitAssumed(ctx, h)
			}
		}
		if h.room > 0 {
			h.room--
			h.asked[a] = time.Now()
			return nil
		}
		if h.full {
			return fmt.Errorf("%w: other programs fill the kernel's table of %d", probe.ErrNoRoom, l.limit)
		}
		l.waited = true
	}
}

// update reads the table; known is false if it cannot be read.
func (l *neighborLimit) update(ctx context.Context, h *heldNeighbors, ipv6 bool) (known bool, err error) {
	if l.table == nil {
		return false, nil
	}
	use, err := l.table.Read(ctx, ipv6)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if err != nil || use.Limit <= 0 {
		return false, nil
	}
	now := time.Now()
	held := make(map[netip.Addr]time.Time, len(h.asked))
	for _, a := range use.Addrs {
		if t, ok := h.asked[a]; ok {
			held[a] = t
		}
	}
	others := max(use.Taken-len(held), 0)
	for a, t := range h.asked {
		if now.Sub(t) < createDelay {
			held[a] = t
		}
	}
	room := (use.Limit-others)/2 - len(held)
	// Half of it at a time: other scans may have read the same.
	h.asked, h.room, h.read, h.full = held, (max(room, 0)+1)/2, now, room <= 0 && len(held) == 0
	l.limit = use.Limit
	return true, nil
}

// waitAssumed waits for room in a table that is not known.
func (l *neighborLimit) waitAssumed(ctx context.Context, h *heldNeighbors) error {
	now := time.Now()
	h.spent = max(0, h.spent-assumedRate*now.Sub(h.at).Seconds()) + 1
	h.at = now
	if h.spent <= assumedRoom {
		return nil
	}
	l.waited = true
	return probe.Sleep(ctx, time.Duration((h.spent-assumedRoom)/assumedRate*float64(time.Second)))
}

// notes reports whether it had to wait.
func (l *neighborLimit) notes() []engine.Note {
	if !l.waited {
		return nil
	}
	return []engine.Note{{Kind: engine.NoteNeighborTable, Count: uint64(l.limit)}}
}

func familyOf(a netip.Addr) int {
	if a.Is6() {
		return 1
	}
	return 0
}
