package scan_test

import (
	"context"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"onmux/probe"
	"onmux/scan"
	"onmux/scan/engine"
	"onmux/scan/packet"
	"onmux/scan/scantest"
	"onmux/scan/simnet"
	"onmux/scan/target"
)

// testNet is every case as a host: the i-th at the i-th address of each network.
type testNet struct {
	at   map[netip.Addr]hostCase
	path func(netip.Addr) simnet.Path // to a host; nil for one that takes no time
	seed uint64                       // of what happens on the way

	mu      sync.Mutex
	asked   map[probe.Endpoint]int
	arrived map[probe.Endpoint]int // of what was asked, if not all
}

func newTestNet(hostCases []hostCase, first4, first6 netip.Addr) *testNet {
	w := &testNet{at: map[netip.Addr]hostCase{}, asked: map[probe.Endpoint]int{}}
	for _, f := range hostCases {
		if f.family != 6 {
			w.at[first4] = f
		}
		if f.family != 4 {
			w.at[first6] = f
		}
		first4, first6 = first4.Next(), first6.Next()
	}
	return w
}

// reply is packets that arrive together after some time.
type reply struct {
	after   time.Duration
	packets [][]byte
}

// answer is what a packet brings back.
func (w *testNet) answer(b []byte) (all []reply) {
	q, ok := simnet.ReadQuery(b)
	if !ok {
		return nil
	}
	f, ok := w.at[q.To.Addr()]
	if !ok {
		return nil
	}
	n, arrivals := w.deliver(q)
	if n == 0 {
		return nil
	}
	packets := f.respond(q, n)
	for _, after := range arrivals {
		all = append(all, reply{after, packets})
	}
	return all
}

// askedSoFar is how often each endpoint was asked.
func (w *testNet) askedSoFar() map[probe.Endpoint]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.asked)
}

// deliver is how many probes to q's endpoint arrived, this one included, and when
// the answers to it do; 0 if it is lost.
func (w *testNet) deliver(q simnet.Query) (n int, arrivals []time.Duration) {
	e := q.Endpoint()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked[e]++
	if w.path == nil {
		return w.asked[e], []time.Duration{0}
	}
	delivered := w.path(e.Addr).Deliver(w.seed, e, w.asked[e])
	if !delivered.Arrived {
		return 0, nil
	}
	if w.arrived == nil {
		w.arrived = make(map[probe.Endpoint]int)
	}
	w.arrived[e]++
	return w.arrived[e], delivered.Answers
}

// check scans one protocol of all hosts and compares with the truth table. What is
// true of port 417 is true of any other.
func (w *testNet) check(
	t *testing.T,
	proto probe.Proto,
	make func(*target.Plan) engine.Engine,
	sockets bool,
	others ...uint16,
) {
	t.Helper()
	ports := []probe.Port{{Number: 417, Proto: proto}}
	for _, number := range others {
		ports = append(ports, probe.Port{Number: number, Proto: proto})
	}
	var targets []string
	forged, most, contradictions, least := uint64(0), uint64(0), uint64(0), uint64(0)
	timed, answered := 0, 0
	for a, f := range w.at {
		if reason(f, proto, false) != probe.NoReason && !(sockets && f.packets) {
			targets = append(targets, a.String())
		}
	}
	plan := scantest.NewPlan(t, ports, targets...)
	e := make(plan)
	retries := 1
	_, exact := e.(*packetEngine)
	if !exact { // a machine that is busy takes an answer in after its wait, and asks again
		retries = 4
	}
	before := w.askedSoFar()
	s := scantest.Run(
		t.Context(),
		scan.Config{Plan: plan, Engine: e, Retries: retries, Timeout: 500 * time.Millisecond, All: true},
	)
	s.RequireComplete(t)
	asked := w.askedSoFar()
	for e, r := range s.Results(t) {
		f := w.at[e.Addr]
		want := reason(f, proto, sockets)
		if f.once && !exact && r.Reason == none && asked[e]-before[e] > 1 {
			continue // on a busy machine, the answer came after its wait
		}
		self := want != probe.PortUnreach || f.self
		if r.Reason != want || r.State != probe.Verdict(proto, want, self) {
			t.Errorf("%s: %v is reported as %v (%v) %s, want %v", f.name, e, r.State, r.Reason, r.Error, want)
		}
		tries := max(f.tries, 1)
		if want == none {
			tries = 2
		}
		if w.path != nil { // late enough, it is asked again
			if least := w.path(e.Addr).RTT; r.RTT > 0 && time.Duration(r.RTT) < least {
				t.Errorf("%s: %v answered after %v, and the path takes %v", f.name, e, time.Duration(r.RTT), least)
			}
			timed += one(r.RTT > 0)
			answered += one(r.Reason != none)
			continue
		}
		if r.Tries != tries && (r.Tries < tries || exact) {
			t.Errorf("%s: %v took %d tries, want %d", f.name, e, r.Tries, tries)
		}
		if f.resetFollows && !exact && !strings.Contains(strings.Join(r.Notes, "\n"), f.note) {
			contradictions += uint64(r.Tries) // the reset was late, and is counted
			least++
		} else if f.note != "" && (!sockets || f.socketNote) != strings.Contains(strings.Join(r.Notes, "\n"), f.note) {
			t.Errorf("%s: %v has notes %q, want %q", f.name, e, r.Notes, f.note)
		}
		forged += uint64(f.forged * r.Tries)
		most += uint64(f.forged * (asked[e] - before[e])) // those after the one that was answered in time
		contradictions += uint64(f.contradictions * r.Tries)
		least += uint64(f.contradictions * tries) // of those after the first, some may be taken for what follows it
	}
	if w.path != nil {
		if timed < answered/10 {
			t.Errorf("%v: round trips are reported for %d of %d hosts that answered", proto, timed, answered)
		}
		return
	}
	if !sockets && (s.Contradictions < least || s.Contradictions > contradictions || exact && least != contradictions) {
		t.Errorf("%v: %d contradictions, want %d to %d: %+v", proto, s.Contradictions, least, contradictions, s.Coverage)
	}
	raw, ok := e.(interface {
		Forged() uint64
		engine.Noter
	})
	if !ok { // it cannot be forged
		return
	}
	if s.Forged < forged || s.Forged > most || exact && forged != most {
		t.Errorf("%v: %d forged, want %d to %d", proto, s.Forged, forged, most)
	}
	if want := (engine.Note{Kind: engine.NoteUnproven, Count: s.Forged}); !slices.Contains(raw.Notes(), want) {
		t.Errorf("%v: notes %v, want %v", proto, raw.Notes(), want)
	}
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

// reason is what must be reported of a case.
func reason(f hostCase, p probe.Proto, sockets bool) probe.Reason {
	r, other := f.tcp, f.socketTCP
	if p == probe.UDP {
		r, other = f.udp, f.socketUDP
	}
	if sockets && other != probe.NoReason {
		return other
	}
	return r
}

// packetEngine is an engine with packets of its own and no kernel: what it writes is
// answered at once, and what comes back is read as the engine over packets does.
type packetEngine struct {
	testNet  *testNet
	plan     *target.Plan
	builders map[bool]*packet.Builder // by whether it is for IPv4
	decoder  *packet.Decoder
	answers  chan engine.Answer
	closed   chan struct{}
	once     sync.Once
	forged   atomic.Int64
}

func newPacketEngine(t testing.TB, w *testNet, plan *target.Plan) *packetEngine {
	t.Helper()
	ports := packet.Ports{First: 40000, Tries: engine.MaxTries + engine.Flows, Width: 16}
	tcp := packet.Ports{First: 40000, Tries: engine.MaxTries + engine.Flows, Width: 1}
	c, err := packet.NewCookies([16]byte{4, 1, 7}, tcp, ports)
	if err != nil {
		t.Fatal(err)
	}
	e := &packetEngine{
		testNet:  w,
		plan:     plan,
		builders: map[bool]*packet.Builder{},
		decoder:  packet.NewDecoder(packet.RawIP, c, plan.Ports()),
		answers:  make(chan engine.Answer, 4096),
		closed:   make(chan struct{}),
	}
	for _, src := range []string{"10.92.0.1", "fd92::ff:1"} {
		a := netip.MustParseAddr(src)
		if e.builders[a.Is4()], err = packet.NewBuilder(packet.Path{Framing: packet.RawIP, Src: a, MTU: 1500}, c,
			plan.Ports()); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

func (e *packetEngine) Methods() map[probe.Proto]string {
	return map[probe.Proto]string{probe.TCP: "syn", probe.UDP: "udp-raw"}
}
func (e *packetEngine) Pending() int { return -1 }
func (e *packetEngine) Close() error { e.once.Do(func() { close(e.closed) }); return nil }

func (e *packetEngine) Send(_ context.Context, batch []engine.Probe) (int, error) {
	buf := make([]byte, 1500)
	for _, p := range batch {
		n := e.builders[p.Endpoint.Addr.Is4()].Put(buf, p.Endpoint, p.Try, packet.MAC{}, 0)
		for _, p := range e.testNet.answer(buf[:n]) {
			if p.after == 0 {
				e.receive(p.packets)
			} else {
				time.AfterFunc(p.after, func() { e.receive(p.packets) })
			}
		}
	}
	return len(batch), nil
}

func (e *packetEngine) receive(packets [][]byte) {
	for _, b := range packets {
		var r packet.Reply
		switch e.decoder.Decode(b, false, &r) {
		case packet.Forged:
			e.forged.Add(1)
		case packet.Valid:
			if index, ok := e.plan.Index(r.Endpoint); ok {
				e.answers <- engine.Answer{Index: index, Try: r.Try, At: time.Now(), Result: r.Result()}
			} else {
				e.forged.Add(1)
			}
		}
	}
}

func (e *packetEngine) Receive(ctx context.Context, buf []engine.Answer) (int, error) {
	select {
	case buf[0] = <-e.answers:
		return 1, nil
	default:
	}
	select {
	case buf[0] = <-e.answers:
		return 1, nil
	case <-e.closed:
		return 0, io.EOF
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (e *packetEngine) Notes() []engine.Note {
	return []engine.Note{{Kind: engine.NoteUnproven, Count: uint64(e.forged.Load())}}
}

// TestTruthWithoutAKernel checks builder, decoder and loop against the truth table, with
// a clock of their own, on one port and on several.
func TestTruthWithoutAKernel(t *testing.T) {
	for _, p := range probe.Protos() {
		for _, others := range [][]uint16{nil, {1, 419, 40000, 65535}} {
			synctest.Test(t, func(t *testing.T) {
				w := newTestNet(hostCases(), netip.MustParseAddr("10.92.1.1"), netip.MustParseAddr("fd92::101"))
				w.check(t, p, func(plan *target.Plan) engine.Engine { return newPacketEngine(t, w, plan) }, false, others...)
			})
		}
	}
}
