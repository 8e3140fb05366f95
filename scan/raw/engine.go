package raw

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"runtime"
	"sync/atomic"
	"time"

	"onmux/probe"
	"onmux/scan/engine"
	"onmux/scan/link"
	"onmux/scan/packet"
)

// maxSenders is how many goroutines may send at the same time. More than two
// would leave no processor for the answers on small machines, and contend for
// the device on large ones.
const maxSenders = 2

// Targets are the endpoints of a scan, by index.
type Targets interface {
	Ports() []probe.Port
	PortOf(index uint64) int                 // the number of an endpoint's port among Ports
	Runs() iter.Seq2[netip.Addr, netip.Addr] // first and last address of each run of adjacent ones
	At(index uint64) probe.Endpoint
	Index(e probe.Endpoint) (uint64, bool)
}

// Config describes an Engine.
type Config struct {
	Targets  Targets
	Device   string     // the interface by which packets leave; "" for wherever the kernel would send them
	Source   netip.Addr // of this machine, from which packets come; invalid for the kernel's choice
	Tries    int        // how often an endpoint may be asked, 1 to engine.MaxTries; 0 means MaxTries
	Evidence bool       // collect Result.Evidence

	// NoTimestamps is for scans without a rate. Answers are then timed when they
	// are read and not when they arrived, for which the kernel would read the
	// clock for every packet of this machine. A batch that leaves at full speed
	// has one time for all of it anyway.
	NoTimestamps bool
}

// Engine is an engine.Parallel that writes and reads packets itself.
type Engine struct {
	*core
	senders  []*sender
	receiver *receiver
	reserved []*link.Ports // source ports
	closed   atomic.Bool
}

// New looks up all routes, opens sockets, reserves source ports, resolves the
// next hops and checks that what is sent can be received. An error that wraps
// fs.ErrPermission or errors.ErrUnsupported means that this process or system
// cannot do it; any other that this machine cannot at present.
func New(ctx context.Context, c Config) (*Engine, error) {
	if err := link.Permitted(); err != nil {
		return nil, err
	}
	if c.Tries == 0 {
		c.Tries = engine.MaxTries
	}
	if c.Targets == nil || c.Tries < 1 || c.Tries > engine.MaxTries {
		return nil, fmt.Errorf("an engine needs targets and 1 to %d tries", engine.MaxTries)
	}
	link.RaiseFileLimit()
	e := &Engine{core: newCore(c)}
	if err := e.open(ctx); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

func (e *Engine) open(ctx context.Context) error {
	if err := e.reserve(); err != nil {
		return err
	}
	var err error
	if e.routes, err = newRoutes(ctx, e.core); err != nil {
		return err
	}
	if e.receiver, err = newReceiver(e.core); err != nil {
		return err
	}
	for range min(runtime.GOMAXPROCS(0), maxSenders) {
		s, err := newSender(e.core)
		if err != nil {
			return err
		}
		e.senders = append(e.senders, s)
	}
	if err := e.receiver.selfTest(ctx); err != nil {
		return err
	}
	return e.receiver.resolveNextHops(ctx)
}

// reserve takes source ports and makes the cookies that go with them. A port of
// UDP is needed even where UDP is not asked, for the self-test.
func (e *Engine) reserve() error {
	const width = 16 // ports of UDP for each try: four bits of proof
	controls := func(p probe.Proto) int { return e.Tries + controlPorts[p] }
	tcp, udp := packet.Ports{}, packet.Ports{Tries: 1, Width: 1}
	for _, p := range e.Targets.Ports() {
		if p.Proto == probe.TCP {
			tcp = packet.Ports{Tries: controls(probe.TCP), Width: 1}
		} else {
			udp = packet.Ports{Tries: controls(probe.UDP), Width: width, Turns: e.Tries}
		}
	}
	for _, p := range []*packet.Ports{&tcp, &udp} {
		if p.Count() == 0 {
			continue
		}
		r, err := link.Reserve(p == &tcp, p.Count())
		if err != nil {
			return err
		}
		p.First = r.First
		e.reserved = append(e.reserved, r)
	}
	e.own.ours = udp
	var key [16]byte
	_, _ = rand.Read(key[:]) // never fails
	var err error
	e.cookies, err = packet.NewCookies(key, tcp, udp)
	return err
}

// Methods names TCP's method "syn" and UDP's "udp-raw".
func (e *Engine) Methods() map[probe.Proto]string {
	return map[probe.Proto]string{probe.TCP: "syn", probe.UDP: "udp-raw"}
}

// Senders are two, where there are as many processors.
func (e *Engine) Senders() []engine.Sender {
	all := make([]engine.Sender, len(e.senders))
	for i, s := range e.senders {
		all[i] = s
	}
	return all
}

// Send is that of the first Sender.
func (e *Engine) Send(ctx context.Context, batch []engine.Probe) (int, error) {
	return e.senders[0].Send(ctx, batch)
}

// Receive reads packets, sends the probes whose neighbors have answered, and
// answers those whose neighbors have not.
func (e *Engine) Receive(ctx context.Context, buf []engine.Answer) (int, error) {
	return e.receiver.receive(ctx, buf)
}

// Pending is how many probes wait for their neighbors; when there are none it
// is negative, since a probe that was sent is forgotten.
func (e *Engine) Pending() int { return e.neighbors.pending(time.Now()) }

// Revalidate has the next hops asked for their MACs again.
func (e *Engine) Revalidate() { e.receiver.nextHops.revalidate() }

// Paths are the ways out, with what is known of their next hops now.
func (e *Engine) Paths() (out []engine.Path) {
	for _, r := range e.routes.paths.All {
		p := engine.Path{NextHop: r.Gateway}
		if r.Device != nil {
			p.Device = r.Device.Name
		}
		if r.Asks() {
			p.State = e.neighbors.nextHops.state(neighbor{r.Gateway, r.Device.Index}, time.Now())
		}
		out = append(out, p)
	}
	return out
}

// Path is the way to a target.
func (e *Engine) Path(index uint64) int {
	return e.routes.paths.Of(e.Targets.At(index).Addr, e.Targets.PortOf(index))
}

// MAC is the hardware address of a target that is on the same link, if it is known.
func (e *Engine) MAC(a netip.Addr) string {
	r := e.routes.to(0, a)
	if r.failure != "" || !r.Frames || r.nextHop != nil || r.isLocal() {
		return ""
	}
	if m, ok := e.neighbors.known(r.neighbor(probe.Endpoint{Addr: a})); ok {
		return m.String()
	}
	return ""
}

// Forged is how many packets came to the scan's ports without proof of answering a probe.
func (e *Engine) Forged() uint64 { return e.receiver.forged.Load() }

// Notes are what the user should know when a scan is over.
func (e *Engine) Notes() []engine.Note {
	var notes []engine.Note
	for _, a := range e.neighbors.nextHops.lost(time.Now()) {
		notes = append(notes, engine.Note{Kind: engine.NoteNextHopLost, Addr: a})
	}
	add := func(kind engine.NoteKind, n uint64) {
		if n > 0 {
			notes = append(notes, engine.Note{Kind: kind, Count: n})
		}
	}
	add(engine.NoteUnproven, e.receiver.forged.Load())
	add(engine.NoteUnsent, e.receiver.late.unsent.Load())
	add(engine.NoteDropped, e.socket.Lost())
	return notes
}

// Close frees everything. What was received until then is still delivered.
func (e *Engine) Close() error {
	if e.closed.Swap(true) {
		return nil
	}
	close(e.closing)
	var all []func() error
	for _, s := range e.senders {
		s.mu.Lock()
		defer s.mu.Unlock()
		all = append(all, s.close)
	}
	if e.receiver != nil {
		all = append(all, e.receiver.close)
	}
	failed := link.CloseAll(all)
	for _, p := range e.reserved {
		p.Close()
	}
	return failed
}
