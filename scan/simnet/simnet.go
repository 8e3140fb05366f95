package simnet

import (
	"container/heap"
	"context"
	"io"
	"net/netip"
	"slices"
	"sync"
	"time"

	"onmux/probe"
	"onmux/scan/engine"
)

// Host is how one endpoint of the network behaves. The zero Host is silent.
// Shares are from 0 to 1.
type Host struct {
	Reason    probe.Reason  // its answer; NoReason and NoResponse are silence
	Responder netip.Addr    // who answers, if not the endpoint itself
	RTT       time.Duration // there and back
	Jitter    time.Duration // up to so much more, evenly spread
	LossOut   float64       // share of probes that do not arrive
	LossBack  float64       // share of answers that do not
	Duplicate float64       // share of answers that come twice
	Late      float64       // share of answers that take Delay longer
	Delay     time.Duration
	ICMP      Limit      // of the unreachables that its responder sends to us
	LimitOf   netip.Addr // whose limit that is, if one machine has many addresses
	Error     string     // with probe.LocalError
	Unsent    bool       // the next hop does not answer: with probe.NoNeighbor
}

// Config describes a network.
type Config struct {
	Seed         uint64
	Host         func(probe.Endpoint) Host // asked for each probe; must be deterministic
	CountPending bool                      // count what is outstanding, as an engine with sockets does
	KnowsTry     bool                      // answers carry their try, as with sockets and cookies
	MeasureRTT   bool                      // measure round trips, as sockets do
	Link         Limit                     // of probes on the link to the network; the rest is lost
	Passes       func(engine.Probe) bool   // whether a probe arrives; nil: all do
}

// Network is an engine.Engine. Its time is the time package's, so that within a
// testing/synctest bubble hours pass in no time; what is lost, doubled or late
// depends on the seed, the endpoint and the try alone.
type Network struct {
	config Config
	start  time.Time

	mu        sync.Mutex
	events    events
	free      []*event // for use again
	order     uint64   // of events at the same time
	pending   int
	delivered int // of the pending, those that the last Receive delivered
	limits    map[netip.Addr]*Bucket
	link      *Bucket
	closed    bool
	probes    uint64

	changed chan struct{} // an earlier event, or the end
}

// New makes a network.
func New(c Config) *Network {
	return &Network{
		config:  c,
		start:   time.Now(),
		limits:  make(map[netip.Addr]*Bucket),
		link:    c.Link.Bucket(),
		changed: make(chan struct{}, 1),
	}
}

// Methods names the engine "simnet".
func (n *Network) Methods() map[probe.Proto]string {
	return map[probe.Proto]string{probe.TCP: "simnet", probe.UDP: "simnet"}
}

// Probes is how many probes were sent.
func (n *Network) Probes() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.probes
}

// Send takes all of the batch, or nothing once the network is closed.
func (n *Network) Send(ctx context.Context, batch []engine.Probe) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return 0, io.ErrClosedPipe
	}
	now := time.Now()
	for _, p := range batch {
		n.probes++
		n.ask(p, now)
	}
	n.notify()
	return len(batch), nil
}

// ask decides what happens to one probe. The caller holds mu.
func (n *Network) ask(p engine.Probe, now time.Time) {
	h, d := n.config.Host(p.Endpoint), randomFor(n.config.Seed, p.Endpoint, p.Try)
	if n.config.CountPending {
		n.pending++
	}
	answers := h.Reason != probe.NoReason && h.Reason != probe.NoResponse
	if !n.linkAccepts(now) || n.config.Passes != nil && !n.config.Passes(p) || !answers || d.float() < h.LossOut ||
		!n.allowed(p.Endpoint, h, now) ||
		d.float() < h.LossBack {
		n.expire(now.Add(p.Wait))
		return
	}
	rtt := h.RTT + time.Duration(d.float()*float64(h.Jitter))
	if d.float() < h.Late {
		rtt += h.Delay
	}
	a := answer(p, h)
	if n.config.KnowsTry || p.Try > engine.MaxTries {
		a.Try = p.Try
	}
	if n.config.MeasureRTT {
		a.RTT = probe.Millis(rtt)
	}
	// An engine forgets what it counted as outstanding when its wait is over;
	// the network delivers late answers all the same.
	if rtt > p.Wait {
		n.expire(now.Add(p.Wait))
	}
	n.push(now.Add(rtt), event{answer: a, first: rtt <= p.Wait})
	if d.float() < h.Duplicate {
		n.push(now.Add(rtt+rtt/2), event{answer: a})
	}
}

// linkAccepts reports whether the link to the network takes one more probe. The caller
// holds mu.
func (n *Network) linkAccepts(now time.Time) bool {
	return n.config.Link == (Limit{}) || n.link.Take(now)
}

func answer(p engine.Probe, h Host) engine.Answer {
	a := engine.Answer{Index: p.Index, Unsent: h.Unsent}
	a.Endpoint = p.Endpoint
	a.Reason, a.Responder, a.Error = h.Reason, h.Responder, h.Error
	a.State = probe.Verdict(p.Endpoint.Proto, h.Reason, !h.Responder.IsValid())
	return a
}

// Receive delivers what is due.
func (n *Network) Receive(ctx context.Context, buf []engine.Answer) (int, error) {
	for {
		got, next, closed := n.due(buf)
		if got > 0 {
			return got, nil
		}
		if closed {
			return 0, io.EOF
		}
		if err := n.pause(ctx, next); err != nil {
			return 0, err
		}
	}
}

// pause waits until then, if it is a time, or until something changes.
func (n *Network) pause(ctx context.Context, then time.Time) error {
	var alarm <-chan time.Time
	if !then.IsZero() {
		t := time.NewTimer(time.Until(then))
		defer t.Stop()
		alarm = t.C
	}
	select {
	case <-alarm:
	case <-n.changed:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// due fills buf with the answers whose time has come, and returns when the
// next event is.
func (n *Network) due(buf []engine.Answer) (got int, next time.Time, closed bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pending -= n.delivered
	n.delivered = 0
	now := time.Since(n.start)
	for len(n.events) > 0 && got < len(buf) {
		e := n.events[0]
		if e.at > now {
			return got, n.start.Add(e.at), n.closed
		}
		switch {
		case e.expiry:
			n.pending--
		default:
			buf[got] = e.answer
			buf[got].At = n.start.Add(e.at)
			got++
			if e.first && n.config.CountPending {
				n.delivered++
			}
		}
		heap.Pop(&n.events)
		n.free = append(n.free, e)
	}
	return got, time.Time{}, n.closed
}

// Pending is how many probes may still be answered, or -1 without CountPending.
func (n *Network) Pending() int {
	if !n.config.CountPending {
		return -1
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.pending
}

// Close forgets what is on its way.
func (n *Network) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	now := time.Since(n.start)
	n.events = slices.DeleteFunc(n.events, func(e *event) bool { return e.at > now })
	heap.Init(&n.events)
	n.notify()
	return nil
}

func (n *Network) notify() {
	select {
	case n.changed <- struct{}{}:
	default:
	}
}

// allowed reports whether the responder's limit lets it send this answer. The
// caller holds mu.
func (n *Network) allowed(e probe.Endpoint, h Host, now time.Time) bool {
	switch h.Reason {
	case probe.SynAck, probe.Reset, probe.UDPResponse, probe.NoNeighbor, probe.LocalError:
		return true
	}
	if h.ICMP == (Limit{}) {
		return true
	}
	by := h.Responder
	if !by.IsValid() {
		by = e.Addr
	}
	if h.LimitOf.IsValid() {
		by = h.LimitOf
	}
	b := n.limits[by]
	if b == nil {
		b = h.ICMP.Bucket()
		n.limits[by] = b
	}
	return b.Take(now)
}

// event is the arrival of an answer, or the end of a probe's wait.
type event struct {
	at     time.Duration // after the network was made
	order  uint64
	expiry bool
	first  bool // the answer that its probe waits for
	answer engine.Answer
}

// expire ends the wait of a probe then, if that counts.
func (n *Network) expire(then time.Time) {
	if n.config.CountPending {
		n.push(then, event{expiry: true})
	}
}

func (n *Network) push(then time.Time, e event) {
	e.at, e.order = then.Sub(n.start), n.order
	n.order++
	p := new(event)
	if last := len(n.free) - 1; last >= 0 {
		p, n.free = n.free[last], n.free[:last]
	}
	*p = e
	heap.Push(&n.events, p)
}

// events is a heap, the next one on top. Events are large, so that it moves pointers.
type events []*event

func (h *events) Len() int      { return len(*h) }
func (h *events) Swap(i, j int) { (*h)[i], (*h)[j] = (*h)[j], (*h)[i] }
func (h *events) Less(i, j int) bool {
	a, b := (*h)[i], (*h)[j]
	return a.at < b.at || a.at == b.at && a.order < b.order
}
func (h *events) Push(x any) { *h = append(*h, x.(*event)) }
func (h *events) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	*h = (*h)[:last]
	return e
}
