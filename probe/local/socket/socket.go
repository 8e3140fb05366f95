package socket

import (
	"cmp"
	"net/netip"
	"slices"

	"onmux/probe"
)

// state is what a socket does with its port.
type State uint8

const (
	Listening State = iota // takes connections, or datagrams from anybody
	Bound                  // holds the port and takes nothing
	Connected              // one end of a connection
	TimeWait               // what remains of a connection; nobody owns it (RFC 9293, section 3.6.1)
	states
)

// Counts is how many sockets are in each state.
type Counts [states]int

// socket is one socket as a source tells it; what the source does not tell is
// zero.
type Socket struct {
	Proto  probe.Proto
	Local  netip.AddrPort // IPv4-mapped addresses unmapped, zone kept
	Peer   netip.AddrPort // of a connected socket
	Family string         // Listener.Family
	State  State
	//lint:ignore U1000 only Linux tells it
	NetNS uint64 // the sign of its network namespace, if that is not the caller's
	//lint:ignore U1000 only Linux tells it
	ifIndex    uint32 // of the device it is bound to
	Device     string // that device's name
	OnLoopback bool   // that device is a loopback one
	Backlog    Backlog
	HasBacklog bool // backlog is told
	Drops      uint64
	Receive    Buffer
	HasReceive bool // received is told
	UID        uint32
	HasUID     bool // uid is told
	//lint:ignore U1000 only Linux tells it
	Cgroup uint64 // in which it was made: the inode of its directory; 0 if not told
	Inode  uint64
	cookie uint64 // the kernel's own name for the socket
	Holder uint64 // what findOwners knows it by: the inode, or elsewhere than on Linux the process
}

// wanted tells if the socket has to do with one of the asked families. A dual
// one has to do with both; so may one that does not tell.
func (s Socket) inFamilies(q Query) bool {
	switch s.Family {
	case "ipv4":
		return q.IPv4
	case "ipv6":
		return q.IPv6
	}
	return q.IPv4 || q.IPv6
}

// familyOf judges whose datagrams and connections a socket at an address takes,
// which is not yet unmapped. wildcard is what the source tells of an IPv6 socket
// at no address in particular: "ipv6", "dual" or "".
func familyOf(raw netip.Addr, wildcard string) string {
	switch {
	case raw.Is4(), raw.Is4In6():
		return "ipv4"
	case !raw.IsUnspecified():
		return "ipv6"
	}
	return wildcard
}

// Bounds of how many sockets of one port are told one by one; the others are
// counted.
const (
	MaxHolders = 1024
	MaxPeers   = 16
)

// tally is what is known of one port. Its size is bounded however many sockets
// use the port.
type Usage struct {
	Count     Counts
	Sockets   [states][]Socket
	boundSeen map[uint64]bool // cookies of the bound ones
}

func (t *Usage) add(s Socket) {
	if s.State == Bound && s.cookie != 0 {
		// Linux repeats bound sockets when a dump takes several messages.
		if t.boundSeen[s.cookie] {
			return
		}
		if t.boundSeen == nil {
			t.boundSeen = make(map[uint64]bool)
		}
		t.boundSeen[s.cookie] = true
	}
	t.Count[s.State]++
	limit := MaxHolders
	switch s.State {
	case Connected:
		limit = MaxPeers
	case TimeWait:
		limit = 0
	}
	if len(t.Sockets[s.State]) < limit {
		t.Sockets[s.State] = append(t.Sockets[s.State], s)
	}
}

// strongest is the state that makes the verdict; false if there is no socket.
func (t *Usage) Strongest() (State, bool) {
	for s, n := range t.Count {
		if n > 0 {
			return State(s), true
		}
	}
	return 0, false
}

// behind is the sockets that stand behind the verdict: connections only where
// nothing else uses the port.
func (t *Usage) Holders() []Socket {
	s, ok := t.Strongest()
	if !ok {
		return nil
	}
	behind := t.Sockets[s]
	if s == Listening {
		behind = slices.Concat(behind, t.Sockets[Bound])
	}
	slices.SortFunc(behind, func(a, b Socket) int {
		return cmp.Or(cmp.Compare(a.State, b.State), a.Local.Compare(b.Local), a.Peer.Compare(b.Peer), cmp.Compare(a.Inode, b.Inode))
	})
	return behind
}

// hasBound reports whether a socket of a protocol is bound and does not listen.
func (c Table) hasBound(proto probe.Proto) bool {
	for p, t := range c {
		if p.Proto == proto && t.Count[Bound] > 0 {
			return true
		}
	}
	return false
}

// census is a tally for each port on which a socket was seen.
type Table map[probe.Port]*Usage

// at is the port that the socket holds or uses.
func (s Socket) Port() probe.Port { return probe.Port{Number: s.Local.Port(), Proto: s.Proto} }

func (c Table) Add(s Socket) {
	p := s.Port()
	t := c[p]
	if t == nil {
		t = new(Usage)
		c[p] = t
	}
	t.add(s)
}

// Backlog is a listening TCP socket's accept queue.
type Backlog struct {
	Used  uint32 `json:"used"`
	Limit uint32 `json:"limit"`
}

// Buffer is a UDP socket's receive buffer, in bytes as the kernel counts them:
// with what it keeps beside the datagrams.
type Buffer struct {
	Used  uint32 `json:"used"`
	Limit uint32 `json:"limit"`
}

// add puts the sockets of another census to these.
func (c Table) merge(other Table) {
	for p, from := range other {
		t := c[p]
		if t == nil {
			c[p] = from
			continue
		}
		for s := range states {
			for _, socket := range from.Sockets[s] {
				t.add(socket)
			}
			t.Count[s] += from.Count[s] - len(from.Sockets[s])
		}
	}
}
