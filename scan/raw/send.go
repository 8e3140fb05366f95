package raw

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"onmux/probe"
	"onmux/scan/engine"
	"onmux/scan/link"
	"onmux/scan/packet"
)

// sender is an engine.Sender with sockets of its own, one for each txSocket.
type sender struct {
	*core
	mu      sync.Mutex // Send and Close
	sockets []*link.Sender
	which   [][engine.MaxBatch]int16 // by socket: the probe of the batch that each packet belongs to
	waits   [engine.MaxBatch]uint64  // by probe of the batch: its number in the queue for neighbors, plus one
	left    [engine.MaxBatch]bool    // by probe of the batch: it was sent, or answered, or waits
	ahead   suffix
}

// suffix remembers which probes of a batch have left although one before them
// has not, because they took another route: they are offered again.
type suffix struct {
	size  int
	index uint64 // of the first
	try   int
	state [engine.MaxBatch]bool
}

func newSender(c *core) (*sender, error) {
	s := &sender{core: c, which: make([][engine.MaxBatch]int16, len(c.routes.sockets))}
	for _, kind := range c.routes.sockets {
		socket, err := kind.open(c.Device)
		if err != nil {
			return nil, errors.Join(err, s.close())
		}
		s.sockets = append(s.sockets, socket)
	}
	return s, nil
}

func (s *sender) close() error {
	var all []func() error
	for _, socket := range s.sockets {
		all = append(all, socket.Close)
	}
	return link.CloseAll(all)
}

// Send writes the packets and sends them, each route by itself. It blocks while
// as many probes as may be wait for neighbors.
func (s *sender) Send(ctx context.Context, batch []engine.Probe) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	total, waited := 0, false
	defer func() {
		if waited { // the other sender may wait for the same room
			s.makeRoom()
		}
	}()
	for len(batch) > 0 {
		if err := s.ready(ctx); err != nil {
			return total, err
		}
		n, err := s.sendPart(batch[:min(len(batch), engine.MaxBatch)])
		total += n
		batch = batch[n:]
		if err == errFull {
			waited = true
			err = s.awaitRoom(ctx)
		}
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// sendPart sends at most MaxBatch probes.
func (s *sender) sendPart(batch []engine.Probe) (int, error) {
	left := s.left[:len(batch)]
	clear(left)
	if a := &s.ahead; a.size == len(batch) && a.index == batch[0].Index && a.try == batch[0].Try {
		copy(left, a.state[:])
	}
	s.ahead.size = 0
	err := s.send(batch, left)
	n := 0
	for n < len(left) && left[n] {
		n++
	}
	if n < len(left) {
		s.ahead = suffix{size: len(left) - n, index: batch[n].Index, try: batch[n].Try}
		copy(s.ahead.state[:], left[n:])
	}
	return n, err
}

// send writes and sends a batch, and notes in left which probes were sent or
// answered or wait for a neighbor.
func (s *sender) send(batch []engine.Probe, left []bool) error {
	var err error
	now := time.Now()
	clock := s.clock(now)
	common, mac := s.routes.common()
	for i := range batch {
		if left[i] {
			continue
		}
		s.waits[i] = 0
		if common != nil {
			socket := s.sockets[common.socket]
			if n := common.builder.Put(socket.Room(), batch[i].Endpoint, s.portTry(&batch[i]), mac, clock); n > 0 {
				s.which[common.socket][socket.Filled()] = int16(i)
				socket.Add(n, netip.Addr{}, 0)
				continue
			}
		}
		if err = s.put(batch, left, i, now, clock); err != nil {
			break
		}
	}
	for k, socket := range s.sockets {
		if socket.Len() > 0 {
			err = worse(err, s.flush(k, batch, left))
		}
	}
	return err
}

// worse returns the more severe of two errors: one that ends a scan, then one
// that slows it down, then errFull.
func worse(a, b error) error {
	switch {
	case a == nil || b != nil && a == errFull:
		return b
	case b != nil && errors.Is(a, probe.ErrBusy) && b != errFull:
		return b
	}
	return a
}

// put finds the route of probe i and adds its packet, or the question for its
// neighbor, to the batch of a socket.
func (s *sender) put(batch []engine.Probe, left []bool, i int, now time.Time, clock uint32) error {
	p := &batch[i]
	to := s.routes.to(p.Index, p.Endpoint.Addr)
	if to.failure != "" {
		left[i] = true
		return s.answer(p, probe.Result{Reason: probe.LocalError, Error: to.failure})
	}
	if r, ok := s.own.answer(to, p.Endpoint, s.Evidence); ok {
		left[i] = true
		return s.answer(p, r)
	}
	var mac packet.MAC
	if to.Frames {
		known := false
		if to.nextHop != nil {
			mac, known = to.nextHop.get()
		}
		if !known {
			var err error
			if mac, known, err = s.resolve(to, batch, left, i, now); !known {
				return err
			}
		}
	}
	n := to.builder.Put(s.sockets[to.socket].Room(), p.Endpoint, s.portTry(p), mac, clock)
	if n == 0 {
		left[i] = true
		return s.answer(p, to.tooLong())
	}
	s.add(to, i, n, p.Endpoint)
	return nil
}

// resolve returns the MAC of the neighbor that probe i goes to. If it is not
// known yet, the probe waits or is answered.
func (s *sender) resolve(to *route, batch []engine.Probe, left []bool, i int, now time.Time) (
	mac packet.MAC, known bool, err error,
) {
	p := &batch[i]
	next := to.neighbor(p.Endpoint)
	mac, found, number, first := s.neighbors.resolveOrQueue(next, p, now)
	if first {
		s.socket.Wake() // the receiver does not wait for an expiry yet
	}
	switch found {
	case resolved:
		if to.nextHop == nil && p.Try > 1 && p.Try <= engine.MaxTries { // it may have been silent before
			_ = s.deliver(engine.Answer{Index: p.Index, Try: p.Try, At: now, Neighbor: true})
		}
		return mac, true, nil
	case unresolved:
		left[i] = true
		return mac, false, s.deliver(engine.Answer{
			Index: p.Index, Try: p.Try, At: now, Result: s.noNeighbor(next), Unsent: to.nextHop != nil,
		})
	case queued:
		left[i] = true
		return mac, false, nil
	case queueFull:
		return mac, false, errFull
	}
	n := to.putSolicit(s.sockets[to.socket].Room(), next)
	if n == 0 {
		left[i] = true // it expires like one that did not answer: nobody can be asked
		return mac, false, nil
	}
	s.waits[i] = number + 1
	s.add(to, i, n, p.Endpoint)
	return mac, false, nil
}

// add adds a packet of probe i to the batch of a route's socket.
func (s *sender) add(to *route, i, n int, e probe.Endpoint) {
	socket := s.sockets[to.socket]
	s.which[to.socket][socket.Filled()] = int16(i)
	socket.Add(n, e.Addr, to.Device.Index)
}

// flush sends the batch of socket k.
func (s *sender) flush(k int, batch []engine.Probe, left []bool) error {
	socket := s.sockets[k]
	for {
		at := socket.Filled() - socket.Len()
		n, err := socket.Flush()
		runtime.Gosched()
		for j := at; j < at+n; j++ {
			left[s.which[k][j]] = true
		}
		if err == nil {
			return nil
		}
		i := int(s.which[k][at+n])
		switch {
		case link.IsBusy(err):
			s.discard(k, batch)
			return fmt.Errorf("%w (%w)", probe.ErrBusy, err)
		case link.IsGone(err) && s.routes.sockets[k].device != nil:
			s.discard(k, batch)
			return fmt.Errorf("sending on %s: %w", s.routes.sockets[k].device.Name, err)
		}
		s.withdraw(batch, i)
		left[i] = true
		failed := probe.Result{Reason: probe.LocalError, Error: link.SendError(err).Error()}
		if err := s.answer(&batch[i], failed); err != nil {
			s.discard(k, batch)
			return err
		}
		socket.Skip()
		if socket.Len() == 0 {
			return nil
		}
	}
}

// discard empties the batch of socket k; probes whose neighbor was to be asked
// by a packet in it no longer wait.
func (s *sender) discard(k int, batch []engine.Probe) {
	socket := s.sockets[k]
	for j := socket.Filled() - socket.Len(); j < socket.Filled(); j++ {
		s.withdraw(batch, int(s.which[k][j]))
	}
	socket.Discard()
}

// withdraw removes probe i from the queue for neighbors, if it is there.
func (s *sender) withdraw(batch []engine.Probe, i int) {
	if number := s.waits[i]; number != 0 {
		p := &batch[i]
		s.neighbors.withdraw(s.routes.to(p.Index, p.Endpoint.Addr).neighbor(p.Endpoint), number-1)
	}
}
