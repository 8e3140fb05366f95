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
)

// layer is a search on bare connections, or on those inside TLS. Its fields
// belong to the goroutine that runs it; each question is asked on a goroutine of
// its own, which only sends its outcome.
type layer struct {
	*search
	via      dialer
	first    *tunnel // a connection that is already there, to wait on
	start    time.Time
	opened   bool               // the peer is being listened to
	greeted  bool               // TLS and HTTP had their turn
	yielded  bool               // what only waited was let go
	again    bool               // and waits once more
	parallel int                // handshakes at a time
	hold     time.Time          // no handshake before
	queue    []*request.Request // handshakes not yet tried
	running  map[*request.Request]turn
	retried  map[*request.Request]bool
	outcomes chan outcome

	best    match
	unknown *answer // the first that no rule knows
	answers []drawn // all
	signs   map[string]bool
	tunnel  *tunnel // to the layer inside
	met     int     // connections that came about
	closes  int     // of them, ended by the peer before a word
	resets  int     // of those, by a reset where we only listened: whoever closes before it has read resets too
	note    string  // on what was not read
	refusal int     // connections refused in a row
	crowded bool    // one found no room
	err     error   // the last failure to connect
}

// turn is a question that is under way.
type turn struct {
	began  time.Time
	cancel context.CancelFunc // leaves the peer
}

// outcome is what came of a question.
type outcome struct {
	*request.Request
	said, heard []byte
	end         ending
	err         error // why there was no connection
	tunnel      *tunnel
	facts       *probe.TLS
	cut         bool   // more was heard
	note        string // on what was not
}

func (s *search) layer(via dialer, first *tunnel) *layer {
	l := &layer{
		search: s, via: via, first: first, start: time.Now(), parallel: maxParallel,
		running: make(map[*request.Request]turn), retried: make(map[*request.Request]bool),
		outcomes: make(chan outcome, maxConns), signs: make(map[string]bool),
	}
	if first == nil {
		for i := range moreHellos {
			l.queue = append(l.queue, &moreHellos[i])
		}
	}
	l.queue = append(l.queue, request.TCP()...)
	likely(l.queue, s.port, l.signs)
	return l
}

// run asks until the answer is clear, nothing is left to ask, or ctx ends.
func (l *layer) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	var workers sync.WaitGroup
	defer func() {
		cancel()
		workers.Wait()
		for len(l.outcomes) > 0 { // what was heard of those that were cut off
			l.take(<-l.outcomes)
		}
	}()
	wake := time.NewTimer(0)
	defer wake.Stop()
	for {
		now := time.Now()
		ready, next := l.ready(now)
		for _, q := range ready {
			ctx, cancel := context.WithCancel(ctx)
			l.running[q] = turn{now, cancel}
			l.left--
			l.asked++
			workers.Go(func() {
				defer cancel()
				l.outcomes <- l.ask(ctx, q)
			})
		}
		if l.settled(now) {
			return
		}
		if len(ready) > 0 { // when to look next depends on them
			continue
		}
		wake.Reset(max(time.Until(next), 0))
		select {
		case o := <-l.outcomes:
			l.take(o)
		case <-wake.C:
		case <-ctx.Done():
			return
		}
	}
}

// ready takes the questions that are to be asked now, and says when to look
// again if nothing happens before.
func (l *layer) ready(now time.Time) (ready []*request.Request, next time.Time) {
	next = now.Add(time.Hour)
	later := func(t time.Time) bool {
		if !now.Before(t) {
			return false
		}
		next = earlier(next, t)
		return true
	}
	later(l.giveUp())
	if !l.opened {
		l.opened = true
		if l.first != nil { // the handshake's connection is there to listen on
			l.left++
			return []*request.Request{&waiting, &request.HTTP}, next
		}
		ready = append(ready, &waiting)
	}
	if l.first == nil && !l.greeted {
		// Whoever greets is spared the noise, unless the port is known for those who don't.
		quick := clientHello.UsualOn(l.port) || request.HTTP.UsualOn(l.port)
		if !quick && (l.busy(&waiting) || len(ready) > 0) && later(l.start.Add(l.pace.head)) {
			return ready, next
		}
		if l.greeted = true; !l.known() {
			return append(ready, &clientHello, &request.HTTP), next
		}
	}
	ready = append(ready, l.makeRoom(now, later)...)
	// Until the page and TLS had their time, handshakes would be noise.
	for _, q := range []*request.Request{&clientHello, &request.HTTP} {
		if t, ok := l.running[q]; ok && later(t.began.Add(l.pace.opening)) && (!l.known() || l.best.service == request.HTTP.Service) {
			return ready, next
		}
	}
	if later(l.hold) {
		return ready, next
	}
	for slots := l.parallel - l.handshakes(); slots > 0 && l.left > len(ready); slots-- {
		q := l.pop()
		if q == nil {
			break
		}
		ready = append(ready, q)
	}
	return ready, next
}

// pop takes the next question that is due from the queue.
func (l *layer) pop() *request.Request {
	for i, q := range l.queue {
		if l.owed(q) {
			l.queue = append(l.queue[:i:i], l.queue[i+1:]...)
			return q
		}
	}
	return nil
}

// owed reports whether q may still say more than is known.
func (l *layer) owed(q *request.Request) bool {
	if l.refusal >= 3 || l.spent() || l.complete() {
		return false
	}
	if q.Generic && !l.best.bare() {
		return false
	}
	if l.known() {
		return q.Service == l.best.service || l.best.bare() && q.UsualOn(l.port)
	}
	return due(q, l.port, l.signs)
}

// known reports whether the protocol is; complete, whether the software and its
// version are too.
func (l *layer) known() bool { return l.best.rule != nil && l.best.rank >= protocol }

func (l *layer) complete() bool {
	return l.known() && l.best.facts.product != "" && l.best.facts.version != ""
}

func (l *layer) busy(q *request.Request) bool { _, ok := l.running[q]; return ok }

// handshakes counts those under way.
func (l *layer) handshakes() int {
	n := len(l.running)
	for _, q := range []*request.Request{&waiting, &waitingAgain, &clientHello, &request.HTTP} {
		if l.busy(q) {
			n--
		}
	}
	return n
}

// opening reports whether TLS or the page still have their time.
func (l *layer) opening(now time.Time) bool {
	for _, q := range []*request.Request{&clientHello, &request.HTTP} {
		if t, ok := l.running[q]; ok && now.Before(t.began.Add(l.pace.opening)) {
			return true
		}
	}
	return false
}

// settled reports whether asking on would change nothing.
func (l *layer) settled(now time.Time) bool {
	switch {
	case l.tunnel != nil:
		return true
	case l.best.rule != nil && l.best.service == request.HTTP.Service && l.opening(now):
		return false // a TLS port may scold in plaintext who does not greet it, a page server who does
	case l.complete():
		return true
	case l.handshakes() > 0, l.waitsOn():
		return false
	}
	for _, q := range l.queue {
		if l.left > 0 && l.owed(q) {
			return false
		}
	}
	if l.known() || len(l.running) == 0 {
		return true
	}
	return !now.Before(l.giveUp())
}

// take notes what came of a question.
func (l *layer) take(o outcome) {
	delete(l.running, o.Request)
	l.note = cmp.Or(l.note, o.note)
	if o.err == nil {
		l.met++
		l.refusal = 0
	}
	switch {
	case o.tunnel != nil && l.tunnel == nil:
		l.tunnel = o.tunnel
	case o.tunnel != nil:
		o.tunnel.Close()
	case len(o.heard) > 0:
		a := newAnswer(o.Name, o.said, o.heard)
		a.tls, a.full = o.facts, a.full || o.cut
		l.weigh(a, o.Request)
	case o.end == refused || o.end == reset:
		if o.end == refused {
			l.refuse(o.err)
		}
		// A peer that shuns whoever greeted it wrongly may bear a fresh try.
		if !l.retried[o.Request] && (o.end == refused || o.Request == &waiting || l.signs[o.Service]) {
			l.retried[o.Request] = true
			l.queue = append([]*request.Request{o.Request}, l.queue...)
			l.hold = time.Now().Add(l.pace.pause)
		}
	}
	if len(o.heard) == 0 && (o.end == closed || o.end == reset) {
		l.closes++
		if o.end == reset && o.Request == &waiting {
			l.resets++
		}
	}
}

// weigh takes a for what is known, if it says more. The answer that a port is
// known for outweighs a page of nothing.
func (l *layer) weigh(a *answer, q *request.Request) {
	l.answers = append(l.answers, drawn{a, q.Service})
	m, signs := recognise(a)
	if l.parrots(m) {
		m, signs = match{}, nil
	}
	if l.parrots(l.best) {
		l.best, l.unknown = match{}, cmp.Or(l.unknown, l.best.answer)
	}
	if m.rule == nil {
		m = l.guess(a)
	}
	for _, s := range signs {
		l.signs[s] = true
	}
	likely(l.queue, l.port, l.signs)
	if m.rule == nil {
		if l.unknown == nil {
			l.unknown = a
		}
		return
	}
	if m.better(l.best) || l.best.bare() && m.rank >= protocol && q.UsualOn(l.port) && q.Service == m.service {
		l.best = m
	}
}

// ask puts one question on a connection of its own.
func (l *layer) ask(ctx context.Context, q *request.Request) (o outcome) {
	o.Request = q
	conn, err := l.connect(ctx, q)
	switch {
	case errors.Is(err, syscall.ECONNRESET): // it came about, and was over before we were told
		o.end = reset
		return o
	case errors.Is(err, context.Canceled): // we did not wait for it any longer
		o.err = err
		return o
	case err != nil:
		o.end, o.err = refused, err
		return o
	}
	wire := &bounded{Conn: conn, left: connSize}
	s := &session{conn: wire, wire: wire, o: &l.o, pace: l.pace, deadline: l.deadline, patience: l.pace.patience}
	if t, ok := conn.(*tunnel); ok {
		s.conn, s.wire = t, t.wire
	}
	if q == &waiting || q == &waitingAgain || q == &request.HTTP { // they may last as long as the search
		s.patience = time.Until(l.deadline)
	}
	if q.UsualOn(l.port) {
		s.patience = 2 * s.patience
	}
	gone := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		conn.Close()
		close(gone)
	})
	_ = conn.SetWriteDeadline(l.deadline)
	// How it ended is in s.
	if _, ok := conn.(*wanderer); ok {
		s.datagrams = true
		_ = s.exchangeDatagram(q, q.UsualOn(l.port))
	} else {
		_ = s.exchange(q)
	}
	if !stop() {
		<-gone
	}
	if o.tunnel = s.tunnel; o.tunnel == nil {
		conn.Close()
	}
	o.said, o.heard, o.end, o.facts, o.cut, o.note = s.said, s.heard, s.end, s.facts, s.cut, s.note
	return o
}

// connect is a new connection, or the one that the handshake left.
func (l *layer) connect(ctx context.Context, q *request.Request) (net.Conn, error) {
	if q == &waiting && l.first != nil {
		return l.first, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 3*l.pace.patience)
	defer cancel()
	conn, err := l.via(ctx)
	if err != nil && probe.IsBusy(err) {
		return nil, errors.Join(probe.ErrBusy, err)
	}
	return conn, err
}
