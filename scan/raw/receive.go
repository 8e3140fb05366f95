package raw

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"time"

	"onmux/probe"
	"onmux/scan/engine"
	"onmux/scan/link"
	"onmux/scan/packet"
)

// openHearer opens what hears answers, and prepares to read them.
func (e *Engine) openHearer() error {
	c := link.HearConfig{Stamps: !e.Hurry}
	var err error
	if c.Filter, err = packet.Filter(packet.RawIP, e.cookies); err != nil {
		return err
	}
	zones := e.zones()
	e.decoder = packet.NewDecoder(packet.Ethernet, e.cookies, e.Targets.Ports())
	e.decoders = make(map[int]*packet.Decoder)
	for i := range e.ways {
		w := &e.ways[i]
		if w.why != "" {
			continue
		}
		c.IPv4 = c.IPv4 || w.Src.Is4()
		c.IPv6 = c.IPv6 || w.Src.Is6() || w.Gateway.Is6()
		c.ARP = c.ARP || w.Frames && w.Src.Is4()
		c.Devices = append(c.Devices, w.Device)
		c.Sources = append(c.Sources, w.Src)
		if zone, ok := zones[w.Device.Name]; ok {
			d := *e.decoder
			d.Zone = zone
			e.decoders[w.Device.Index] = &d
		} else if zone, ok := zones[strconv.Itoa(w.Device.Index)]; ok {
			d := *e.decoder
			d.Zone = zone
			e.decoders[w.Device.Index] = &d
		}
	}
	e.hearer, err = link.Hear(c)
	return err
}

// zones are those of the plan, as it writes them.
func (e *Engine) zones() map[string]string {
	zones := make(map[string]string)
	for first := range e.Targets.Runs() {
		if zone := first.Zone(); zone != "" {
			zones[zone] = zone
		}
	}
	return zones
}

// Receive reads packets, asks on for what waited for a neighbour, and concludes
// what waited in vain.
func (e *Engine) Receive(ctx context.Context, buf []engine.Answer) (int, error) {
	e.hearing.Lock()
	defer e.hearing.Unlock()
	if ctx.Done() != nil {
		woken := make(chan struct{})
		stop := context.AfterFunc(ctx, func() { e.hearer.Wake(); close(woken) })
		defer func() {
			if !stop() {
				<-woken // Close frees what it uses
			}
		}()
	}
	for e.done == len(e.out) {
		e.out, e.done = e.out[:0], 0
		switch {
		case e.closed.Load():
			return 0, io.EOF
		case ctx.Err() != nil:
			return 0, ctx.Err()
		}
		if err := e.work(); err != nil {
			return 0, err
		}
	}
	n := copy(buf, e.out[e.done:])
	e.done += n
	return n, nil
}

// work collects answers; if there are none at once, it waits for something to
// happen first.
func (e *Engine) work() error {
	now := time.Now()
	e.takeLocal()
	e.hoods.expire(now, e.hopOf, e.bury)
	if len(e.out) > 0 {
		e.makeRoom()
		return nil
	}
	pause := e.refreshGates(now)
	if d, ok := e.hoods.idle(now); ok && (pause < 0 || d < pause) {
		pause = d
	}
	if err := e.hearer.Wait(pause); err != nil {
		return err
	}
	return e.read()
}

// read takes in what has arrived, and lets late probes follow.
func (e *Engine) read() error {
	n, err := e.hearer.Read(e.hear)
	e.heard += uint64(n)
	for lane, s := range e.late.lanes {
		e.flushLate(lane, s)
	}
	return err
}

// lastWords collects what is there when the engine is closed.
func (e *Engine) lastWords() {
	e.takeLocal()
	if e.hearer.Wait(0) == nil {
		for before := -1; before != len(e.out); {
			before = len(e.out)
			_ = e.read()
		}
	}
	e.hearer.Lost()
}

func (e *Engine) takeLocal() {
	e.mu.Lock()
	e.out = append(e.out, e.local...)
	e.local = e.local[:0]
	e.mu.Unlock()
}

// hear judges one packet.
func (e *Engine) hear(p link.Packet) {
	d := e.decoders[p.Device]
	if d == nil {
		d = e.decoder
	}
	var r packet.Reply
	switch d.Decode(p.Frame, &r) {
	case packet.Forged:
		e.forged.Add(1)
		return
	case packet.Foreign:
		return
	}
	now := time.Now()
	if r.Kind == packet.KindNeighbour {
		e.meet(hop{r.From.WithZone(""), p.Device}, r.MAC, now)
		return
	}
	index, ok := e.Targets.Index(r.Endpoint)
	if !ok {
		e.forged.Add(1)
		return
	}
	a := engine.Answer{Index: index, Try: r.Try, At: now.Add(-p.Age), Result: r.Result()}
	if e.Evidence {
		a.Evidence = e.evidence(&r, index)
	}
	e.out = append(e.out, a)
}

// meet sends what waited for a neighbour.
func (e *Engine) meet(h hop, m packet.MAC, now time.Time) {
	clock := e.clock(now)
	e.hoods.found(h, m, now, func(w *waiting) {
		to := e.Targets.At(w.index)
		way := e.wayOf(w.index, to.Addr)
		s := e.late.lanes[way.lane]
		if s.Room() == nil {
			e.flushLate(way.lane, s)
		}
		if n := way.builder.Put(s.Room(), to, int(w.try), m, clock); n > 0 {
			s.Add(n, to.Addr, way.Device.Index)
		} else {
			e.out = append(e.out, engine.Answer{Index: w.index, Try: int(w.try), At: now, Result: way.tooLong()})
		}
	})
	e.makeRoom()
}

// flushLate sends the batch of a lane, and again while the machine is short of
// buffers. What does not leave then is left to the next try.
func (e *Engine) flushLate(lane int, s *link.Sender) {
	for range 10 {
		if s.Len() == 0 {
			return
		}
		if _, err := s.Flush(); err != nil && !link.Full(err) {
			break
		}
	}
	e.unsent.Add(uint64(s.Len()))
	s.Discard()
}

// hopOf is the station that the probe of an endpoint goes to.
func (e *Engine) hopOf(index uint64) hop {
	to := e.Targets.At(index)
	return e.wayOf(index, to.Addr).hop(to)
}

// bury answers a probe whose neighbour is not there.
func (e *Engine) bury(w *waiting, h hop) {
	e.out = append(e.out, engine.Answer{Index: w.index, Try: int(w.try), At: time.Now(), Result: e.noNeighbour(h)})
}

func (e *Engine) noNeighbour(h hop) probe.Result {
	r := probe.Result{Reason: probe.NoNeighbour}
	if e.Evidence {
		r.Evidence = []string{"nobody answered " + question(h.addr) + " for " + h.addr.String()}
	}
	return r
}

// question is how an address is looked for on a link.
func question(a netip.Addr) string {
	if a.Is4() {
		return "ARP"
	}
	return "neighbour discovery"
}

// evidence tells in sentences what a reply says of itself.
func (e *Engine) evidence(r *packet.Reply, index uint64) []string {
	var said []string
	switch {
	case r.Kind == packet.KindICMP:
		said = append(said, fmt.Sprintf("ICMP type %d code %d from %s quotes our probe", r.ICMP.Type, r.ICMP.Code, r.From))
	case r.Kind == packet.KindUDP:
		said = append(said, fmt.Sprintf("%d-byte answer to our datagram", len(r.Payload)))
	case r.Reason == probe.SynAck:
		said = append(said, fmt.Sprintf("SYN-ACK with a window of %d bytes that acknowledges our SYN", r.Window))
	default:
		said = append(said, "RST that acknowledges our SYN")
	}
	if w := e.wayOf(index, e.Targets.At(index).Addr); w.Frames && w.gate == nil && r.MAC != (packet.MAC{}) && r.From.WithZone("") == r.Endpoint.Addr.WithZone("") {
		said = append(said, "its MAC is "+r.MAC.String())
	}
	return append(said, fmt.Sprintf("asked from %s", netip.AddrPortFrom(r.Src, r.SrcPort)))
}
