package service

import (
	"cmp"
	"context"
	"io"
	"net"
	"strconv"
	"time"

	"onmux/probe"
	"onmux/probe/request"
	"onmux/probe/service/answer"
)

// session is one connection to the peer, and the requests on it.
type session struct {
	stream
	o        *Options
	number   int    // of the connection, from 1
	greeting []byte // what the peer sent first
	goodbye  string // ends the session
}

// outcome is the result of a step.
type outcome struct {
	step
	progress
	began      time.Time
	connection int  // its number
	newConn    bool // it is the first request on it
	inTLS      bool
	late       bool   // it came later than an answer to the request would
	cutShort   bool   // there was no time for an answer
	sentSize   int    // of which sent may be the beginning
	raw        []byte // the beginning of what came in place of received, of rawSize bytes
	rawSize    int
	whole      bool // the answer is complete
	err        error
}

// newAnswer is what was received, as rules compare it.
func newAnswer(o outcome) *answer.Answer {
	a := answer.New(o.Name, o.sent, o.received)
	a.TLS, a.Full = o.facts, a.Full || o.cut
	return a
}

// pace are the waits of an identification, from the round-trip time.
type pace struct {
	head       time.Duration // that a greeting gets before anything is sent
	answerWait time.Duration // until the first byte of an answer
	pause      time.Duration // after which an answer is over that does not show its end
	linger     time.Duration // until the peer has closed a connection that this side has closed
}

// paceOf allows for a machine that is busy: a server may fork and load a program
// before it answers.
func paceOf(rtt time.Duration) pace {
	return pace{
		head:       min(2*rtt+100*time.Millisecond, 500*time.Millisecond),
		answerWait: min(4*rtt+400*time.Millisecond, 2500*time.Millisecond),
		pause:      min(2*rtt+100*time.Millisecond, 500*time.Millisecond),
		linger:     min(2*rtt+50*time.Millisecond, 300*time.Millisecond),
	}
}

// perform makes a step on the connection. It ends early with ctx.
func (s *session) perform(ctx context.Context, st step, newConn bool) outcome {
	stop := context.AfterFunc(ctx, func() { s.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	s.progress = progress{request: st.Request, end: probe.EndContinued}
	s.answerWait = s.answerWaitFor(st)
	began := time.Now()
	_ = s.conn.SetWriteDeadline(s.deadline)
	_ = s.exchange(ctx, st.Request) // s.end has how it ended
	if st.Request == &waiting {
		s.greeting = s.received
	}
	o := s.outcome(st, began)
	o.newConn, o.cutShort = newConn, ctx.Err() != nil || !time.Now().Before(s.deadline)
	return o
}

// answerWaitFor is how long the first byte of the answer is waited for.
func (s *session) answerWaitFor(st step) time.Duration {
	left := time.Until(s.deadline)
	switch {
	case st.wait == moment:
		return s.pace.head / 5
	case st.wait == briefly:
		return s.pace.head
	case st.wait == again:
		return 3 * s.pace.head
	case st.wait == twice:
		return 2 * s.pace.answerWait
	case st.wait == long:
		return mostOf(left)
	case st.wait == toTheEnd:
		return left
	case st.UsualOn(s.o.port):
		return 2 * s.pace.answerWait
	}
	return s.pace.answerWait
}

// mostOf leaves a little of the time for what is asked afterwards.
func mostOf(left time.Duration) time.Duration { return max(left-500*time.Millisecond, left/2) }

// outcome is what has become of a step so far.
func (s *session) outcome(st step, began time.Time) outcome {
	_, inTLS := s.conn.(*tunnel)
	o := outcome{step: st, progress: s.progress, began: began, connection: s.number, inTLS: inTLS, sentSize: len(s.sent),
		whole: s.lineless || isWhole(s.received), late: s.after > s.pace.head}
	if n := len(s.greeting); st.AfterGreeting && len(s.received) > n {
		o.raw, o.rawSize = s.received[n:min(len(s.received), n+probe.ExchangeSize)], len(s.received)-n
	}
	if st.Service == clientHello.Service && !inTLS {
		o.sent, o.sentSize = s.wire.written, s.wire.size
		o.raw, o.rawSize = s.wire.first, connSize-s.wire.left
	}
	return o
}

// exchange sends r and reads the answer.
func (s *session) exchange(ctx context.Context, r *request.Request) error {
	switch r.Name {
	case answer.ClientHello:
		return s.handshake(ctx, tlsConfig(s.o, "http/1.1"))
	case "tls-h2":
		return s.handshake(ctx, tlsConfig(s.o, "h2"))
	case "tls-old":
		return s.handshake(ctx, oldTLSConfig(s.o))
	case "postgresql":
		return s.negotiatePostgreSQL(ctx, r)
	}
	if r.AfterGreeting && len(s.greeting) == 0 {
		s.answerWait = mostOf(time.Until(s.deadline))
		if err := s.receive(ctx); err != nil || len(s.received) == 0 || !isWhole(s.received) {
			return err
		}
		s.greeting, s.received, s.answerWait = s.received, nil, s.pace.answerWait
	}
	message := r.Bytes(s.o.serverName())
	if r.Service == request.HTTP.Service {
		message = r.Bytes(s.hostField())
	}
	switch t, ok := s.conn.(*tunnel); {
	case r != &request.HTTP:
	case ok && t.facts.ALPN == "h2":
		message = request.PageOverHTTP2(s.hostField())
	case s.requestsByName():
		message = request.PageOf(s.hostField())
	}
	if err := s.send(message); err != nil {
		// A peer that closed the connection may have sent the reason. Behind a reset that was reported, a read only
		// finds the end.
		end := s.end
		if s.receive(ctx); end == probe.EndReset {
			s.end = end
		}
		return err
	}
	err := s.receive(ctx)
	if r.Name == "mysql-handshake" && err == nil {
		err = s.finishMySQL(ctx)
	}
	if r.AfterGreeting {
		s.received = append(s.greeting[:len(s.greeting):len(s.greeting)], s.received...)
		s.goodbye = r.Goodbye
	}
	return err
}

// hostField is the name of the peer as HTTP has it, with the port if that is not the default
// (RFC 9110, section 7.2).
func (s *session) hostField() string {
	host, usual := cmp.Or(s.o.serverName(), s.o.Host), uint16(80)
	if _, inTLS := s.conn.(*tunnel); inTLS {
		usual = 443
	}
	if host == "" || s.o.port == usual {
		return host
	}
	return net.JoinHostPort(host, strconv.Itoa(int(s.o.port)))
}

// requestsByName reports whether the first HTTP request has the name. Elsewhere it has none at
// first: Redis takes the Host field for an attack.
func (s *session) requestsByName() bool {
	_, inTLS := s.conn.(*tunnel)
	return s.o.serverName() != "" && (inTLS || request.HTTP.UsualOn(s.o.port))
}

// close ends the connection: with the goodbye of its protocol, if it has one, and by a FIN.
// What has not been read by then would make it a RST.
func (s *session) close() {
	deadline := earlier(time.Now().Add(s.pace.linger), s.deadline)
	_ = s.conn.SetDeadline(deadline)
	if s.goodbye != "" && s.end == probe.EndContinued {
		_, _ = io.WriteString(s.conn, s.goodbye)
	}
	if t, ok := s.conn.(*tunnel); ok {
		_ = t.CloseWrite()
	}
	probe.Leave(s.wire.Conn, deadline)
}

// dialer connects once; the connection ends with ctx at the latest.
type dialer func(ctx context.Context) (net.Conn, error)
