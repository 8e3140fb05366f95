package local

import (
	"fmt"

	"onmux/probe"
)

// full reports whether a socket's accept queue takes no more: Linux lets it hold
// one more than its limit (sk_acceptq_is_full).
func (b Backlog) full() bool { return b.Used > b.Limit }

// refused is how many attempts to connect listening sockets have dropped in this
// network namespace since it began; zero where it was not read. Somebody who
// tries again counts again.
type refused struct {
	full  uint64 // because an accept queue was full (TcpExt ListenOverflows)
	other uint64 // for other reasons (the rest of ListenDrops)
}

// full reports whether an accept queue is full.
func (c census) full() bool {
	for p, t := range c {
		if p.Proto != probe.TCP {
			continue
		}
		for _, s := range t.told[listening] {
			if s.queued && s.backlog.full() {
				return true
			}
		}
	}
	return false
}

// losses says what sockets of one holder have dropped, and whether the accept
// queue of one is full.
func (f finding) losses(sockets []Listener) string {
	var said string
	var full bool
	var drops uint64
	for _, l := range sockets {
		drops += l.Drops
		if b := l.Backlog; !full && b != nil && b.full() {
			full = true
			said = fmt.Sprintf(", accept queue full (%d of %d)", b.Used, b.Limit)
		}
	}
	if drops > 0 && f.port.Proto == probe.UDP {
		return said + fmt.Sprintf(", %s dropped", count(int(drops), "datagram", "datagrams"))
	}
	if drops > 0 {
		said += fmt.Sprintf(", %s dropped", count(int(drops), "attempt to connect", "attempts to connect"))
	}
	if b := f.refused; full && b.full > 0 {
		said += fmt.Sprintf(" (in this network namespace since it began: %d by full queues", b.full)
		if b.other > 0 {
			said += fmt.Sprintf(", %d for other reasons", b.other)
		}
		said += ")"
	}
	return said
}
