package service

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"onmux/probe"
	"onmux/probe/service/answer"
)

// connSize is how much is read from one connection, TLS included, in bytes.
const connSize = 64 << 10

var errFull = errors.New("the peer has sent too much")

// bounded is a connection that reads connSize bytes at most, and keeps the first
// of them for the rules: a peer may answer a ClientHello in another protocol.
type bounded struct {
	net.Conn
	left  int
	first []byte
	err   error // the last of Read
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left == 0 {
		b.err = errFull
		return 0, errFull
	}
	n, err := b.Conn.Read(p[:min(len(p), b.left)])
	b.left -= n
	b.err = err
	if room := answer.RawSize - len(b.first); room > 0 {
		b.first = append(b.first, p[:min(n, room)]...)
	}
	return n, err
}

// session is one connection to the peer while a request is sent on it. It belongs to
// one goroutine. All waits end at the deadline of the connection, at the latest.
type session struct {
	conn      net.Conn
	wire      *bounded // what conn reads from
	o         *Options
	pace      pace
	deadline  time.Time
	patience  time.Duration // until the first byte of an answer
	sent      []byte
	received  []byte
	end       ending
	datagrams bool       // a read is a whole answer
	tunnel    *tunnel    // the connection after a TLS handshake
	facts     *probe.TLS // of a handshake within another protocol
	cut       bool       // received is the beginning of what was read
	note      string     // on what was not read
}

// ending is how a session ended.
type ending uint8

const (
	silent  ending = iota // the peer paused, or sent nothing
	closed                // it closed
	reset                 // it reset the connection
	refused               // there was no connection
)

// pace are the waits of an identification, from the round-trip time.
type pace struct {
	head     time.Duration // that a greeting gets before anything is sent
	opening  time.Duration // that TLS and HTTP get before other requests begin
	patience time.Duration // until the first byte of an answer
	pause    time.Duration // after which an answer is over
	idle     time.Duration // after which a peer that has sent nothing may be busy with a connection that sends nothing
	turn     time.Duration // that it gets for the next one then
	quiet    time.Duration // after which a peer that has sent nothing is silent
}

// paceOf allows for a machine that is busy: a server may fork and load a program
// before it answers.
func paceOf(rtt time.Duration) pace {
	return pace{
		head:     min(2*rtt+40*time.Millisecond, 400*time.Millisecond),
		opening:  min(4*rtt+300*time.Millisecond, 2500*time.Millisecond),
		patience: min(4*rtt+500*time.Millisecond, 2500*time.Millisecond),
		pause:    min(2*rtt+100*time.Millisecond, 500*time.Millisecond),
		idle:     min(4*rtt+650*time.Millisecond, 2*time.Second),
		turn:     min(2*rtt+300*time.Millisecond, time.Second),
		quiet:    min(4*rtt+4500*time.Millisecond, longest),
	}
}

// longest is the bound of pace.quiet.
const longest = 6 * time.Second

// forGreeter waits longer than a resolver waits for a name server, 5 s (resolv.conf(5),
// timeout): many servers look the client up before they greet.
func (p pace) forGreeter(rtt time.Duration) pace {
	p.quiet = min(4*rtt+5400*time.Millisecond, longest)
	return p
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

// receive reads an answer: until the peer pauses, closes, has sent matchSize bytes
// in all, or has gone on for too long. The error is the connection's end, nil
// for a peer that has only paused.
func (s *session) receive() error {
	if s.received == nil {
		s.received = make([]byte, 0, 2<<10)
	}
	until := s.until()
	var last time.Time
	for reads := 1; len(s.received) < answer.MaxSize; reads++ {
		if err := s.conn.SetReadDeadline(until); err != nil {
			return err
		}
		if len(s.received) == cap(s.received) {
			s.received = append(s.received, 0)[:len(s.received)]
		}
		n, err := s.conn.Read(s.received[len(s.received):min(cap(s.received), answer.MaxSize)])
		s.received = s.received[:len(s.received)+n]
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case err != nil:
			s.end = endOf(err)
			return err
		case s.datagrams, reads <= 4 && s.enough():
			return nil
		}
		now := time.Now()
		if last.IsZero() {
			last = now.Add(s.pace.patience + 4*s.pace.pause)
		}
		until = earlier(now.Add(s.pace.pause), earlier(last, s.deadline))
		if !now.Before(until) { // a peer that never lets a read wait
			return nil
		}
	}
	return nil
}

// enough reports whether nothing that may follow would add to it: a whole line
// that names the software and its version.
func (s *session) enough() bool {
	if len(s.received) == 0 || s.received[len(s.received)-1] != '\n' {
		return false
	}
	m, _ := answer.Recognise(answer.New("", s.sent, s.received))
	return m.IsExact()
}

// until is when the wait for an answer to what was just sent is over.
func (s *session) until() time.Time { return earlier(time.Now().Add(s.patience), s.deadline) }

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// endOf returns who ended a connection: silent if it was this side.
func endOf(err error) ending {
	for _, ours := range []error{os.ErrDeadlineExceeded, errFull, net.ErrClosed, io.ErrClosedPipe} {
		if errors.Is(err, ours) {
			return silent
		}
	}
	if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return reset
	}
	return closed
}

// dialer connects once; the connection ends with ctx at the latest.
type dialer func(ctx context.Context) (net.Conn, error)
