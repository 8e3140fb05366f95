package raw

import (
	"context"
	"io"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"onmux/probe"
	"onmux/scan/engine"
	"onmux/scan/link"
	"onmux/scan/packet"
)

// receiver reads packets, turns them into answers, and sends the probes that
// waited for a neighbor.
type receiver struct {
	*core
	forged   atomic.Uint64 // packets to our ports, or quoting a probe, without proof
	nextHops refresher
	late     *lateSender

	mu        sync.Mutex // receive and close, for all below and the sockets of late
	decoder   *packet.Decoder
	zoned     map[int]*packet.Decoder // by device, where link-local addresses are asked
	answers   []engine.Answer
	delivered int // of answers
}

// newReceiver opens the sockets that answers are received by.
func newReceiver(c *core) (*receiver, error) {
	r := &receiver{core: c, zoned: make(map[int]*packet.Decoder)}
	filter, err := packet.Filter(packet.RawIP, c.cookies)
	if err != nil {
		return nil, err
	}
	config := link.ReceiverConfig{Filter: filter, Timestamps: !c.NoTimestamps}
	zones := zonesOf(c.Targets)
	r.decoder = packet.NewDecoder(packet.Ethernet, c.cookies, c.Targets.Ports())
	for i := range c.routes.all {
		to := &c.routes.all[i]
		if to.failure != "" {
			continue
		}
		config.IPv4 = config.IPv4 || to.Src.Is4()
		config.IPv6 = config.IPv6 || to.Src.Is6() || to.Gateway.Is6()
		config.ARP = config.ARP || to.Frames && to.Src.Is4()
		config.Devices = append(config.Devices, to.Device)
		config.Sources = append(config.Sources, to.Src)
		// A zone is a device's name or its number; answers carry it as it was written.
		for _, zone := range []string{strconv.Itoa(to.Device.Index), to.Device.Name} {
			if zones[zone] {
				d := *r.decoder
				d.Zone = zone
				r.zoned[to.Device.Index] = &d
			}
		}
	}
	if c.socket, err = link.OpenReceiver(config); err != nil {
		return nil, err
	}
	if r.late, err = newLateSender(c); err != nil {
		_ = c.socket.Close()
		return nil, err
	}
	r.nextHops.late = r.late
	return r, nil
}

// zonesOf are the zones of targets, as they were written.
func zonesOf(t Targets) map[string]bool {
	zones := make(map[string]bool)
	for first := range t.Runs() {
		zones[first.Zone()] = true
	}
	return zones
}

// receive is Engine.Receive.
func (r *receiver) receive(ctx context.Context, buf []engine.Answer) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ctx.Done() != nil {
		woken := make(chan struct{})
		stop := context.AfterFunc(ctx, func() { r.socket.Wake(); close(woken) })
		defer func() {
			if !stop() {
				<-woken // close frees what it uses
			}
		}()
	}
	for r.delivered == len(r.answers) {
		r.answers, r.delivered = r.answers[:0], 0
		switch {
		case r.isClosed():
			return 0, io.EOF
		case ctx.Err() != nil:
			return 0, ctx.Err()
		}
		if err := r.collect(); err != nil {
			return 0, err
		}
	}
	n := copy(buf, r.answers[r.delivered:])
	r.delivered += n
	return n, nil
}

// collect appends to answers; if there are none at once, it waits for something
// to happen first.
func (r *receiver) collect() error {
	now := time.Now()
	r.answers = r.local.appendTo(r.answers)
	r.neighbors.expire(now, r.neighborOf, r.unresolved)
	if len(r.answers) > 0 {
		r.makeRoom()
		return nil
	}
	pause := r.nextHops.refresh(now)
	if d, ok := r.neighbors.nextExpiry(now); ok && (pause < 0 || d < pause) {
		pause = d
	}
	if err := r.socket.Wait(pause); err != nil {
		return err
	}
	return r.read()
}

// read reads what has arrived, and sends what it makes possible.
func (r *receiver) read() error {
	_, err := r.socket.Read(r.decode)
	r.late.flush()
	return err
}

// close frees the sockets, after it has read what is there.
func (r *receiver) close() error {
	r.socket.Wake()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drainOnClose()
	return link.CloseAll([]func() error{r.socket.Close, r.late.close})
}

func (r *receiver) drainOnClose() {
	r.answers = r.local.appendTo(r.answers)
	if r.socket.Wait(0) == nil {
		for before := -1; before != len(r.answers); {
			before = len(r.answers)
			_ = r.read()
		}
	}
	r.socket.Lost() // keeps the count beyond Close
}

// decode turns one packet into an answer, if it is one.
func (r *receiver) decode(p link.Packet) {
	d := r.zoned[p.Device]
	if d == nil {
		d = r.decoder
	}
	var reply packet.Reply
	switch d.Decode(p.Frame, p.Unsummed, &reply) {
	case packet.Forged:
		r.forged.Add(1)
		return
	case packet.Foreign:
		return
	}
	now := time.Now()
	if reply.Kind == packet.KindNeighbor {
		r.resolved(neighbor{reply.From.WithZone(""), p.Device}, reply.MAC, now)
		return
	}
	index, ok := r.Targets.Index(reply.Endpoint)
	if !ok || r.isProbe(&reply, index) {
		r.forged.Add(1)
		return
	}
	a := engine.Answer{Index: index, Try: r.probeTry(reply.Try), At: now.Add(-p.Age), Result: reply.Result()}
	if r.Evidence {
		a.Facts = r.evidence(&reply, index)
	}
	r.answers = append(r.answers, a)
}

// isProbe reports whether what looks like an answer is a probe of another scan on this
// machine to one of this scan's ports.
func (r *receiver) isProbe(reply *packet.Reply, index uint64) bool {
	return reply.Kind == packet.KindUDP && !reply.Sure &&
		r.routes.to(index, reply.Endpoint.Addr).isLocal() && r.own.byOther(reply.FromPort, 0)
}

// resolved sends the probes that waited for a neighbor.
func (r *receiver) resolved(n neighbor, mac packet.MAC, now time.Time) {
	r.neighbors.resolve(n, mac, now, func(w *waitingProbe) {
		a, ok := r.late.put(w, mac, now)
		if ok {
			a = engine.Answer{Index: w.index, Try: int(w.try), At: now, Neighbor: true}
		}
		r.answers = append(r.answers, a)
	})
	r.makeRoom()
}

// neighborOf is the station that the packets to an endpoint are sent to.
func (r *receiver) neighborOf(index uint64) neighbor {
	e := r.Targets.At(index)
	return r.routes.to(index, e.Addr).neighbor(e)
}

// unresolved answers a probe whose neighbor did not answer.
func (r *receiver) unresolved(w *waitingProbe, n neighbor) {
	a := engine.Answer{
		Index:  w.index,
		Try:    int(w.try),
		At:     time.Now(),
		Result: r.noNeighbor(n),
		Unsent: r.neighbors.nextHops[n] != nil,
	}
	r.answers = append(r.answers, a)
}

// evidence is what a reply shows.
func (r *receiver) evidence(reply *packet.Reply, index uint64) []probe.Fact {
	fact := probe.Fact{Kind: probe.FactRST}
	switch {
	case reply.Kind == packet.KindICMP:
		fact = probe.Fact{Kind: probe.FactQuote, ICMP: reply.ICMP, Addr: reply.From}
	case reply.Kind == packet.KindUDP:
		fact = probe.Fact{Kind: probe.FactDatagram, Size: len(reply.Payload)}
	case reply.Reason == probe.SynAck:
		fact = probe.Fact{Kind: probe.FactWindow, Size: int(reply.Window)}
	}
	facts := []probe.Fact{fact}
	onLink := false
	if to := r.routes.to(index, reply.Endpoint.Addr); to.Frames && to.nextHop == nil {
		onLink = reply.From.WithZone("") == reply.Endpoint.Addr.WithZone("")
	}
	if onLink && reply.MAC != (packet.MAC{}) {
		facts = append(facts, probe.Fact{Kind: probe.FactMAC, Text: reply.MAC.String()})
	}
	return append(facts, probe.Fact{Kind: probe.FactSource, From: netip.AddrPortFrom(reply.Src, reply.SrcPort)})
}
