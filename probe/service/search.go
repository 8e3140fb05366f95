package service

import (
	"bytes"
	"context"
	"errors"
	"net"
	"slices"
	"time"

	"onmux/probe"
	"onmux/probe/request"
	"onmux/probe/service/answer"
)

// search is one identification over TCP.
type search struct {
	dial     dialer
	o        Options
	pace     pace
	started  time.Time
	deadline time.Time
	conns    *budget
	log      []probe.Exchange
	number   int    // of connections
	served   string // the last request that a connection was accepted for
	stopped  *probe.Withdrawal
	err      error // the last failure to connect
}

func newSearch(dial dialer, port uint16, o Options) *search {
	if o.RTT <= 0 {
		o.RTT = unknownRTT
	}
	o.port = port
	now := time.Now()
	return &search{dial: dial, o: o, pace: paceOf(o.RTT), started: now, deadline: now.Add(o.timeout()),
		conns: newBudget(o.Thorough)}
}

// layer is a search on plain connections, or on those inside TLS.
type layer struct {
	*search
	*plan
	dial    dialer
	current *session // of the last step, which another may continue
	held    *held    // the connection of a request that may still be answered
}

// held is a connection on which an answer may still come while others are asked. There is
// one at most, so that there are two connections at most.
type held struct {
	*session
	cancel context.CancelFunc
	late   chan outcome // what comes
}

// run makes the steps of the plan.
func (l *layer) run(ctx context.Context) {
	defer func() {
		l.release()
		l.leave()
	}()
	for ctx.Err() == nil {
		st, ok := l.plan.next(time.Until(l.deadline)-l.pace.answerWait < l.o.timeout()*11/20)
		if !ok {
			l.awaitHeld(ctx)
			return
		}
		o := l.perform(ctx, st)
		if o.err != nil && o.end == probe.EndLeft { // there was no time for another connection
			return
		}
		l.plan.record(o)
		if l.tunnel != nil { // the connection goes on inside
			l.current = nil
			return
		}
		if o.end == probe.EndContinued && len(o.received) == 0 && st.Request != &waiting && l.held != nil {
			l.release() // the peer may serve one connection at a time
		}
	}
}

// perform makes a step. An answer to a request that was asked before may come meanwhile,
// and cut it short.
func (l *layer) perform(ctx context.Context, st step) outcome {
	isNew := !st.onOpen
	if isNew {
		l.hold(ctx)
		if o, ok := l.connect(ctx, st); !ok {
			return o
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, done := l.current, make(chan outcome, 1)
	isNew = isNew || l.served == "" // it was handed over
	go func() { done <- s.perform(ctx, st, isNew) }()
	var late <-chan outcome
	if l.held != nil {
		late = l.held.late
	}
	var o outcome
	select {
	case o = <-done:
	case answer := <-late:
		l.takeLate(answer)
		if l.known() {
			cancel()
		}
		o = <-done
	}
	l.served = st.Name
	l.addExchange(o)
	return o
}

// connect makes the next connection; without one, the outcome is why.
func (l *layer) connect(ctx context.Context, st step) (outcome, bool) {
	l.number++
	began := time.Now()
	enough := began.Add(3 * l.pace.answerWait)
	dialing, cancel := context.WithDeadline(ctx, enough)
	defer cancel()
	until, _ := dialing.Deadline()
	conn, err := l.dial(dialing)
	o := outcome{step: st, began: began, connection: l.number, newConn: true, err: err}
	var timeout net.Error
	switch {
	case err == nil:
		l.current = l.session(conn)
		return o, true
	case probe.IsReset(err): // it was accepted, and over before connect returned
		o.end = probe.EndReset
	case ctx.Err() != nil, until.Before(enough) && errors.As(err, &timeout) && timeout.Timeout():
		o.end = probe.EndLeft // the time of the whole ran out, which is not the peer's fault
	case errors.As(err, &timeout) && timeout.Timeout():
		o.end = probe.EndNotAccepted
	default:
		o.end = probe.EndRefused
	}
	if l.err = err; o.end == probe.EndRefused || o.end == probe.EndNotAccepted {
		if l.served != "" && l.stopped == nil && !probe.IsBusy(err) {
			l.stopped = &probe.Withdrawal{After: l.served, End: o.end, State: probe.Open}
		}
	}
	l.addExchange(o)
	return o, false
}

// session makes a connection ready for requests.
func (s *search) session(conn net.Conn) *session {
	wire := &bounded{Conn: conn, left: connSize}
	made := &session{stream: stream{conn: wire, wire: wire, pace: s.pace, deadline: s.deadline}, o: &s.o,
		number: max(s.number, 1)}
	if t, ok := conn.(*tunnel); ok {
		made.conn, made.wire = t, t.wire
	}
	return made
}

// addExchange writes an outcome into the log.
func (s *search) addExchange(o outcome) {
	if n := len(s.log); n > 0 && !o.newConn && s.log[n-1].Connection == o.connection {
		s.log[n-1].End = probe.EndContinued
	}
	s.log = append(s.log, exchange(o))
}

// exchange is an outcome as evidence.
func exchange(o outcome) probe.Exchange {
	x := probe.Exchange{Request: o.Name, Connection: o.connection, Time: o.began.UTC(), InTLS: o.inTLS, End: o.end,
		Sent: bytes.Clone(o.sent[:min(len(o.sent), probe.ExchangeSize)]), SentBytes: o.sentSize,
		Answer: bytes.Clone(answer.Public(o.received, probe.ExchangeSize)), AnswerSize: len(o.received),
		After: probe.Millis(o.after)}
	if o.rawSize > 0 {
		x.Answer, x.AnswerSize = bytes.Clone(o.raw), o.rawSize
	}
	if x.End == probe.EndContinued {
		x.End = probe.EndLeft
	}
	return x
}

// hold keeps the connection of the last step if an answer to its request is likely to come
// late, or leaves it.
func (l *layer) hold(ctx context.Context) {
	s := l.current
	if s == nil || l.held != nil || !s.isUnanswered() {
		l.leave()
		return
	}
	l.current = nil
	ctx, cancel := context.WithCancel(ctx)
	h := &held{session: s, cancel: cancel, late: make(chan outcome, 1)}
	l.held = h
	began := l.log[len(l.log)-1].Time
	go func() {
		stop := context.AfterFunc(ctx, func() { s.conn.SetDeadline(time.Unix(1, 0)) })
		defer stop()
		s.answerWait = time.Until(s.deadline)
		_ = s.receive(ctx)
		o := s.outcome(step{Request: s.request}, began)
		o.after, o.late = time.Since(began), true
		h.late <- o
	}()
}

// isUnanswered reports whether the peer may still work on the request: a page, or what its
// port is known for.
func (s *session) isUnanswered() bool {
	likely := s.request == &request.HTTP || s.request != nil && s.request.UsualOn(s.o.port)
	return likely && s.request != &waiting && s.end == probe.EndContinued && len(s.received) == 0 && s.tunnel == nil
}

// takeLate takes in the answer on the connection that was held, and leaves that.
func (l *layer) takeLate(o outcome) {
	if len(o.received) > 0 {
		l.consider(o)
	}
	for i, x := range slices.Backward(l.log) {
		if x.Connection == o.connection {
			l.log[i] = exchange(o)
			break
		}
	}
	l.held.cancel()
	l.held.close()
	l.held = nil
}

// awaitHeld waits for the answer that is missing where another request has only shown that
// the service is that of the one which is still held.
func (l *layer) awaitHeld(ctx context.Context) {
	if l.held == nil || !l.known() || l.best.Service != l.held.request.Service || l.complete() {
		return
	}
	select {
	case o := <-l.held.late:
		l.takeLate(o)
	case <-ctx.Done():
	}
}

// release ends the wait on the connection that is held.
func (l *layer) release() {
	if l.held != nil {
		l.held.cancel()
		l.takeLate(<-l.held.late)
	}
}

// leave closes the connection of the last step.
func (l *layer) leave() {
	if l.current != nil {
		l.current.close()
		l.current = nil
	}
}
