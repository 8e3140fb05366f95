package listen

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"onmux/probe"
	"onmux/probe/farend"
	"onmux/probe/service/answer"
)

// serve handles one connection, and closes it.
func (l *Listener) serve(ctx context.Context, c *net.TCPConn, report func(Arrival)) {
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	s := &stream{Listener: l, conn: c, in: bufio.NewReaderSize(c, 4096), end: time.Now().Add(maxLife), report: report}
	from, to := addrPortOf(c.RemoteAddr()), addrPortOf(c.LocalAddr())
	s.arrival = Arrival{
		Time: time.Now().UTC(), Proto: probe.TCP, Client: from.Addr(), ClientPort: from.Port(),
		Address: to.Addr(), Port: to.Port(), Interface: l.names.byAddr[to.Addr().WithZone("")],
	}
	s.arrival.SYN, s.arrival.TTL = savedSYN(c)
	s.run(ctx)
	s.reportOnce() // if nothing else did
}

// stream is a connection.
type stream struct {
	*Listener
	conn     net.Conn
	in       *bufio.Reader
	end      time.Time // of its life
	arrival  Arrival
	report   func(Arrival)
	reported bool
}

func (s *stream) reportOnce() {
	if !s.reported {
		s.reported = true
		s.report(s.arrival)
	}
}

func (s *stream) run(ctx context.Context) {
	greets := s.config.Reply == Greet && s.config.Text != ""
	if greets && s.tls == nil && s.write([]byte(s.config.Text)) != nil {
		return
	}
	first, err := s.peek()
	if s.respond != nil && len(first) > 0 && farend.MayBeMessage(first) && s.answer(ctx) {
		return
	}
	if s.tls != nil {
		if !s.handshake() {
			return
		}
		if greets && s.write([]byte(s.config.Text)) != nil {
			return
		}
		first, err = s.peek()
	}
	s.arrival.Bytes, s.arrival.Data = len(first), answer.Printable(string(first[:min(len(first), maxData)]), maxData)
	s.reportOnce()
	if err == nil {
		s.exchange()
	}
}

// peek waits for data and returns what there is, without taking it. A connection that sends
// nothing for a moment is reported, and waited for.
func (s *stream) peek() ([]byte, error) {
	err := s.until(firstData)
	if err == nil {
		_, err = s.in.Peek(1)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		if s.tls == nil {
			s.reportOnce()
		}
		if err = s.until(maxIdle); err == nil {
			_, err = s.in.Peek(1)
		}
	}
	data, _ := s.in.Peek(s.in.Buffered())
	return data, err
}

// until bounds what is done next with the connection.
func (s *stream) until(d time.Duration) error {
	end := time.Now().Add(d)
	if end.After(s.end) {
		end = s.end
	}
	return s.conn.SetDeadline(end)
}

func (s *stream) write(b []byte) error {
	err := s.until(maxIdle)
	if err == nil {
		_, err = s.conn.Write(b)
	}
	return err
}

// answer answers a keyed question; false if it is none.
func (s *stream) answer(ctx context.Context) bool {
	question, err := s.in.Peek(farend.Size)
	if err != nil {
		return false
	}
	from, to := addrPortOf(s.conn.RemoteAddr()), addrPortOf(s.conn.LocalAddr())
	reply, ok := s.respond.Answer(nil, question, from, to, s.arrival.TTL)
	if ok {
		s.arrival.Proven, s.arrival.Bytes = true, len(question)
		s.reportOnce()
		if s.write(reply) == nil {
			s.answerPath(ctx)
			_, _ = io.CopyN(io.Discard, s.in, maxData) // until the client closes, so that TIME_WAIT is its own
		}
	}
	return ok
}

func (s *stream) handshake() bool {
	if s.until(maxIdle) != nil {
		return false
	}
	c := tls.Server(buffered{s.conn, s.in}, s.tls)
	err := c.Handshake()
	state := c.ConnectionState()
	s.arrival.TLS = &TLS{ServerName: answer.Printable(state.ServerName, maxData)}
	if err != nil {
		s.arrival.TLS.Error = answer.Printable(err.Error(), maxData)
		return false
	}
	s.arrival.TLS.Version = tls.VersionName(state.Version)
	s.conn, s.in = c, bufio.NewReaderSize(c, 4096)
	return true
}

// exchange takes what the client sends, and echoes it if asked to, until it ends or is idle.
func (s *stream) exchange() {
	buf := make([]byte, 4096)
	for s.until(maxIdle) == nil {
		n, err := s.in.Read(buf)
		if n > 0 && s.config.Reply == Echo && s.write(buf[:n]) != nil || err != nil {
			return
		}
	}
}

// buffered is a connection of which something was read ahead.
type buffered struct {
	net.Conn
	in *bufio.Reader
}

func (b buffered) Read(p []byte) (int, error) { return b.in.Read(p) }
