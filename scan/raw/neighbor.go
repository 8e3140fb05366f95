package raw

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"onmux/scan/engine"
	"onmux/scan/link"
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
	nextHops map[neighbor]*nextHop

	mu     sync.Mutex
	macs   macTable
	queue  probeQueue
	linger time.Time // until when probes that waited may be answered
}

func newNeighborTable(start time.Time) *neighborTable {
	return &neighborTable{nextHops: make(map[neighbor]*nextHop), macs: newMACTable(), queue: newProbeQueue(start)}
}

// addNextHop adds the gateway of a route. It is for setting up.
func (t *neighborTable) addNextHop(r *link.Route) *nextHop {
	n := neighbor{r.Gateway, r.Device.Index}
	if t.nextHops[n] == nil {
		t.nextHops[n] = &nextHop{neighbor: n, route: r}
	}
	return t.nextHops[n]
}

// fix keeps a MAC that an administrator has set.
func (t *neighborTable) fix(n neighbor, m packet.MAC) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.learn(n, m)
	if h := t.nextHops[n]; h != nil {
		h.fixed = true
	}
}

// learn keeps a neighbor's MAC. The caller holds mu.
func (t *neighborTable) learn(n neighbor, m packet.MAC) {
	if h := t.nextHops[n]; h != nil {
		h.set(m)
		h.unanswered, h.asked = 0, false
		return
	}
	t.macs.set(n, m)
}

// get returns the MAC of a neighbor, if it is known, and else the last try whose
// question it did not answer. The caller holds mu.
func (t *neighborTable) get(n neighbor) (m packet.MAC, ok bool, unanswered int) {
	if h := t.nextHops[n]; h != nil {
		m, ok = h.get()
		return m, ok, h.unanswered
	}
	return t.macs.get(n)
}

// markUnresolved notes that a neighbor did not answer for a try. The caller
// holds mu.
func (t *neighborTable) markUnresolved(n neighbor, try int) {
	if h := t.nextHops[n]; h != nil {
		h.unanswered = max(h.unanswered, try)
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
	h, waited := t.nextHops[n], t.queue.has(n)
	switch {
	case h == nil && !waited && !t.macs.asked(n), h != nil && (h.fixed || !h.asked && !waited):
		return
	case h != nil:
		h.answered = now
	}
	t.learn(n, m)
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

// nextHopsKnown reports whether all MACs of next hops are known.
func (t *neighborTable) nextHopsKnown() bool {
	for _, h := range t.nextHops {
		if h.unknown() {
			return false
		}
	}
	return true
}

// markAsked returns the next hops for which want holds, which the caller then
// asks for their MACs.
func (t *neighborTable) markAsked(now time.Time, want func(*nextHop) bool) (hops []*nextHop) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, h := range t.nextHops {
		if !want(h) {
			continue
		}
		if !h.asked {
			h.since = now
		}
		h.asked = true
		hops = append(hops, h)
	}
	return hops
}

// pathState is what is known of a next hop now.
func (t *neighborTable) pathState(n neighbor, now time.Time) engine.PathState {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch h := t.nextHops[n]; {
	case h == nil || h.fixed:
		return engine.PathDirect
	case h.unknown(), h.asked && now.Sub(h.since) >= neighborTimeout:
		return engine.PathDead
	case h.asked, now.Sub(h.answered) > nextHopRefresh:
		return engine.PathUnclear
	}
	return engine.PathAlive
}

// lostNextHops are those that had answered, and did not when they were asked
// again.
func (t *neighborTable) lostNextHops(now time.Time) (lost []netip.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, h := range t.nextHops {
		if !h.unknown() && h.asked && now.Sub(h.since) >= neighborTimeout {
			lost = append(lost, h.addr)
		}
	}
	slices.SortFunc(lost, netip.Addr.Compare)
	return lost
}
