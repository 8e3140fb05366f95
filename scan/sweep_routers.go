package scan

import (
	"fmt"
	"net/netip"
	"time"
)

const (
	// routerBears is how many ICMP errors a second a router is made to send at most.
	// Linux sends 1000 in all (net.ipv4.icmp_msgs_per_sec), others fewer, and each
	// costs a router far more than a packet that it forwards. What is asked beyond its
	// limit draws nothing, and looks silent.
	routerBears = 800

	routerWindow = 100 * time.Millisecond // in which they are counted
	maxRouters   = 64                     // that are counted in one
)

// routers counts the ICMP errors of those who speak for others, under the sweep's mu.
type routers struct {
	errors map[netip.Addr]int // by who sent them
	since  time.Time          // when the window began; this and sent are the sender's alone
	sent   uint64             // probes until then
}

// hear counts one.
func (r *routers) hear(by netip.Addr) {
	if n, ok := r.errors[by]; ok || len(r.errors) < maxRouters {
		r.errors[by] = n + 1
	}
}

// busiest ends the window, and says who sent most, and how many a second.
func (r *routers) busiest(now time.Time) (by netip.Addr, rate float64) {
	most := 0
	for a, n := range r.errors {
		if n > most || n == most && a.Less(by) {
			by, most = a, n
		}
	}
	clear(r.errors)
	rate = float64(most) / now.Sub(r.since).Seconds()
	r.since = now
	return by, rate
}

// spareRouters slows the sweep down when it makes one router send more ICMP errors than
// it should bear.
func (s *sweep) spareRouters(now time.Time) {
	past := now.Sub(s.routers.since)
	if past < routerWindow {
		return
	}
	s.mu.Lock()
	by, rate := s.routers.busiest(now)
	s.mu.Unlock()
	asked := float64(s.sent-s.routers.sent) / past.Seconds()
	s.routers.sent = s.sent
	if rate > routerBears {
		s.pace.ease(now, asked*routerBears/rate, fmt.Errorf("%v answers with ICMP errors, and is made to send no more than %d a second", by, routerBears))
	}
}
