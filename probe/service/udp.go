package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"onmux/probe"
	"onmux/probe/request"
	"onmux/probe/service/answer"
)

// FirstDatagram is the request that an attempt at a UDP port sends first, if that may
// identify the service: request.Payload of a registered port, and the likeliest of all for
// others. It is nil for a port whose datagram identifies nothing.
func FirstDatagram(port uint16) *request.Request {
	if !request.HasPayload(port) {
		return datagramsFor(port, false)[0]
	}
	return request.First(port)
}

// datagramsFor are the requests for a port in the order in which they are sent: its own, or
// the frequent ones where it has none.
func datagramsFor(port uint16, thorough bool) []*request.Request {
	queue := request.UDP()
	rank := func(r *request.Request) int {
		if r.UsualOn(port) {
			return 0
		}
		return r.Rarity
	}
	slices.SortStableFunc(queue, func(a, b *request.Request) int { return cmp.Compare(rank(a), rank(b)) })
	if thorough {
		return queue
	}
	own := func(r *request.Request) bool { return r.UsualOn(port) }
	owned := request.HasPayload(port) || slices.ContainsFunc(queue, own)
	return slices.DeleteFunc(queue, func(r *request.Request) bool {
		return !own(r) && (owned || r.Rarity == request.Rare)
	})
}

// datagramSearch is one identification over UDP.
type datagramSearch struct {
	*search
	findings
	queue    []*request.Request
	more     []*request.Request // of those services that the answers may name
	waiting  int                // for answers, each on a socket of its own
	outcomes chan outcome
}

// identifyUDP sends the requests one after the other, each once, until one is answered, and
// to a peer that has answered only those that may find out the version.
func identifyUDP(ctx context.Context, target netip.AddrPort, o Options) (*probe.Service, error) {
	s := newSearch(func(ctx context.Context) (net.Conn, error) { return dialAny(ctx, target, o.Local) }, target.Port(), o)
	s.pace.answerWait = min(4*s.o.RTT+250*time.Millisecond, 2*time.Second)
	ours, cancel := context.WithDeadline(ctx, s.deadline)
	defer cancel()
	defer s.report()
	d := &datagramSearch{search: s, findings: newFindings(target.Port()),
		queue: datagramsFor(target.Port(), o.Thorough), more: request.UDP(), outcomes: make(chan outcome, 128)}
	if o.Asked != nil {
		d.drop(o.Asked)
		sent := o.Asked.Bytes("")
		d.take(outcome{step: step{Request: o.Asked}, began: o.AskedAt, sentSize: len(sent),
			progress: progress{sent: sent, received: o.Answer, after: o.AnswerAfter}})
	}
	d.run(ours)
	d.settle(false)
	switch {
	case d.best.Rule != nil:
		found := d.describe()
		d.o.name(found, d.best.SoftwareTexts())
		return found, nil
	case d.unknown != nil:
		return answer.Match{Answer: d.unknown}.Report(), nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case len(d.log) == 0 && probe.IsBusy(d.err):
		return nil, fmt.Errorf("%w: %w", probe.ErrBusy, d.err)
	case len(d.log) == 0 && d.err != nil:
		return nil, fmt.Errorf("no socket to identify the service on: %w", d.err)
	}
	return nil, nil
}

// run sends a request, and the next one if there is no answer soon.
func (d *datagramSearch) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		cancel()
		for ; d.waiting > 0; d.waiting-- {
			d.take(<-d.outcomes)
		}
	}()
	for {
		r := d.next()
		if r != nil {
			d.send(ctx, r)
		}
		if d.waiting == 0 && (r == nil || len(d.queue) == 0) {
			return
		}
		soon := time.NewTimer(2*d.o.RTT + 50*time.Millisecond)
		if r == nil {
			soon.Reset(d.pace.answerWait)
		}
		select {
		case o := <-d.outcomes:
			d.waiting--
			d.take(o)
		case <-soon.C:
		case <-ctx.Done():
		}
		soon.Stop()
		untested := d.waiting > 0 && d.best.IsForwarded() && !d.testedDNS
		if ctx.Err() != nil || d.complete() || d.known() && d.next() == nil && !untested {
			return
		}
	}
}

// next is the request that is sent next, nil if none is.
func (d *datagramSearch) next() *request.Request {
	for _, r := range d.more {
		if d.known() && r.Service == d.best.Service || d.suggested[r.Service] {
			return r
		}
	}
	if d.known() || len(d.queue) == 0 {
		return nil
	}
	return d.queue[0]
}

// drop removes a request from what may be sent.
func (d *datagramSearch) drop(r *request.Request) {
	same := func(q *request.Request) bool { return q == r || q.Name == r.Name }
	d.queue, d.more = slices.DeleteFunc(d.queue, same), slices.DeleteFunc(d.more, same)
}

// send sends r from a socket of its own, so that the answer is known to be to it.
func (d *datagramSearch) send(ctx context.Context, r *request.Request) {
	d.drop(r)
	conn, err := d.dial(ctx)
	if err != nil {
		d.err = err
		return
	}
	d.waiting++
	s := d.session(conn)
	s.datagrams, s.number = true, 0
	go func() {
		defer conn.Close()
		d.outcomes <- s.perform(ctx, step{Request: r}, true)
	}()
}

// take takes in what has become of a request.
func (d *datagramSearch) take(o outcome) {
	o.end = ""
	d.testedDNS = d.testedDNS || o.Name == testDNS
	if !o.began.IsZero() {
		d.log = append(d.log, exchange(o))
	}
	if len(o.received) > 0 {
		d.consider(o)
	}
}

// anyPortConn is a UDP socket that receives answers from any port of the peer: TFTP
// answers from a new one (RFC 1350, section 4).
type anyPortConn struct {
	*net.UDPConn
	target netip.AddrPort
}

func dialAny(ctx context.Context, target netip.AddrPort, from probe.Local) (net.Conn, error) {
	network, local := "udp4", "0.0.0.0:0"
	if target.Addr().Is6() && !target.Addr().Is4In6() {
		network, local = "udp6", "[::]:0"
	}
	if from.Addr.IsValid() {
		local = netip.AddrPortFrom(from.Addr, 0).String()
	}
	lc := net.ListenConfig{Control: from.Control}
	c, err := lc.ListenPacket(ctx, network, local)
	if err != nil {
		return nil, err
	}
	return &anyPortConn{c.(*net.UDPConn), target}, nil
}

func (w *anyPortConn) Write(b []byte) (int, error) { return w.WriteToUDPAddrPort(b, w.target) }

// Read is the next datagram from the peer's address. Datagrams of others are
// ignored, until the deadline.
func (w *anyPortConn) Read(b []byte) (int, error) {
	for range 1000 {
		n, from, err := w.ReadFromUDPAddrPort(b)
		if err != nil || from.Addr().Unmap().WithZone("") == w.target.Addr().Unmap().WithZone("") {
			return n, err
		}
	}
	return 0, errors.New("too many datagrams from other addresses")
}
