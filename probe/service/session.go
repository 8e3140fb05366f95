package service

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"

	"onmux/probe"
	"onmux/probe/request"
	"onmux/probe/service/answer"
)

// connSize is how much is read from one connection, TLS included, in bytes.
const connSize = 64 << 10

var errFull = errors.New("the peer has sent too much")

// bounded is a connection that reads connSize bytes at most, and keeps the first
// bytes of both sides: a peer may answer a ClientHello in another protocol.
type bounded struct {
	net.Conn
	left    int
	first   []byte // read
	written []byte // the first of them
	size    int    // of all that was written
	err     error  // the last of Read
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left == 0 {
		b.err = errFull
		return 0, errFull
	}
	n, err := b.Conn.Read(p[:min(len(p), b.left)])
	b.left -= n
	b.err = err
	b.first = appendFirst(b.first, p[:n])
	return n, err
}

func (b *bounded) Write(p []byte) (int, error) {
	b.written = appendFirst(b.written, p)
	b.size += len(p)
	return b.Conn.Write(p)
}

// appendFirst appends to first as much of more as a report has room for.
func appendFirst(first, more []byte) []byte {
	return append(first, more[:min(len(more), probe.ExchangeSize-len(first))]...)
}

// session is one connection to the peer. One goroutine uses it at a time. All waits end at
// the deadline, at the latest.
type session struct {
	conn       net.Conn
	wire       *bounded // what conn reads from
	o          *Options
	pace       pace
	deadline   time.Time
	number     int           // of the connection, from 1
	datagrams  bool          // a read is a whole answer
	answerWait time.Duration // until the first byte of an answer
	greeting   []byte        // what the peer sent first
	goodbye    string        // ends the session

	progress
}

// progress is what has become of the request under way, or the last one.
type progress struct {
	request  *request.Request
	lineless bool // its answer has no lines
	sent     []byte
	received []byte
	after    time.Duration // from the request to the first byte
	end      probe.ConnEnd // EndContinued: the connection is still there
	tunnel   *tunnel       // the connection after a TLS handshake
	facts    *probe.TLS    // of a handshake within another protocol
	alert    *probe.Alert  // of the peer, in a handshake or after it
	cut      bool          // received is the beginning of what was read
	note     string        // on what was not read
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

// send writes b.
func (s *session) send(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	s.sent = append(s.sent, b...)
	_, err := s.conn.Write(b)
	if err != nil {
		s.end = endOf(err)
	}
	return err
}

// receive reads an answer: until it is complete, the peer pauses or closes, it has sent
// answer.MaxSize bytes, or it has gone on for too long. A line that has no end yet, and a
// reply of several lines that lacks the last, may take as long as there is time. The error is
// the connection's end, nil for a peer that has only paused.
func (s *session) receive(ctx context.Context) error {
	began := time.Now()
	until := s.until()
	var last time.Time // of an answer without lines
	for len(s.received) < answer.MaxSize {
		if err := s.conn.SetReadDeadline(until); err != nil || ctx.Err() != nil {
			return cmpErr(err, ctx.Err())
		}
		n, err := s.read()
		if n > 0 && s.after == 0 {
			s.after = max(time.Since(began), 1)
		}
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case err != nil:
			if code, ok := alertOf(err); ok {
				s.alert = alert(code, true, true)
			}
			s.end = endOf(err)
			return err
		case s.datagrams, s.isComplete():
			return nil
		case len(s.received) == 0:
			continue
		}
		now := time.Now()
		if last.IsZero() {
			last = now.Add(s.pace.answerWait + 4*s.pace.pause)
		}
		switch {
		case !s.lineless && isUnfinished(s.received) && !(isContinued(s.received) && s.isKnown()):
			until = s.deadline
		case isPage(s.received):
			until = earlier(now.Add(s.pace.answerWait), earlier(last, s.deadline))
		default:
			until = earlier(now.Add(s.pace.pause), earlier(last, s.deadline))
		}
		if !now.Before(until) { // a peer that never lets a read wait
			return nil
		}
	}
	return nil
}

func cmpErr(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// read appends what has arrived to received.
func (s *session) read() (int, error) {
	if s.received == nil {
		s.received = make([]byte, 0, 2<<10)
	}
	if len(s.received) == cap(s.received) {
		s.received = append(s.received, 0)[:len(s.received)]
	}
	n, err := s.conn.Read(s.received[len(s.received):min(cap(s.received), answer.MaxSize)])
	s.received = s.received[:len(s.received)+n]
	if n > 0 {
		err = nil // the next read has it again
	}
	return n, err
}

// until is when the wait for an answer to what was just sent is over.
func (s *session) until() time.Time { return earlier(time.Now().Add(s.answerWait), s.deadline) }

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

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// endOf returns who ended a connection: EndContinued if it was this side.
func endOf(err error) probe.ConnEnd {
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, errFull) {
		return probe.EndContinued
	}
	if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return probe.EndReset
	}
	return probe.EndClosed
}

// dialer connects once; the connection ends with ctx at the latest.
type dialer func(ctx context.Context) (net.Conn, error)
