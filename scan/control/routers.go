package control

import (
	"net/netip"
	"sync"
	"time"
)

const (
	// maxRouterICMPRate is how many ICMP errors a second a router is made to send at
	// most. Linux sends 1000 in all (net.ipv4.icmp_msgs_per_sec), others fewer, and
	// each costs a router far more than a packet that it forwards. Probes beyond its
	// limit get no error, and look silent.
	maxRouterICMPRate = 800

	routerWindow = 100 * time.Millisecond // in which errors are counted
	maxRouters   = 64                     // that are counted in one
)

// RouterErrors: one router answers for others with more ICMP errors than it is made
// to send a second, which is Most.
type RouterErrors struct {
	Router netip.Addr
	Most   int
}

// Routers counts the ICMP errors of hosts that answer for others. The receiver of
// answers calls Count, one other goroutine Busiest.
type Routers struct {
	mu     sync.Mutex
	errors map[netip.Addr]int // by who sent them
	since  time.Time          // when the window began
	sent   uint64             // probes until then
}

// Count counts an error from each of routers.
func (r *Routers) Count(routers []netip.Addr) {
	if len(routers) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.errors == nil {
		r.errors = make(map[netip.Addr]int)
	}
	for _, by := range routers {
		if n, ok := r.errors[by]; ok || len(r.errors) < maxRouters {
			r.errors[by] = n + 1
		}
	}
}

// Busiest reports, when a window is over, whether one router sends more errors than
// it should, and to how many probes a second the scan must slow down for it. sent
// is how many probes have left so far.
func (r *Routers) Busiest(now time.Time, sent uint64) (rate float64, why RouterErrors, tooMany bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	past := now.Sub(r.since)
	if past < routerWindow {
		return 0, why, false
	}
	most := 0
	for a, n := range r.errors {
		if n > most || n == most && a.Less(why.Router) {
			why.Router, most = a, n
		}
	}
	clear(r.errors)
	errors := float64(most) / past.Seconds()
	asked := float64(sent-r.sent) / past.Seconds()
	r.since, r.sent = now, sent
	why.Most = maxRouterICMPRate
	return asked * maxRouterICMPRate / errors, why, errors > maxRouterICMPRate
}
