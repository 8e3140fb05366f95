package local

import (
	"cmp"
	"net/netip"
	"slices"

	"onmux/probe"
)

// state is what a socket does with its port.
type state uint8

const (
	listening state = iota // takes connections, or datagrams from anybody
	bound                  // holds the port and takes nothing
	connected              // one end of a connection
	timeWait               // what remains of a connection; nobody owns it (RFC 9293, section 3.6.1)
	states
)

// Counts is how many sockets are in each state.
type Counts [states]int

// socket is one socket as a source tells it; what the source does not tell is
// zero.
type socket struct {
	proto  probe.Proto
	local  netip.AddrPort // IPv4-mapped addresses unmapped, zone kept
	peer   netip.AddrPort // of a connected socket
	family string         // Listener.Family
	state  state
	//lint:ignore U1000 only Linux tells it
	space uint64 // the sign of its network namespace, if that is not the caller's
	//lint:ignore U1000 only Linux tells it
	index    uint32 // of the device it is bound to
	device   string // that device's name
	looped   bool   // that device is a loopback one
	backlog  Backlog
	queued   bool // backlog is told
	drops    uint64
	received Buffer
	buffered bool // received is told
	uid      uint32
	owned    bool // uid is told
	//lint:ignore U1000 only Linux tells it
	cgroup uint64 // in which it was made: the inode of its directory; 0 if not told
	inode  uint64
	cookie uint64 // the kernel's own name for the socket
	holder uint64 // what findOwners knows it by: the inode, or elsewhere than on Linux the process
}

// wanted tells if the socket has to do with one of the asked families. A dual
// one has to do with both; so may one that does not tell.
func (s socket) wanted(q Query) bool {
	switch s.family {
	case "ipv4":
		return q.v4
	case "ipv6":
		return q.v6
	}
	return q.v4 || q.v6
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
	maxHolders = 1024
	maxPeers   = 16
)

// tally is what is known of one port. Its size is bounded however many sockets
// use the port.
type tally struct {
	count Counts
	told  [states][]socket
	idle  map[uint64]bool // cookies of the bound ones
}

func (t *tally) see(s socket) {
	if s.state == bound && s.cookie != 0 {
		// Linux repeats bound sockets when a dump takes several messages.
		if t.idle[s.cookie] {
			return
		}
		if t.idle == nil {
			t.idle = make(map[uint64]bool)
		}
		t.idle[s.cookie] = true
	}
	t.count[s.state]++
	limit := maxHolders
	switch s.state {
	case connected:
		limit = maxPeers
	case timeWait:
		limit = 0
	}
	if len(t.told[s.state]) < limit {
		t.told[s.state] = append(t.told[s.state], s)
	}
}

// strongest is the state that makes the verdict; false if there is no socket.
func (t *tally) strongest() (state, bool) {
	for s, n := range t.count {
		if n > 0 {
			return state(s), true
		}
	}
	return 0, false
}

// behind is the sockets that stand behind the verdict: connections only where
// nothing else uses the port.
func (t *tally) behind() []socket {
	s, ok := t.strongest()
	if !ok {
		return nil
	}
	behind := t.told[s]
	if s == listening {
		behind = slices.Concat(behind, t.told[bound])
	}
	slices.SortFunc(behind, func(a, b socket) int {
		return cmp.Or(cmp.Compare(a.state, b.state), a.local.Compare(b.local), a.peer.Compare(b.peer), cmp.Compare(a.inode, b.inode))
	})
	return behind
}

// hasBound reports whether a socket of a protocol is bound and does not listen.
func (c census) hasBound(proto probe.Proto) bool {
	for p, t := range c {
		if p.Proto == proto && t.count[bound] > 0 {
			return true
		}
	}
	return false
}

// census is a tally for each port on which a socket was seen.
type census map[probe.Port]*tally

// at is the port that the socket holds or uses.
func (s socket) at() probe.Port { return probe.Port{Number: s.local.Port(), Proto: s.proto} }

func (c census) see(s socket) {
	p := s.at()
	t := c[p]
	if t == nil {
		t = new(tally)
		c[p] = t
	}
	t.see(s)
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
func (c census) add(other census) {
	for p, from := range other {
		t := c[p]
		if t == nil {
			c[p] = from
			continue
		}
		for s := range states {
			for _, socket := range from.told[s] {
				t.see(socket)
			}
			t.count[s] += from.count[s] - len(from.told[s])
		}
	}
}
