package raw

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"onmux/scan/engine"
	"onmux/scan/link"
	"onmux/scan/packet"
)

// nextHop is a neighbor through which other addresses are reached. Its MAC may
// be read without the lock.
type nextHop struct {
	neighbor
	route *link.Route                // one that leads through it
	mac   atomic.Pointer[packet.MAC] // nil while it is not known

	mu         sync.Mutex
	fixed      bool      // set by an administrator: never ask
	unanswered int       // the last try whose question it did not answer
	asked      bool      // it was asked for itself, without a probe that waits, and has not answered
	since      time.Time // when it was asked first
	answered   time.Time // when it last answered
}

// get returns the MAC, and whether it is known.
func (h *nextHop) get() (m packet.MAC, ok bool) {
	if known := h.mac.Load(); known != nil {
		return *known, true
	}
	return m, false
}

func (h *nextHop) set(m packet.MAC) { h.mac.Store(&m) }

func (h *nextHop) unknown() bool { return h.mac.Load() == nil }

// fix keeps a MAC that an administrator has set.
func (h *nextHop) fix(m packet.MAC) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.set(m)
	h.unanswered, h.asked, h.fixed = 0, false, true
}

// learn keeps the MAC of an answer, and returns false if nobody asked for it: it was not asked for
// itself, and no probe waited.
func (h *nextHop) learn(m packet.MAC, waited bool, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fixed || !h.asked && !waited {
		return false
	}
	h.set(m)
	h.unanswered, h.asked, h.answered = 0, false, now
	return true
}

func (h *nextHop) unansweredTry() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.unanswered
}

// markUnresolved notes that it did not answer for a try.
func (h *nextHop) markUnresolved(try int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.unanswered = max(h.unanswered, try)
}

// isStale reports whether its MAC is known and was not confirmed for long. The caller holds mu.
func (h *nextHop) isStale(now time.Time) bool {
	return !h.unknown() && now.Sub(h.answered) >= nextHopRefresh
}

// isLost reports whether it was asked and did not answer in time. The caller holds mu.
func (h *nextHop) isLost(now time.Time) bool { return h.asked && now.Sub(h.since) >= neighborTimeout }

// state is what is known of it now.
func (h *nextHop) state(now time.Time) engine.PathState {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.fixed:
		return engine.PathDirect
	case h.unknown(), h.isLost(now):
		return engine.PathDead
	case h.asked, now.Sub(h.answered) > nextHopRefresh:
		return engine.PathUnclear
	}
	return engine.PathAlive
}

// nextHops are all of a scan. The map does not change once the engine is made.
type nextHops map[neighbor]*nextHop

// add adds the gateway of a route.
func (all nextHops) add(r *link.Route) *nextHop {
	n := neighbor{r.Gateway, r.Device.Index}
	if all[n] == nil {
		all[n] = &nextHop{neighbor: n, route: r}
	}
	return all[n]
}

// known reports whether all MACs are.
func (all nextHops) known() bool {
	for _, h := range all {
		if h.unknown() {
			return false
		}
	}
	return true
}

// markAsked returns those for which want holds, which the caller then asks for their MACs. It
// holds their locks while want is called.
func (all nextHops) markAsked(now time.Time, want func(*nextHop) bool) (hops []*nextHop) {
	for _, h := range all {
		h.mu.Lock()
		if want(h) {
			if !h.asked {
				h.since = now
			}
			h.asked = true
			hops = append(hops, h)
		}
		h.mu.Unlock()
	}
	return hops
}

// state is what is known of a neighbor through which targets are reached.
func (all nextHops) state(n neighbor, now time.Time) engine.PathState {
	if h := all[n]; h != nil {
		return h.state(now)
	}
	return engine.PathDirect
}

// lost are those that had answered, and did not when they were asked again.
func (all nextHops) lost(now time.Time) (lost []netip.Addr) {
	for _, h := range all {
		h.mu.Lock()
		if !h.unknown() && h.isLost(now) {
			lost = append(lost, h.addr)
		}
		h.mu.Unlock()
	}
	slices.SortFunc(lost, netip.Addr.Compare)
	return lost
}
