package raw

import (
	"net/netip"
	"sync"
	"time"

	"onmux/scan/engine"
	"onmux/scan/packet"
)

// neighborTimeout is how long an answer to one ARP request or neighbor
// solicitation is waited for, if the probe is not to be forgotten earlier:
// RETRANS_TIMER of RFC 4861, section 10, and what Linux waits for ARP.
const neighborTimeout = time.Second

// neighbor is a station on a link.
type neighbor struct {
	addr   netip.Addr // without a zone
	device int        // index
}

// neighborTable resolves neighbors to MACs. Probes wait in a queue until their
// neighbor has answered. The set of next hops is fixed once the engine is made.
type neighborTable struct {
	nextHops nextHops

	mu     sync.Mutex
	macs   macTable
	queue  probeQueue
	linger time.Time // until when probes that waited may be answered
}

func newNeighborTable(start time.Time) *neighborTable {
	return &neighborTable{nextHops: make(nextHops), macs: newMACTable(), queue: newProbeQueue(start)}
}

// fix keeps a MAC that an administrator has set.
func (t *neighborTable) fix(n neighbor, m packet.MAC) {
	if h := t.nextHops[n]; h != nil {
		h.fix(m)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.macs.set(n, m)
}

// get returns the MAC of a neighbor, if it is known, and else the last try whose
// question it did not answer. The caller holds mu.
func (t *neighborTable) get(n neighbor) (m packet.MAC, ok bool, unanswered int) {
	if h := t.nextHops[n]; h != nil {
		m, ok = h.get()
		return m, ok, h.unansweredTry()
	}
	return t.macs.get(n)
}

// known returns the MAC of a neighbor, if it is known.
func (t *neighborTable) known(n neighbor) (packet.MAC, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m, ok, _ := t.get(n)
	return m, ok
}

// markUnresolved notes that a neighbor did not answer for a try. The caller
// holds mu.
func (t *neighborTable) markUnresolved(n neighbor, try int) {
	if h := t.nextHops[n]; h != nil {
		h.markUnresolved(try)
		return
	}
	t.macs.markUnresolved(n, try)
}

// resolution is what resolveOrQueue finds.
type resolution uint8

const (
	resolved   resolution = iota // the MAC is known
	unresolved                   // the neighbor did not answer when it was asked for this try
	queued                       // the probe waits, and the neighbor was asked already
	toAsk                        // the probe waits, and the neighbor is to be asked
	queueFull                    // no more probes may wait
)

// resolveOrQueue returns the MAC of a probe's neighbor, or lets the probe wait
// for it under the number that it returns; first means that no other waits.
func (t *neighborTable) resolveOrQueue(n neighbor, p *engine.Probe, now time.Time) (
	m packet.MAC, found resolution, number uint64, first bool,
) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m, ok, unanswered := t.get(n)
	switch {
	case ok:
		return m, resolved, 0, false
	case unanswered >= p.Try:
		return m, unresolved, 0, false
	case t.queue.full():
		return m, queueFull, 0, false
	}
	first = t.queue.empty()
	number, ask := t.queue.push(n, p, now)
	if ask {
		return m, toAsk, number, first
	}
	return m, queued, number, first
}

// withdraw removes a probe whose neighbor could not be asked after all.
func (t *neighborTable) withdraw(n neighbor, number uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.queue.withdraw(n, number)
}

// resolve keeps the MAC of a neighbor that has answered, and passes the probes
// that waited for it to send, one after the other. An answer that nobody asked
// for is ignored.
func (t *neighborTable) resolve(n neighbor, m packet.MAC, now time.Time, send func(*waitingProbe)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	waited := t.queue.has(n)
	if h := t.nextHops[n]; h != nil {
		if !h.learn(m, waited, now) {
			return
		}
	} else if waited || t.macs.asked(n) {
		t.macs.set(n, m)
	} else {
		return
	}
	t.queue.remove(n, func(w *waitingProbe) {
		send(w)
		if until := now.Add(time.Duration(w.wait) * time.Millisecond); until.After(t.linger) {
			t.linger = until
		}
	})
}

// expire passes the probes to report whose neighbors did not answer in time.
// neighborOf finds the neighbor of a probe by its index.
func (t *neighborTable) expire(now time.Time, neighborOf func(uint64) neighbor, report func(*waitingProbe, neighbor)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.queue.expire(now, neighborOf, func(w *waitingProbe, n neighbor) {
		t.markUnresolved(n, int(w.try))
		report(w, n)
	})
}

// nextExpiry is how long no probe expires; false if none waits.
func (t *neighborTable) nextExpiry(now time.Time) (time.Duration, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.queue.nextExpiry(now)
}

// pending is how many probes wait or may still be answered after they did;
// negative if none.
func (t *neighborTable) pending(now time.Time) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.queue.live > 0:
		return t.queue.live
	case now.Before(t.linger):
		return 1
	}
	return -1
}
