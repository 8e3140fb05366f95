package socket

import "onmux/probe"

// Full reports whether the accept queue accepts no more: Linux lets it hold
// one more than its limit (sk_acceptq_is_full).
func (b Backlog) Full() bool { return b.Used > b.Limit }

// ListenDrops is how many attempts to connect listening sockets have dropped in this
// network namespace since it began; zero where it was not read. A client that
// tries again counts again.
type ListenDrops struct {
	ByFullQueue uint64 // because an accept queue was full (TcpExt ListenOverflows)
	Otherwise   uint64 // for other reasons (the rest of ListenDrops)
}

// full reports whether an accept queue of a table is full.
func (t Table) full() bool {
	for p, u := range t {
		if p.Proto != probe.TCP {
			continue
		}
		for _, s := range u.Sockets[Listening] {
			if s.Queue.Known && (Backlog{s.Queue.Used, s.Queue.Limit}).Full() {
				return true
			}
		}
	}
	return false
}
