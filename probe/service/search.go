package service

import (
	"cmp"
	"context"
	"errors"
	"net"
	"sync"
	"syscall"
	"time"

	"onmux/probe"
	"onmux/probe/request"
	"onmux/probe/service/answer"
)

// layer is a search on plain connections, or on those inside TLS. Its fields belong to
// the goroutine that runs it; each request is sent by a goroutine of its own, which only
// delivers its outcome.
type layer struct {
	*search
	schedule
	findings
	connections

	dial     dialer
	first    *tunnel // a connection that is already there, to wait on
	start    time.Time
	outcomes chan outcome
}

// outcome is the result of sending a request.
type outcome struct {
	*request.Request
	sent, received []byte
	end            ending
	err            error // why there was no connection
	tunnel         *tunnel
	facts          *probe.TLS
	cut            bool   // more was received
	note           string // on what was not read
}

func (s *search) layer(dial dialer, first *tunnel) *layer {
	l := s.newLayer(dial, maxParallel)
	l.first = first
	if first == nil {
		for i := range moreHellos {
			l.queue = append(l.queue, &moreHellos[i])
		}
	}
	l.queue = append(l.queue, request.TCP()...)
	sortByLikelihood(l.queue, s.port, l.suggested)
	return l
}

func (s *search) newLayer(dial dialer, parallel int) *layer {
	return &layer{
		search: s, dial: dial, start: time.Now(), outcomes: make(chan outcome, maxConns),
		schedule: schedule{
			parallel: parallel, running: make(map[*request.Request]turn), retried: make(map[*request.Request]bool),
		},
		findings: findings{onPort: s.port, suggested: make(map[string]bool)},
	}
}

// run sends requests until the answer is clear, none is left, or ctx ends.
func (l *layer) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	var workers sync.WaitGroup
	defer func() {
		cancel()
		workers.Wait()
		for len(l.outcomes) > 0 { // what requests that were cut off have received
			l.handle(<-l.outcomes)
		}
	}()
	wake := time.NewTimer(0)
	defer wake.Stop()
	for {
		now := time.Now()
		ready, next := l.ready(now)
		for _, r := range ready {
			ctx, cancel := context.WithCancel(ctx)
			l.running[r] = turn{now, cancel}
			l.connsLeft--
			l.requestsSent++
			workers.Go(func() {
				defer cancel()
				l.outcomes <- l.send(ctx, r)
			})
		}
		if l.settled(now) {
			return
		}
		if len(ready) > 0 { // the next time to look depends on them
			continue
		}
		wake.Reset(max(time.Until(next), 0))
		select {
		case o := <-l.outcomes:
			l.handle(o)
		case <-wake.C:
		case <-ctx.Done():
			return
		}
	}
}

// ready takes the requests that are to be sent now, and returns when to look again if
// nothing happens before.
func (l *layer) ready(now time.Time) (ready []*request.Request, next time.Time) {
	next = now.Add(time.Hour)
	later := func(t time.Time) bool {
		if !now.Before(t) {
			return false
		}
		next = earlier(next, t)
		return true
	}
	later(l.giveUpAt())
	if !l.listening {
		l.listening = true
		if l.first != nil { // the handshake's connection is there to listen on
			l.connsLeft++
			return []*request.Request{&waiting, &request.HTTP}, next
		}
		ready = append(ready, &waiting)
	}
	if l.first == nil && !l.openersSent {
		// A server that greets need not receive anything else, unless the port is known for servers that don't.
		quick := clientHello.UsualOn(l.port) || request.HTTP.UsualOn(l.port)
		if !quick && (l.isRunning(&waiting) || len(ready) > 0) && later(l.start.Add(l.pace.head)) {
			return ready, next
		}
		if l.openersSent = true; !l.known() {
			return append(ready, &clientHello, &request.HTTP), next
		}
	}
	ready = append(ready, l.stopWaiting(now, later)...)
	// Until HTTP and TLS had their time, other requests would only disturb.
	for _, r := range []*request.Request{&clientHello, &request.HTTP} {
		t, ok := l.running[r]
		if ok && later(t.began.Add(l.pace.opening)) && (!l.known() || l.best.Service == request.HTTP.Service) {
			return ready, next
		}
	}
	if later(l.hold) {
		return ready, next
	}
	for slots := l.parallel - l.handshakes(); slots > 0 && l.connsLeft > len(ready); slots-- {
		r := l.pop()
		if r == nil {
			break
		}
		ready = append(ready, r)
	}
	return ready, next
}

// pop takes the next useful request from the queue.
func (l *layer) pop() *request.Request {
	for i, r := range l.queue {
		if l.isUseful(r) {
			l.queue = append(l.queue[:i:i], l.queue[i+1:]...)
			return r
		}
	}
	return nil
}

// isUseful reports whether r may still add to what is known.
func (l *layer) isUseful(r *request.Request) bool {
	port := l.port
	switch {
	case l.refusals >= 3 || l.complete():
		return false
	case l.crowded && time.Since(l.start) > l.pace.quiet: // a peer whose queue is full has had its time
		return false
	case r.Generic && !l.best.IsPlainHTTP():
		return false
	case l.known():
		return r.Service == l.best.Service || l.best.IsPlainHTTP() && r.UsualOn(port)
	}
	return isDue(r, port, l.suggested)
}

// settled reports whether further requests would change nothing.
func (l *layer) settled(now time.Time) bool {
	switch {
	case l.tunnel != nil:
		return true
	case l.best.Rule != nil && l.best.Service == request.HTTP.Service && l.opening(now, l.pace.opening):
		return false // a TLS port may answer plain HTTP with an error, and an HTTP port a ClientHello
	case l.complete():
		return true
	case l.handshakes() > 0, l.willWaitAgain():
		return false
	}
	for _, r := range l.queue {
		if l.connsLeft > 0 && l.isUseful(r) {
			return false
		}
	}
	if l.known() || len(l.running) == 0 {
		return true
	}
	return !now.Before(l.giveUpAt())
}

// handle takes in the outcome of a request.
func (l *layer) handle(o outcome) {
	delete(l.running, o.Request)
	l.note = cmp.Or(l.note, o.note)
	if o.err == nil {
		l.accepted++
		l.refusals = 0
	}
	switch {
	case o.tunnel != nil && l.tunnel == nil:
		l.tunnel = o.tunnel
	case o.tunnel != nil:
		o.tunnel.Close()
	case len(o.received) > 0:
		a := answer.New(o.Name, o.sent, o.received)
		a.TLS, a.Full = o.facts, a.Full || o.cut
		l.consider(a, o.Request)
		sortByLikelihood(l.queue, l.port, l.suggested)
	case o.end == refused || o.end == reset:
		if o.end == refused {
			l.noteRefusal(o.err, l.first != nil)
		}
		// A peer that shuns a client after a wrong greeting may accept another connection.
		if !l.retried[o.Request] && (o.end == refused || o.Request == &waiting || l.suggested[o.Service]) {
			l.retried[o.Request] = true
			l.queue = append([]*request.Request{o.Request}, l.queue...)
			l.hold = time.Now().Add(l.pace.pause)
		}
	}
	if len(o.received) == 0 && (o.end == closed || o.end == reset) {
		l.closes++
		if o.end == reset && o.Request == &waiting {
			l.resets++
		}
	}
}

// send sends one request on a connection of its own.
func (l *layer) send(ctx context.Context, r *request.Request) (o outcome) {
	o.Request = r
	conn, err := l.connect(ctx, r)
	switch {
	case errors.Is(err, syscall.ECONNRESET): // it was accepted, and over before connect returned
		o.end = reset
		return o
	case errors.Is(err, context.Canceled): // it is not waited for any longer
		o.err = err
		return o
	case err != nil:
		o.end, o.err = refused, err
		return o
	}
	wire := &bounded{Conn: conn, left: connSize}
	s := &session{
		conn: wire, wire: wire, o: &l.o, pace: l.pace, deadline: l.deadline, patience: l.pace.patience,
	}
	if t, ok := conn.(*tunnel); ok {
		s.conn, s.wire = t, t.wire
	}
	if r == &waiting || r == &waitingAgain || r == &request.HTTP { // they may last as long as the search
		s.patience = time.Until(l.deadline)
	}
	usual := r.UsualOn(l.port)
	if usual {
		s.patience = 2 * s.patience
	}
	gone := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		conn.Close()
		close(gone)
	})
	_ = conn.SetWriteDeadline(l.deadline)
	// s has how it ended.
	if _, ok := conn.(*anyPortConn); ok {
		s.datagrams = true
		_ = s.exchangeDatagram(r, usual)
	} else {
		_ = s.exchange(r)
	}
	if !stop() {
		<-gone
	}
	if o.tunnel = s.tunnel; o.tunnel == nil {
		conn.Close()
	}
	o.sent, o.received, o.end, o.facts, o.cut, o.note = s.sent, s.received, s.end, s.facts, s.cut, s.note
	return o
}

// connect returns a new connection, or the one that the handshake left.
func (l *layer) connect(ctx context.Context, r *request.Request) (net.Conn, error) {
	if r == &waiting && l.first != nil {
		return l.first, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 3*l.pace.patience)
	defer cancel()
	conn, err := l.dial(ctx)
	if err != nil && probe.IsBusy(err) {
		return nil, errors.Join(probe.ErrBusy, err)
	}
	return conn, err
}
