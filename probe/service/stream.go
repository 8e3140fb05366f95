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

// stream is a connection on which one request is under way at a time. One goroutine uses it at a time. All waits
// end at the deadline, at the latest.
type stream struct {
	conn       net.Conn
	wire       *bounded // what conn reads from
	pace       pace
	deadline   time.Time
	datagrams  bool          // a read is a whole answer
	answerWait time.Duration // until the first byte of an answer

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

// send writes b.
func (s *stream) send(b []byte) error {
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
func (s *stream) receive(ctx context.Context) error {
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

// read appends what has arrived to received.
func (s *stream) read() (int, error) {
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
func (s *stream) until() time.Time { return earlier(time.Now().Add(s.answerWait), s.deadline) }

// readByte reads one byte, and not one more: what follows may be TLS.
func (s *stream) readByte() (byte, error) {
	if err := s.conn.SetReadDeadline(s.until()); err != nil {
		return 0, err
	}
	var b [1]byte
	if _, err := io.ReadFull(s.conn, b[:]); err != nil {
		s.end = endOf(err)
		return 0, err
	}
	return b[0], nil
}

// isComplete reports whether nothing that may follow would add to the answer: a whole line
// that names the software and its version, or a page of the length that it states.
func (s *stream) isComplete() bool {
	b := s.received
	switch {
	case len(b) == 0:
		return false
	case isPage(b):
		return isWholePage(b)
	case b[len(b)-1] != '\n' || isContinued(b):
		return false
	}
	m, _ := answer.Recognise(answer.New("", s.sent, b))
	return m.IsExact()
}

// isKnown reports whether what was received names the software.
func (s *stream) isKnown() bool {
	m, _ := answer.Recognise(answer.New("", s.sent, s.received))
	return m.Known() && m.Facts.Product != ""
}

func cmpErr(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
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
