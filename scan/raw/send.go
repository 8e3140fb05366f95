package raw

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"onmux/probe"
	"onmux/scan/engine"
	"onmux/scan/link"
	"onmux/scan/packet"
)

const (
	// senders is how many goroutines may send at the same time. More than two would
	// leave no processor for the answers on small machines, and meet each other
	// in the device on large ones.
	senders = 2

	// seeLosses is how often it is looked at whether answers were lost.
	seeLosses = 100 * time.Millisecond
)

// worker is a Sender: it writes packets into senders of its own, one for each
// lane.
type worker struct {
	e     *Engine
	mu    sync.Mutex // Send and Close
	lanes []*link.Sender
	which [][engine.MaxBatch]int16 // by lane: which probe of the batch each packet is of
	waits [engine.MaxBatch]uint64  // by probe of the batch: the number under which it waits, plus one
	left  [engine.MaxBatch]bool    // which of the batch have left
	ahead suffix
}

// suffix remembers which probes of a batch have left although one before them
// has not, because they took another way: they are offered again.
type suffix struct {
	size  int
	index uint64 // of the first
	try   int
	state [engine.MaxBatch]bool
}

// Senders are two, where there are as many processors.
func (e *Engine) Senders() []engine.Sender {
	all := make([]engine.Sender, len(e.workers))
	for i, w := range e.workers {
		all[i] = w
	}
	return all
}

// Send is that of the first Sender.
func (e *Engine) Send(ctx context.Context, batch []engine.Probe) (int, error) {
	return e.workers[0].Send(ctx, batch)
}

// Send writes the packets and sends them, each way by itself. It blocks while as
// many probes as may be wait for neighbours.
func (w *worker) Send(ctx context.Context, batch []engine.Probe) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	total, waited := 0, false
	defer func() {
		if waited { // another may wait for the same
			w.e.makeRoom()
		}
	}()
	for len(batch) > 0 {
		if err := w.e.ready(ctx); err != nil {
			return total, err
		}
		n, err := w.sendPart(batch[:min(len(batch), engine.MaxBatch)])
		total += n
		batch = batch[n:]
		if err == errTooMany {
			waited = true
			err = w.e.awaitRoom(ctx)
		}
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// errTooMany says that Receive must work first.
var errTooMany = errors.New("too many probes wait")

// ready fails where nothing is to be sent now.
func (e *Engine) ready(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if e.closed.Load() {
		return io.ErrClosedPipe
	}
	now := time.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	if now.Before(e.nextSee) {
		return nil
	}
	e.nextSee = now.Add(seeLosses)
	if lost := e.hearer.Lost(); lost > e.losses {
		n := lost - e.losses
		e.losses = lost
		return fmt.Errorf("%w (packets arrived faster than they could be read: %d dropped)", probe.ErrBusy, n)
	}
	return nil
}

// awaitRoom waits until Receive has made room.
func (e *Engine) awaitRoom(ctx context.Context) error {
	select {
	case <-e.room:
		return nil
	case <-e.closing:
		return io.ErrClosedPipe
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (e *Engine) makeRoom() {
	select {
	case e.room <- struct{}{}:
	default:
	}
}

// sendPart sends at most maxBatch probes.
func (w *worker) sendPart(batch []engine.Probe) (int, error) {
	left := w.left[:len(batch)]
	clear(left)
	if a := &w.ahead; a.size == len(batch) && a.index == batch[0].Index && a.try == batch[0].Try {
		copy(left, a.state[:])
	}
	w.ahead.size = 0
	err := w.send(batch, left)
	n := 0
	for n < len(left) && left[n] {
		n++
	}
	if n < len(left) {
		w.ahead = suffix{size: len(left) - n, index: batch[n].Index, try: batch[n].Try}
		copy(w.ahead.state[:], left[n:])
	}
	return n, err
}

// worse is the error of two that says more: what ends a sweep, then what slows
// it down, then what only makes it wait.
func worse(a, b error) error {
	switch {
	case a == nil || b != nil && a == errTooMany:
		return b
	case b != nil && errors.Is(a, probe.ErrBusy) && b != errTooMany:
		return b
	}
	return a
}

func (e *Engine) newWorker() (*worker, error) {
	w := &worker{e: e, which: make([][engine.MaxBatch]int16, len(e.lanes))}
	for _, l := range e.lanes {
		open := func() (*link.Sender, error) { return link.OpenRaw(l.v4, e.Device, l.longest) }
		if l.device != nil {
			open = func() (*link.Sender, error) { return link.OpenFrames(l.device, l.longest) }
		}
		s, err := open()
		if err != nil {
			return nil, errors.Join(err, w.close())
		}
		w.lanes = append(w.lanes, s)
	}
	return w, nil
}

func (w *worker) close() error {
	var all []func() error
	for _, s := range w.lanes {
		all = append(all, s.Close)
	}
	return link.CloseAll(all)
}

// send writes and sends a batch and notes in left what has left, or is
// answered, or waits for a neighbour.
func (w *worker) send(batch []engine.Probe, left []bool) error {
	var err error
	now := time.Now()
	clock := w.e.clock(now)
	common, gateway := w.e.commonWay()
	for i := range batch {
		if left[i] {
			continue
		}
		w.waits[i] = 0
		if common != nil {
			s := w.lanes[common.lane]
			if n := common.builder.Put(s.Room(), batch[i].Endpoint, batch[i].Try, gateway, clock); n > 0 {
				w.which[common.lane][s.Filled()] = int16(i)
				s.Add(n, netip.Addr{}, 0)
				continue
			}
		}
		if err = w.take(batch, left, i, now, clock); err != nil {
			break
		}
	}
	for lane, s := range w.lanes {
		if s.Len() > 0 {
			err = worse(err, w.flush(lane, batch, left))
		}
	}
	return err
}

// commonWay is the way to all targets and the MAC of its next hop, where there is but
// one and it is known: so it is most often, and need not be found for each of them.
func (e *Engine) commonWay() (*way, packet.MAC) {
	if len(e.ways) != 1 || e.ways[0].gate == nil {
		return nil, packet.MAC{}
	}
	to, ok := e.ways[0].gate.get()
	if !ok {
		return nil, to
	}
	return &e.ways[0], to
}

// take finds the way of probe i and puts its packet, or its neighbour's
// question, into a batch.
func (w *worker) take(batch []engine.Probe, left []bool, i int, now time.Time, clock uint32) error {
	p := &batch[i]
	way := w.e.wayOf(p.Index, p.Endpoint.Addr)
	if way.why != "" {
		left[i] = true
		return w.e.conclude(p, probe.Result{Reason: probe.LocalError, Error: way.why})
	}
	var to packet.MAC
	if way.Frames {
		ok := false
		if way.gate != nil {
			to, ok = way.gate.get()
		}
		if !ok {
			var err error
			if to, ok, err = w.neighbour(way, batch, left, i, now); !ok {
				return err
			}
		}
	}
	s := w.lanes[way.lane]
	n := way.builder.Put(s.Room(), p.Endpoint, p.Try, to, clock)
	if n == 0 {
		left[i] = true
		return w.e.conclude(p, way.tooLong())
	}
	w.add(way, i, n, p.Endpoint)
	return nil
}

// tooLong answers a probe that no packet can be written for.
func (w *way) tooLong() probe.Result {
	return probe.Result{Reason: probe.LocalError, Error: fmt.Sprintf("the probe is longer than the MTU of %d bytes on the way to it", w.path.MTU)}
}

// neighbour finds the MAC of the next hop. If it is not known yet, ok is false,
// and the probe waits or is answered.
func (w *worker) neighbour(way *way, batch []engine.Probe, left []bool, i int, now time.Time) (m packet.MAC, ok bool, err error) {
	p := &batch[i]
	h := way.hop(p.Endpoint)
	m, what, number, first := w.e.hoods.place(h, p, now)
	if first {
		w.e.hearer.Wake() // it has nothing to wait for so far
	}
	switch what {
	case isKnown:
		return m, true, nil
	case isDead:
		left[i] = true
		return m, false, w.e.conclude(p, w.e.noNeighbour(h))
	case isAsked:
		left[i] = true
		return m, false, nil
	case isFull:
		return m, false, errTooMany
	}
	n := way.solicit(w.lanes[way.lane].Room(), h)
	if n == 0 {
		left[i] = true // it expires in its time, which is the truth: nobody can be asked
		return m, false, nil
	}
	w.waits[i] = number + 1
	w.add(way, i, n, p.Endpoint)
	return m, false, nil
}

// add takes a packet of probe i into the batch of a way.
func (w *worker) add(way *way, i, n int, to probe.Endpoint) {
	w.which[way.lane][w.lanes[way.lane].Filled()] = int16(i)
	w.lanes[way.lane].Add(n, to.Addr, way.Device.Index)
}

// flush sends the batch of a lane.
func (w *worker) flush(lane int, batch []engine.Probe, left []bool) error {
	s := w.lanes[lane]
	for {
		at := s.Filled() - s.Len()
		n, err := s.Flush()
		runtime.Gosched()
		for k := at; k < at+n; k++ {
			left[w.which[lane][k]] = true
		}
		if err == nil {
			return nil
		}
		i := int(w.which[lane][at+n])
		switch {
		case link.Full(err):
			w.withdraw(lane, batch)
			return fmt.Errorf("%w (%w)", probe.ErrBusy, err)
		case link.Gone(err) && w.e.lanes[lane].device != nil:
			w.withdraw(lane, batch)
			return fmt.Errorf("sending on %s: %w", w.e.lanes[lane].device.Name, err)
		}
		w.unwait(batch, i)
		left[i] = true
		if e := w.e.conclude(&batch[i], probe.Result{Reason: probe.LocalError, Error: link.SendError(err).Error()}); e != nil {
			w.withdraw(lane, batch)
			return e
		}
		s.Skip()
		if s.Len() == 0 {
			return nil
		}
	}
}

// withdraw empties the batch of a lane; what waits for a question in it does not
// wait any more.
func (w *worker) withdraw(lane int, batch []engine.Probe) {
	s := w.lanes[lane]
	for k := s.Filled() - s.Len(); k < s.Filled(); k++ {
		w.unwait(batch, int(w.which[lane][k]))
	}
	s.Discard()
}

func (w *worker) unwait(batch []engine.Probe, i int) {
	if number := w.waits[i]; number != 0 {
		p := &batch[i]
		w.e.hoods.undo(w.e.wayOf(p.Index, p.Endpoint.Addr).hop(p.Endpoint), number-1)
	}
}

// hop is the station to which an endpoint's packets go on an Ethernet.
func (w *way) hop(to probe.Endpoint) hop {
	if w.gate != nil {
		return w.gate.hop
	}
	return hop{to.Addr.WithZone(""), w.Device.Index}
}

// solicit writes the question for a station's MAC.
func (w *way) solicit(buf []byte, h hop) int {
	p := w.path
	p.Src = w.Device.Source(h.addr, w.Src)
	return packet.PutSolicit(buf, p, h.addr)
}

// conclude answers a probe that nothing was sent for. It fails with errTooMany,
// after the answer was taken, when Receive should work first.
func (e *Engine) conclude(p *engine.Probe, r probe.Result) error {
	e.mu.Lock()
	e.local = append(e.local, engine.Answer{Index: p.Index, Try: p.Try, At: time.Now(), Result: r})
	n := len(e.local)
	e.mu.Unlock()
	if n == 1 {
		e.hearer.Wake()
	}
	if n >= maxLocal {
		return errTooMany
	}
	return nil
}

// clock is what SYNs carry as their timestamp.
func (e *Engine) clock(now time.Time) uint32 { return uint32(now.Sub(e.start) / time.Millisecond) }
