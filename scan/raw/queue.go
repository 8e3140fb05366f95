package raw

import (
	"time"

	"onmux/scan/engine"
)

// maxWaiting bounds the probes that wait for a neighbor. It takes 32 bytes for
// each, and about as much again for its address.
const maxWaiting = 1 << 17

// waitingProbe is a probe that waits for its neighbor's MAC. Those of one
// neighbor are chained.
type waitingProbe struct {
	index    uint64
	deadline int64  // since the queue's start, in nanoseconds
	next     uint64 // the number of the next of the same neighbor, plus one
	wait     uint32 // how long an answer to the probe is of use, in milliseconds
	try      uint8  // 0 once it is over
}

// chain is the probes that wait for one neighbor, by their numbers plus one.
type chain struct {
	first, last uint64
	try         int // for which the neighbor was last asked
}

// probeQueue holds probes that wait for their neighbors, in the order in which
// they came. It is a ring, so that expiring them takes no more than looking at
// the oldest. Its owner holds a lock.
type probeQueue struct {
	start  time.Time
	chains map[neighbor]chain
	ring   []waitingProbe // number n is at n modulo the length, a power of two
	first  uint64         // the oldest number
	next   uint64         // the next number
	live   int            // probes that wait
}

func newProbeQueue(start time.Time) probeQueue {
	return probeQueue{start: start, chains: make(map[neighbor]chain), ring: make([]waitingProbe, 1024)}
}

// empty reports whether no number is in use.
func (q *probeQueue) empty() bool { return q.next == q.first }

// full reports whether no more probes fit. It grows as far as it may.
func (q *probeQueue) full() bool {
	if q.next-q.first < uint64(len(q.ring)) {
		return false
	}
	if len(q.ring) == maxWaiting {
		return true
	}
	ring := make([]waitingProbe, 2*len(q.ring))
	for i := q.first; i < q.next; i++ {
		ring[i&uint64(len(ring)-1)] = *q.at(i)
	}
	q.ring = ring
	return false
}

// at is the probe with a number.
func (q *probeQueue) at(number uint64) *waitingProbe { return &q.ring[number&uint64(len(q.ring)-1)] }

// has reports whether a neighbor has a chain.
func (q *probeQueue) has(n neighbor) bool {
	_, ok := q.chains[n]
	return ok
}

// push appends a probe and returns its number, and whether its neighbor is to be
// asked: it was not, for this try. The queue must not be full.
func (q *probeQueue) push(n neighbor, p *engine.Probe, now time.Time) (number uint64, ask bool) {
	number = q.next
	q.next++
	q.live++
	*q.at(number) = waitingProbe{
		index: p.Index, try: uint8(p.Try), wait: uint32(p.Wait / time.Millisecond),
		deadline: int64(now.Add(min(p.Wait, neighborTimeout)).Sub(q.start)),
	}
	c := q.chains[n]
	if c.last != 0 {
		q.at(c.last - 1).next = number + 1
	} else {
		c.first = number + 1
	}
	c.last = number + 1
	if ask = c.try < p.Try; ask {
		c.try = p.Try
	}
	q.chains[n] = c
	return number, ask
}

// withdraw removes one probe; the next of its neighbor has it asked again.
func (q *probeQueue) withdraw(n neighbor, number uint64) {
	if w := q.at(number); number >= q.first && w.try != 0 {
		w.try = 0
		q.live--
	}
	if c, ok := q.chains[n]; ok {
		c.try = 0
		q.chains[n] = c
	}
}

// remove removes all probes of a neighbor and passes them to f.
func (q *probeQueue) remove(n neighbor, f func(*waitingProbe)) {
	c := q.chains[n]
	delete(q.chains, n)
	for number := c.first; number != 0; {
		w := q.at(number - 1)
		number = w.next
		if w.try != 0 {
			f(w)
			w.try = 0
			q.live--
		}
	}
}

// expire removes the probes whose time is over and passes them to f. neighborOf
// finds the neighbor of a probe by its index.
func (q *probeQueue) expire(now time.Time, neighborOf func(uint64) neighbor, f func(*waitingProbe, neighbor)) {
	past := int64(now.Sub(q.start))
	for ; q.first < q.next; q.first++ {
		w := q.at(q.first)
		if w.try != 0 && w.deadline > past {
			return
		}
		n := neighborOf(w.index)
		c := q.chains[n]
		if c.first == q.first+1 { // of a chain that still stands, the oldest
			if c.first = w.next; c.first == 0 {
				delete(q.chains, n)
			} else {
				q.chains[n] = c
			}
		}
		if w.try != 0 {
			f(w, n)
			w.try = 0
			q.live--
		}
	}
}

// nextExpiry is how long no probe expires; false if there is none.
func (q *probeQueue) nextExpiry(now time.Time) (time.Duration, bool) {
	if q.empty() {
		return 0, false
	}
	return max(time.Duration(q.at(q.first).deadline)-now.Sub(q.start), 0), true
}
