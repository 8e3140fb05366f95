package raw

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"onmux/probe"
	"onmux/scan/engine"
	"onmux/scan/link"
	"onmux/scan/packet"
)

// Targets are the endpoints of a scan, by index: that of address a and port p is
// p·AddrCount()+a.
type Targets interface {
	AddrCount() uint64
	Ports() []probe.Port
	Runs() iter.Seq2[netip.Addr, netip.Addr] // first and last address of each run of adjacent ones
	At(index uint64) probe.Endpoint
	Index(e probe.Endpoint) (uint64, bool)
}

// Config describes an engine over packets.
type Config struct {
	Targets  Targets
	Device   string // packets leave through this interface; "" for wherever the kernel would send them
	Tries    int    // how often an endpoint may be asked, 1 to MaxTries; 0 means MaxTries
	Evidence bool   // collect Result.Evidence

	// Hurry says that the scan knows no rate. Answers are then timed when they are
	// read, not when they arrived, for which the kernel would look at the clock for
	// every packet of this machine. A batch that leaves at full speed has one time for
	// all of it anyhow.
	Hurry bool
}

// Engine is an Engine that writes and reads packets itself: TCP is asked with
// a SYN and no more, UDP with a datagram. It needs CAP_NET_RAW when it is made,
// and not afterwards.
//
// Packets take the way that the kernel's would. To an Ethernet they leave as
// frames; who is at a target on the link itself is found out at the scan's own
// pace, by ARP and NDP, and not through the kernel's table. Everywhere else
// (loopback, tunnels) the kernel sends them. No state is kept for a target,
// except while a neighbour is looked for: what proves an answer is in the probe.
type Engine struct {
	Config
	addrs   uint64
	table   *link.Table
	cookies *packet.Cookies
	ways    []way // by Route.ID
	lanes   []lane
	start   time.Time

	reserved []*link.Ports
	closed   atomic.Bool
	closing  chan struct{} // closed by Close
	room     chan struct{} // a token when Receive has made room for Send

	workers []*worker // the Senders

	hearing  sync.Mutex // Receive and what it owns
	hearer   *link.Hearer
	decoders map[int]*packet.Decoder // by device, where link-local addresses are asked
	decoder  *packet.Decoder         // elsewhere
	late     *worker                 // sends what waited for a neighbour
	out      []engine.Answer         // to be delivered
	done     int                     // of those
	refresh  time.Time               // when next hops are looked at again
	heard    uint64                  // packets that passed the filter

	hoods   neighbours
	doubted atomic.Bool // next hops are to be asked again
	forged  atomic.Uint64
	unsent  atomic.Uint64 // probes that could not follow their neighbour's answer

	mu      sync.Mutex
	local   []engine.Answer // what Send could conclude by itself
	losses  uint64          // packets lost to a full buffer, as last seen
	nextSee time.Time       // when that is looked at again
}

// way is what an engine knows of a link.Route.
type way struct {
	*link.Route
	builder *packet.Builder
	path    packet.Path
	lane    int
	gate    *gate  // the next hop; nil on the link itself, and where the kernel sends
	why     string // no probe can leave this way
}

// lane is one kind of sender; every worker has one of its own.
type lane struct {
	device  *link.Device // for frames; else the kernel sends
	v4      bool
	longest int
}

// maxLocal bounds the answers that Send concludes before Receive takes them.
const maxLocal = 4096

// New looks up all routes, opens sockets, reserves source ports, finds the
// next hops and makes sure that what is sent can be heard. An error that wraps
// fs.ErrPermission or errors.ErrUnsupported says that this process or system
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
	e := &Engine{
		Config: c, addrs: c.Targets.AddrCount(), start: time.Now(),
		closing: make(chan struct{}), room: make(chan struct{}, 1),
	}
	e.hoods.init(e.start)
	link.RaiseFileLimit()
	if err := e.open(ctx); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

func (e *Engine) open(ctx context.Context) error {
	if err := e.reserve(); err != nil {
		return err
	}
	if err := e.findRoutes(); err != nil {
		return err
	}
	if err := e.openHearer(); err != nil {
		return err
	}
	for range min(runtime.GOMAXPROCS(0), senders) + 1 {
		w, err := e.newWorker()
		if err != nil {
			return err
		}
		e.workers = append(e.workers, w)
	}
	e.late, e.workers = e.workers[0], e.workers[1:]
	if err := e.hearSelf(ctx); err != nil {
		return err
	}
	return e.findGates(ctx)
}

// reserve takes source ports and makes the cookies that go with them. A port of
// UDP is needed even where none is asked, to hear ourselves.
func (e *Engine) reserve() error {
	const width = 16 // ports of UDP for each try: four bits of proof
	tcp, udp := packet.Ports{}, packet.Ports{Tries: 1, Width: 1}
	for _, p := range e.Targets.Ports() {
		if p.Proto == probe.TCP {
			tcp = packet.Ports{Tries: e.Tries, Width: 1}
		} else {
			udp = packet.Ports{Tries: e.Tries, Width: width}
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
	var key [16]byte
	_, _ = rand.Read(key[:]) // never fails
	var err error
	e.cookies, err = packet.NewCookies(key, tcp, udp)
	return err
}

// findRoutes asks the kernel for the ways to all targets.
func (e *Engine) findRoutes() error {
	var err error
	if e.table, err = link.Routes(link.RouteConfig{Runs: e.Targets.Runs(), Ports: e.Targets.Ports(), Device: e.Device}); err != nil {
		return err
	}
	builders := make(map[packet.Path]*packet.Builder)
	for _, r := range e.table.Routes() {
		e.ways = append(e.ways, e.newWay(r, builders))
	}
	return nil
}

func (e *Engine) newWay(r *link.Route, builders map[packet.Path]*packet.Builder) way {
	w := way{Route: r}
	if r.Err == nil && !r.Src.IsValid() {
		w.why = "this machine has no address to reach it from"
		return w
	}
	if r.Err != nil {
		w.why = link.SendError(r.Err).Error()
		return w
	}
	least := 68
	if r.Src.Is6() {
		least = 1280
	}
	w.path = packet.Path{Framing: packet.RawIP, Src: r.Src, MTU: min(max(r.MTU, least), 65535)}
	if r.Frames {
		w.path.Framing, w.path.MAC = packet.Ethernet, r.Device.MAC
	}
	b := builders[w.path]
	if b == nil {
		var err error
		if b, err = packet.NewBuilder(w.path, e.cookies, e.Targets.Ports()); err != nil {
			w.why = err.Error()
			return w
		}
		builders[w.path] = b
	}
	w.builder = b
	w.lane = e.laneOf(r, max(b.MaxLen(), packet.MaxNeighbour))
	if r.Frames && r.Gateway.IsValid() {
		w.gate = e.hoods.gate(r)
	}
	return w
}

func (e *Engine) laneOf(r *link.Route, longest int) int {
	want := lane{v4: r.Src.Is4(), longest: longest}
	if r.Frames {
		want = lane{device: r.Device, longest: longest}
	}
	for i := range e.lanes {
		if l := &e.lanes[i]; l.device == want.device && l.v4 == want.v4 {
			l.longest = max(l.longest, longest)
			return i
		}
	}
	e.lanes = append(e.lanes, want)
	return len(e.lanes) - 1
}

// wayOf is the way to an endpoint of the plan.
func (e *Engine) wayOf(index uint64, a netip.Addr) *way {
	if len(e.ways) == 1 { // most often all is behind one gateway
		return &e.ways[0]
	}
	slot := 0
	if index >= e.addrs {
		slot = int(index / e.addrs)
	}
	return &e.ways[e.table.Find(a, slot).ID]
}

// Methods names TCP's method "syn" and UDP's "udp-raw".
func (e *Engine) Methods() map[probe.Proto]string {
	return map[probe.Proto]string{probe.TCP: "syn", probe.UDP: "udp-raw"}
}

// Pending is how many neighbours are being looked for; when that is none, it is
// negative: a probe that has left is forgotten.
func (e *Engine) Pending() int { return e.hoods.pending(time.Now()) }

// Forged is how many packets came to the scan's ports without proof of answering a probe.
func (e *Engine) Forged() uint64 { return e.forged.Load() }

// Notes are what the user should know when a scan is over.
func (e *Engine) Notes() []engine.Note {
	notes := e.lostGates(time.Now())
	add := func(kind engine.NoteKind, n uint64) {
		if n > 0 {
			notes = append(notes, engine.Note{Kind: kind, Count: n})
		}
	}
	add(engine.NoteUnproven, e.forged.Load())
	add(engine.NoteUnsent, e.unsent.Load())
	add(engine.NoteDropped, e.hearer.Lost())
	return notes
}

// Close frees everything. What was heard until then is still delivered.
func (e *Engine) Close() error {
	if e.closed.Swap(true) {
		return nil
	}
	if e.hearer != nil {
		e.hearer.Wake()
	}
	close(e.closing)
	var all []func() error
	for _, w := range e.workers {
		w.mu.Lock()
		defer w.mu.Unlock()
		all = append(all, w.close)
	}
	e.hearing.Lock()
	if e.hearer != nil {
		e.lastWords()
		all = append(all, e.hearer.Close)
	}
	if e.late != nil {
		all = append(all, e.late.close)
	}
	failed := link.CloseAll(all)
	for _, p := range e.reserved {
		p.Close()
	}
	e.hearing.Unlock()
	return failed
}
