package raw

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"onmux/scan/engine"
	"onmux/scan/link"
	"onmux/scan/packet"
)

const (
	// neighbourWait is how long an answer to one ARP request or neighbour
	// solicitation is waited for, if the probe is not to be forgotten earlier:
	// RETRANS_TIMER of RFC 4861, section 10, and what Linux takes for ARP.
	neighbourWait = time.Second

	// maxWaiting bounds the probes that wait for a neighbour. It takes 32 bytes
	// for each, and about as much again for its address.
	maxWaiting = 1 << 17

	// maxMACs bounds the MACs that are kept, 1,536 bytes for each 256 addresses
	// that lie together: 24 MiB. Beyond it neighbours are asked for each time.
	maxMACs = 1 << 14

	// gateRefresh is how long a next hop's MAC is believed before it is asked
	// for again. What leaves for one that has moved is lost, so it is less than
	// Linux' base_reachable_time: as long as Linux uses an entry that is not
	// confirmed (delay_first_probe_time; RFC 4861, section 10, DELAY_FIRST_PROBE_TIME).
	gateRefresh = 5 * time.Second
)

// hop is the address of a station on a link.
type hop struct {
	addr   netip.Addr // without a zone
	device int
}

// gate is a next hop through which other addresses are reached. Its MAC may be
// read at any time; the rest belongs to neighbours.
type gate struct {
	hop
	way   *link.Route                // one that leads through it
	mac   atomic.Pointer[packet.MAC] // nil while it is not known
	fixed bool
	dead  int       // the last try whose question it did not answer
	asked bool      // a question is open that no probe waits for
	since time.Time // when that was asked first
	fresh time.Time // when it last answered
}

func (g *gate) get() (m packet.MAC, ok bool) {
	if known := g.mac.Load(); known != nil {
		return *known, true
	}
	return m, false
}

func (g *gate) set(m packet.MAC) { g.mac.Store(&m) }

// area is 256 neighbouring addresses of a link. What is known of each is a byte:
// 0 for nothing, the last try that went unanswered, or hasMAC.
type area struct {
	state [256]uint8
	macs  *[256]packet.MAC // once one of them has answered
}

const hasMAC = 255

type areaKey struct {
	hi, lo uint64 // the address without its last byte
	device int32
	v4     bool
}

// waiting is a probe that waits for its neighbour's MAC. Those of one neighbour
// are chained.
type waiting struct {
	index    uint64
	deadline int64  // since the engine's start, in nanoseconds
	next     uint64 // the number of the next of the same neighbour, plus one
	wait     uint32 // how long an answer to the probe is of use, in milliseconds
	try      uint8  // 0 once it is over
}

// chain is the probes that wait for one neighbour, by their numbers plus one.
type chain struct {
	first, last uint64
	try         int // for which it was last asked
}

// neighbours finds out who is where on a link. Probes wait in a ring, in the
// order in which they came, so that it takes no more to forget them than to look
// at the oldest.
type neighbours struct {
	start time.Time

	mu     sync.Mutex
	areas  map[areaKey]*area
	macs   int // areas that have some
	gates  map[hop]*gate
	chains map[hop]chain
	ring   []waiting // number n is at n mod its length, a power of two
	first  uint64    // the oldest number
	next   uint64    // the next number
	live   int       // probes that wait
	linger time.Time // until when probes that waited may be answered
}

func (n *neighbours) init(start time.Time) {
	n.start = start
	n.areas, n.gates, n.chains = make(map[areaKey]*area), make(map[hop]*gate), make(map[hop]chain)
	n.ring = make([]waiting, 1024)
}

// gate is the next hop of a route.
func (n *neighbours) gate(r *link.Route) *gate {
	h := hop{r.Gateway, r.Device.Index}
	if n.gates[h] == nil {
		n.gates[h] = &gate{hop: h, way: r}
	}
	return n.gates[h]
}

func keyOf(h hop) (areaKey, uint8) {
	b := h.addr.As16()
	return areaKey{binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint64(b[8:]) >> 8, int32(h.device), h.addr.Is4()}, b[15]
}

// look is what is known of a station. The caller holds mu.
func (n *neighbours) look(h hop) (m packet.MAC, ok bool, dead int) {
	if g := n.gates[h]; g != nil {
		m, ok = g.get()
		return m, ok, g.dead
	}
	k, at := keyOf(h)
	a := n.areas[k]
	switch {
	case a == nil:
		return m, false, 0
	case a.state[at] == hasMAC:
		return a.macs[at], true, 0
	}
	return m, false, int(a.state[at])
}

// learn notes where a station is. The caller holds mu.
func (n *neighbours) learn(h hop, m packet.MAC) {
	if g := n.gates[h]; g != nil {
		g.set(m)
		g.dead, g.asked = 0, false
		return
	}
	a, at := n.area(h)
	if a.macs == nil {
		if n.macs == maxMACs {
			return
		}
		n.macs++
		a.macs = new([256]packet.MAC)
	}
	a.state[at], a.macs[at] = hasMAC, m
}

// bury notes that a station did not answer for a try. The caller holds mu.
func (n *neighbours) bury(h hop, try int) {
	if g := n.gates[h]; g != nil {
		g.dead = max(g.dead, try)
		return
	}
	if a, at := n.area(h); a.state[at] != hasMAC {
		a.state[at] = max(a.state[at], uint8(try))
	}
}

func (n *neighbours) area(h hop) (*area, uint8) {
	k, at := keyOf(h)
	if n.areas[k] == nil {
		n.areas[k] = new(area)
	}
	return n.areas[k], at
}

// What place finds.
type place uint8

const (
	isKnown place = iota // the MAC is known
	isDead               // the neighbour did not answer when it was asked for this try
	isAsked              // the probe waits, and the neighbour was asked already
	toAsk                // the probe waits, and the neighbour is to be asked
	isFull               // no more probes may wait
)

// place finds a probe's neighbour or lets it wait for it; the number is then
// what undo takes.
func (n *neighbours) place(h hop, p *engine.Probe, now time.Time) (m packet.MAC, what place, number uint64, first bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	m, ok, dead := n.look(h)
	switch {
	case ok:
		return m, isKnown, 0, false
	case dead >= p.Try:
		return m, isDead, 0, false
	case n.next-n.first == uint64(len(n.ring)) && !n.grow():
		return m, isFull, 0, false
	}
	first = n.next == n.first
	number = n.next
	n.next++
	n.live++
	n.ring[number&uint64(len(n.ring)-1)] = waiting{
		index: p.Index, try: uint8(p.Try), wait: uint32(p.Wait / time.Millisecond),
		deadline: int64(now.Add(min(p.Wait, neighbourWait)).Sub(n.start)),
	}
	c := n.chains[h]
	if c.last != 0 {
		n.at(c.last).next = number + 1
	} else {
		c.first = number + 1
	}
	c.last = number + 1
	what = isAsked
	if c.try < p.Try {
		c.try, what = p.Try, toAsk
	}
	n.chains[h] = c
	return m, what, number, first
}

// at is the waiting probe with a number plus one.
func (n *neighbours) at(plusOne uint64) *waiting {
	return &n.ring[(plusOne-1)&uint64(len(n.ring)-1)]
}

func (n *neighbours) grow() bool {
	if len(n.ring) == maxWaiting {
		return false
	}
	ring := make([]waiting, 2*len(n.ring))
	for i := n.first; i < n.next; i++ {
		ring[i&uint64(len(ring)-1)] = n.ring[i&uint64(len(n.ring)-1)]
	}
	n.ring = ring
	return true
}

// undo takes back a probe whose neighbour could not be asked after all.
func (n *neighbours) undo(h hop, number uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if w := n.at(number + 1); number >= n.first && w.try != 0 {
		w.try = 0
		n.live--
	}
	if c, ok := n.chains[h]; ok {
		c.try = 0
		n.chains[h] = c
	}
}

// found takes out, one after the other, the probes that waited for a station
// that has answered. It is false if nobody asked for it.
func (n *neighbours) found(h hop, m packet.MAC, now time.Time, send func(*waiting)) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	c, ok := n.chains[h]
	if g := n.gates[h]; g != nil {
		if g.fixed || !ok && !g.asked {
			return false
		}
		g.fresh = now
	} else if !ok {
		return false
	}
	n.learn(h, m)
	delete(n.chains, h)
	for number := c.first; number != 0; {
		w := n.at(number)
		number = w.next
		if w.try == 0 {
			continue
		}
		send(w)
		if until := now.Add(time.Duration(w.wait) * time.Millisecond); until.After(n.linger) {
			n.linger = until
		}
		w.try = 0
		n.live--
	}
	return true
}

// expire concludes the probes whose neighbours did not answer in time. hopOf
// finds the neighbour of a probe.
func (n *neighbours) expire(now time.Time, hopOf func(index uint64) hop, tell func(*waiting, hop)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	past := int64(now.Sub(n.start))
	for ; n.first < n.next; n.first++ {
		w := n.at(n.first + 1)
		if w.try != 0 && w.deadline > past {
			return
		}
		h := hopOf(w.index)
		c := n.chains[h]
		if c.first == n.first+1 { // of a chain that still stands, the oldest
			if c.first = w.next; c.first == 0 {
				delete(n.chains, h)
			} else {
				n.chains[h] = c
			}
		}
		if w.try != 0 {
			n.bury(h, int(w.try))
			tell(w, h)
			w.try = 0
			n.live--
		}
	}
}

// idle is how long nothing expires; false if nothing waits.
func (n *neighbours) idle(now time.Time) (time.Duration, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.first == n.next {
		return 0, false
	}
	return max(time.Duration(n.at(n.first+1).deadline)-now.Sub(n.start), 0), true
}

func (n *neighbours) pending(now time.Time) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.live > 0:
		return n.live
	case now.Before(n.linger):
		return 1
	}
	return -1
}
