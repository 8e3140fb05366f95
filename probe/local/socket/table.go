package socket

import (
	"cmp"
	"slices"
	"time"

	"onmux/probe"
)

// Counts is how many sockets are in each state.
type Counts [states]int

// Bounds of how many sockets of one port are kept; the others are counted.
const (
	MaxHolders = 1024 // that listen or are bound, each
	MaxPeers   = 16   // that are connected
)

// Usage is the sockets that use one port. Its size is bounded however many there
// are.
type Usage struct {
	Count     Counts
	CloseWait int           // of those that are connected
	TimeWait  time.Duration // the longest that is left of one
	Sockets   [states][]Socket
	boundSeen map[uint64]bool // cookies of those in Bound
}

func (u *Usage) add(s Socket) {
	if s.State == Bound && s.cookie != 0 {
		// Linux repeats bound sockets when a dump takes several messages.
		if u.boundSeen[s.cookie] {
			return
		}
		if u.boundSeen == nil {
			u.boundSeen = make(map[uint64]bool)
		}
		u.boundSeen[s.cookie] = true
	}
	u.Count[s.State]++
	u.TimeWait = max(u.TimeWait, s.TimeWait)
	if s.CloseWait {
		u.CloseWait++
	}
	limit := MaxHolders
	switch s.State {
	case Connected:
		limit = MaxPeers
	case TimeWait:
		limit = 0
	}
	if len(u.Sockets[s.State]) < limit {
		u.Sockets[s.State] = append(u.Sockets[s.State], s)
	}
}

// Strongest is the strongest state of the sockets; false if there are none.
func (c Counts) Strongest() (State, bool) {
	for s, n := range c {
		if n > 0 {
			return State(s), true
		}
	}
	return 0, false
}

// Holders is the sockets in the strongest state, and those that are bound beside
// listeners: connections only where nothing else uses the port.
func (u *Usage) Holders() []Socket {
	s, ok := u.Count.Strongest()
	if !ok {
		return nil
	}
	behind := u.Sockets[s]
	if s == Listening {
		behind = slices.Concat(behind, u.Sockets[Bound])
	}
	slices.SortFunc(behind, func(a, b Socket) int {
		return cmp.Or(cmp.Compare(a.State, b.State), a.Local.Compare(b.Local), a.Peer.Compare(b.Peer),
			cmp.Compare(a.Inode, b.Inode))
	})
	return behind
}

// hasBound reports whether a socket of a protocol is bound and does not listen.
func (t Table) hasBound(proto probe.Proto) bool {
	for p, u := range t {
		if p.Proto == proto && u.Count[Bound] > 0 {
			return true
		}
	}
	return false
}

// Table is the usage of each port on which a socket was seen.
type Table map[probe.Port]*Usage

// Add adds a socket to the usage of its port.
func (t Table) Add(s Socket) { t.of(s).add(s) }

// of is the usage of a socket's port.
func (t Table) of(s Socket) *Usage {
	p := s.Port()
	if t[p] == nil {
		t[p] = new(Usage)
	}
	return t[p]
}

// count adds a socket that listens to the counts of its port only.
func (t Table) count(s Socket) { t.of(s).Count[s.State]++ }

// merge adds the sockets of another table, and returns the sum.
func (t Table) merge(other Table) Table {
	if len(t) == 0 && other != nil {
		return other
	}
	for p, from := range other {
		u := t[p]
		if u == nil {
			t[p] = from
			continue
		}
		u.TimeWait = max(u.TimeWait, from.TimeWait)
		u.CloseWait += from.CloseWait
		for _, s := range from.Sockets[Connected] {
			if s.CloseWait { // it is added below
				u.CloseWait--
			}
		}
		for s := range states {
			for _, socket := range from.Sockets[s] {
				u.add(socket)
			}
			u.Count[s] += from.Count[s] - len(from.Sockets[s])
		}
	}
	return t
}
