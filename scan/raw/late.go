package raw

import (
	"sync/atomic"
	"time"

	"onmux/scan/engine"
	"onmux/scan/link"
	"onmux/scan/packet"
)

// lateSender sends what the receiver has to send: the probes whose neighbors have
// answered, and questions to the next hops.
type lateSender struct {
	*sender
	unsent atomic.Uint64 // probes that could not be sent
}

func newLateSender(c *core) (*lateSender, error) {
	s, err := newSender(c)
	if err != nil {
		return nil, err
	}
	return &lateSender{sender: s}, nil
}

// socketFor is the socket of a route, with room for one packet.
func (l *lateSender) socketFor(to *route) *link.Sender {
	s := l.sockets[to.socket]
	if s.Room() == nil {
		l.flushSocket(s)
	}
	return s
}

// put adds a probe that has waited for a MAC to the batch of its socket. It
// returns an answer and false if no packet can be written for it.
func (l *lateSender) put(w *waitingProbe, mac packet.MAC, now time.Time) (engine.Answer, bool) {
	e := l.Targets.At(w.index)
	to := l.routes.to(w.index, e.Addr)
	s := l.socketFor(to)
	n := to.builder.Put(s.Room(), e, l.portTry(&engine.Probe{Endpoint: e, Try: int(w.try)}), mac, l.clock(now))
	if n == 0 {
		return engine.Answer{Index: w.index, Try: int(w.try), At: now, Result: to.tooLong()}, false
	}
	s.Add(n, e.Addr, to.Device.Index)
	return engine.Answer{}, true
}

// solicit asks each next hop for which want holds for its MAC, and reports
// whether there was one.
func (l *lateSender) solicit(want func(*nextHop) bool) bool {
	hops := l.neighbors.nextHops.markAsked(time.Now(), want)
	for _, h := range hops {
		to := &l.routes.all[h.route.ID]
		s := l.socketFor(to)
		if n := to.putSolicit(s.Room(), h.neighbor); n > 0 {
			s.Add(n, h.addr, 0)
		}
	}
	l.flush()
	return len(hops) > 0
}

// flush sends the batches of all sockets.
func (l *lateSender) flush() {
	for _, s := range l.sockets {
		l.flushSocket(s)
	}
}

// flushSocket sends a batch, and again while the machine is short of buffers.
// Probes that cannot be sent then are left to the next try.
func (l *lateSender) flushSocket(s *link.Sender) {
	for range 10 {
		if s.Len() == 0 {
			return
		}
		if _, err := s.Flush(); err != nil && !link.IsBusy(err) {
			break
		}
	}
	l.unsent.Add(uint64(s.Len()))
	s.Discard()
}
