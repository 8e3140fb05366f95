package timing

import (
	"math"
	"sort"
	"time"
)

// maxStamps bounds the send times that are kept: at the largest batches and a
// million probes a second, the last 16 seconds.
const maxStamps = 65536

// stamps remembers when the positions of the present pass were sent: one time
// for a batch, found again by binary search. Positions only grow within a pass.
type stamps struct {
	ring  []stamp // the oldest is at next once it is full
	next  int
	after uint64 // the first position that was not sent yet
}

type stamp struct {
	pos uint64
	at  time.Time
}

// begin forgets the pass before.
func (s *stamps) begin() { s.ring, s.next, s.after = s.ring[:0], 0, 0 }

// add notes that the positions from first to last, and no others between
// them, leave now. Those that are offered again are stamped again, and with them
// what was stamped since, so that times only grow.
func (s *stamps) add(first, last uint64, at time.Time) {
	s.after = max(s.after, last+1)
	n, again := len(s.ring), false
	for i := n - 1; i >= 0 && s.ring[(s.next+i)%n].pos >= first; i-- {
		s.ring[(s.next+i)%n].at, again = at, true
	}
	if again {
		return
	}
	if len(s.ring) < maxStamps {
		s.ring = append(s.ring, stamp{first, at})
		return
	}
	s.ring[s.next] = stamp{first, at}
	s.next = (s.next + 1) % maxStamps
}

// sent is when a position was sent in this pass; false if it was not, or too
// long ago.
func (s *stamps) sent(pos uint64) (time.Time, bool) {
	n := len(s.ring)
	if pos >= s.after {
		return time.Time{}, false
	}
	i := sort.Search(n, func(i int) bool { return s.ring[(s.next+i)%n].pos > pos })
	if i == 0 {
		return time.Time{}, false
	}
	return s.ring[(s.next+i-1)%n].at, true
}

// settled is a position before which every probe left at that time or earlier; 0
// if that is not known. A batch has left when the next one is stamped.
func (s *stamps) settled(by time.Time) uint64 {
	n := len(s.ring)
	i := sort.Search(n, func(i int) bool { return s.ring[(s.next+i)%n].at.After(by) })
	if i == 0 {
		return 0
	}
	return s.ring[(s.next+i-1)%n].pos
}

// flights knows which batches are being sent, one of each sender, so that no probe
// counts as sent before it has left.
type flights struct {
	first   []uint64    // by sender: what it is sending stands here in the order, or later; MaxUint64 for nothing
	taken   []time.Time // by sender: when it took that
	longest time.Duration
}

func newFlights(senders int) flights {
	f := flights{first: make([]uint64, senders), taken: make([]time.Time, senders)}
	for i := range f.first {
		f.first[i] = math.MaxUint64
	}
	return f
}

// take notes where the batch of a sender stands, and that the one before has left.
func (f *flights) take(sender int, positions []uint64, now time.Time) {
	if f.first[sender] != math.MaxUint64 {
		f.longest = max(f.longest, now.Sub(f.taken[sender]))
	}
	f.land(sender)
	f.taken[sender] = now
	if len(positions) > 0 {
		f.first[sender] = positions[0]
	}
}

// land notes that a sender's batch has left and none follows.
func (f *flights) land(sender int) { f.first[sender] = math.MaxUint64 }

// SendTimes knows when probes left: those of this pass and of the one before, and
// which batches are on their way. The caller guards it.
type SendTimes struct {
	sent, before stamps
	flights      flights
}

// Begin begins a pass.
func (t *SendTimes) Begin() {
	t.sent, t.before = t.before, t.sent
	t.sent.begin()
}

// Stamp notes that a batch leaves now, by the positions of its probes.
func (t *SendTimes) Stamp(positions []uint64, now time.Time) {
	if n := len(positions); n > 0 {
		t.sent.add(positions[0], positions[n-1], now)
	}
}

// SentAt is when the endpoint at a position was asked, the last time or, with 1 try
// before, the time before that, which was in the pass before.
func (t *SendTimes) SentAt(pos uint64, before int) (time.Time, bool) {
	switch before {
	case 0:
		return t.sent.sent(pos)
	case 1:
		return t.before.sent(pos)
	}
	return time.Time{}, false
}

// Settled is a position before which every probe left at that time or earlier; 0 if
// that is not known.
func (t *SendTimes) Settled(by time.Time) uint64 {
	f := &t.flights
	if len(f.first) > 1 { // else each batch has left when the next is stamped
		by = by.Add(-f.longest)
	}
	pos := t.sent.settled(by)
	for _, first := range f.first {
		pos = min(pos, first)
	}
	return pos
}

// NewSendTimes is for so many senders.
func NewSendTimes(senders int) SendTimes { return SendTimes{flights: newFlights(senders)} }

// Take notes that a sender takes a batch, by the positions of its probes, and that
// the one before has left.
func (t *SendTimes) Take(sender int, positions []uint64, now time.Time) {
	t.flights.take(sender, positions, now)
}

// Land notes that a sender's batch has left and none follows.
func (t *SendTimes) Land(sender int) { t.flights.land(sender) }

// Forget forgets when the probes of this pass left.
func (t *SendTimes) Forget() { t.sent.begin() }
