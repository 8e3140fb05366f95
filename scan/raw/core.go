package raw

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"onmux/probe"
	"onmux/scan/engine"
	"onmux/scan/link"
	"onmux/scan/packet"
)

const (
	// maxLocal bounds the answers that senders give before Receive takes them.
	maxLocal = 4096

	// dropInterval is how often the senders look whether answers were dropped.
	dropInterval = 100 * time.Millisecond
)

// core is what the senders and the receiver share. Its parts are read-only once
// the engine is made, or have locks of their own.
type core struct {
	Config
	start     time.Time // zero of the clock in TCP timestamps
	cookies   *packet.Cookies
	routes    *routes
	neighbors *neighborTable
	socket    *link.Receiver

	own     ownPorts
	local   localAnswers
	drops   dropMeter
	room    chan struct{} // holds a token when Receive has made room for Send
	closing chan struct{} // closed by Close
}

func newCore(c Config) *core {
	now := time.Now()
	return &core{
		Config: c, start: now, neighbors: newNeighborTable(now),
		room: make(chan struct{}, 1), closing: make(chan struct{}),
	}
}

// clock is the timestamp of a SYN, in milliseconds.
func (c *core) clock(now time.Time) uint32 { return uint32(now.Sub(c.start) / time.Millisecond) }

// isClosed reports whether Close was called.
func (c *core) isClosed() bool {
	select {
	case <-c.closing:
		return true
	default:
		return false
	}
}

// ready fails where nothing is to be sent now.
func (c *core) ready(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.isClosed() {
		return io.ErrClosedPipe
	}
	if n := c.drops.since(time.Now(), c.socket); n > 0 {
		return fmt.Errorf("%w (packets arrived faster than they could be read: %d dropped)", probe.ErrBusy, n)
	}
	return nil
}

// awaitRoom blocks until Receive has made room.
func (c *core) awaitRoom(ctx context.Context) error {
	select {
	case <-c.room:
		return nil
	case <-c.closing:
		return io.ErrClosedPipe
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *core) makeRoom() {
	select {
	case c.room <- struct{}{}:
	default:
	}
}

// errFull is the error of a probe that can be sent only after Receive has made
// room.
var errFull = errors.New("too many probes wait")

// answer answers a probe that was not sent. Its error is that of deliver.
func (c *core) answer(p *engine.Probe, r probe.Result) error {
	return c.deliver(engine.Answer{Index: p.Index, Try: p.Try, At: time.Now(), Result: r})
}

// deliver queues an answer for Receive. It fails with errFull, after the answer was
// taken, when Receive has to deliver some first.
func (c *core) deliver(a engine.Answer) error {
	n := c.local.add(a)
	if n == 1 {
		c.socket.Wake()
	}
	if n >= maxLocal {
		return errFull
	}
	return nil
}

// noNeighbor is the answer for a neighbor that did not answer for its MAC.
func (c *core) noNeighbor(n neighbor) probe.Result {
	r := probe.Result{Reason: probe.NoNeighbor}
	if c.Evidence {
		r.Facts = []probe.Fact{{Kind: probe.FactUnresolved, Addr: n.addr}}
	}
	return r
}

// localAnswers are those to probes that were not sent. Senders add them, and the
// receiver delivers them.
type localAnswers struct {
	mu   sync.Mutex
	list []engine.Answer
}

// add returns how many there are now.
func (l *localAnswers) add(a engine.Answer) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, a)
	return len(l.list)
}

// appendTo moves all of them to the end of a list.
func (l *localAnswers) appendTo(to []engine.Answer) []engine.Answer {
	l.mu.Lock()
	defer l.mu.Unlock()
	to = append(to, l.list...)
	l.list = l.list[:0]
	return to
}

// dropMeter notices packets that did not fit into the receive buffer.
type dropMeter struct {
	mu   sync.Mutex
	seen uint64
	next time.Time // when the count is read again
}

// since is how many packets the socket has dropped since the last call that
// returned any.
func (d *dropMeter) since(now time.Time, socket *link.Receiver) uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now.Before(d.next) {
		return 0
	}
	d.next = now.Add(dropInterval)
	total := socket.Lost()
	n := total - d.seen
	d.seen = total
	return n
}

// controlPorts are how many source ports control probes have, one after the other:
// each takes a descriptor, those of UDP several.
var controlPorts = [...]int{probe.TCP: engine.Flows, probe.UDP: 4}

// portTry is the try by which packet.Ports finds a probe's source port. Control
// probes come behind the tries of the others.
func (c *core) portTry(p *engine.Probe) int {
	if p.Try <= engine.MaxTries {
		return p.Try
	}
	return c.Tries + 1 + (p.Try-engine.MaxTries-1)%controlPorts[p.Endpoint.Proto]
}

// probeTry is the try of a probe whose answer came to the source port of a try.
func (c *core) probeTry(portTry int) int {
	if portTry <= c.Tries {
		return portTry
	}
	return engine.MaxTries + portTry - c.Tries
}
