package socket

import "onmux/probe"

// Full reports whether the accept queue accepts no more: Linux lets it hold
// one more than its limit (sk_acceptq_is_full).
func (b Backlog) Full() bool { return b.Used > b.Limit }

// lostAttempts reports whether a socket that listens has lost attempts to connect, or
// loses them now.
func (t Table) lostAttempts() bool {
	for p, u := range t {
		if p.Proto != probe.TCP {
			continue
		}
		for _, s := range u.Sockets[Listening] {
			if s.Drops > 0 || s.Queue.Known && (Backlog{s.Queue.Used, s.Queue.Limit}).Full() {
				return true
			}
		}
	}
	return false
}

// boundDrops limits what TCP sockets have dropped to so many: the kernel counts among
// them half-open connections that the peer gave up, as every SYN scan makes.
func (t Table) boundDrops(most uint64) {
	for p, u := range t {
		if p.Proto != probe.TCP {
			continue
		}
		for i := range u.Sockets[Listening] {
			s := &u.Sockets[Listening][i]
			s.Drops = min(s.Drops, most)
		}
	}
}
