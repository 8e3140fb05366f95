package socket

import "onmux/probe"

// full reports whether a socket's accept queue takes no more: Linux lets it hold
// one more than its limit (sk_acceptq_is_full).
func (b Backlog) Full() bool { return b.Used > b.Limit }

// Dropped is how many attempts to connect listening sockets have dropped in this
// network namespace since it began; zero where it was not read. A client that
// tries again counts again.
type ListenDrops struct {
	ByFullQueue uint64 // because an accept queue was full (TcpExt ListenOverflows)
	Otherwise   uint64 // for other reasons (the rest of ListenDrops)
}

// full reports whether an accept queue is full.
func (c Table) full() bool {
	for p, t := range c {
		if p.Proto != probe.TCP {
			continue
		}
		for _, s := range t.Sockets[Listening] {
			if s.HasBacklog && s.Backlog.Full() {
				return true
			}
		}
	}
	return false
}
