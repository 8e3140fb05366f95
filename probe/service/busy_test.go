package service

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// backlog is a server that serves one connection at a time while up to room of
// them wait; a client that comes when it is full receives nothing.
type backlog struct {
	waiting chan net.Conn
	conns   int
	lock    sync.Mutex
}

func (b *backlog) dial(ctx context.Context) (net.Conn, error) {
	b.lock.Lock()
	b.conns++
	b.lock.Unlock()
	ours, theirs := pipe()
	select {
	case b.waiting <- theirs:
		return ours, nil
	case <-ctx.Done():
		ours.Close()
		return nil, &net.OpError{Op: "dial", Err: ctx.Err()}
	}
}

// serve takes the connections in turn.
func (b *backlog) serve(f func(net.Conn)) {
	for c := range b.waiting {
		f(c)
		c.Close()
	}
}

// buffered is an end of a connection whose writes do not wait for the reader, as
// those of a socket do not.
type buffered struct {
	net.Conn
	out  chan []byte
	once sync.Once
	done chan struct{}
}

func pipe() (ours, theirs net.Conn) {
	a, b := net.Pipe()
	o := &buffered{Conn: a, out: make(chan []byte, 64), done: make(chan struct{})}
	go func() {
		defer a.Close()
		for {
			select {
			case p := <-o.out:
				if _, err := a.Write(p); err != nil {
					return
				}
			case <-o.done:
				for len(o.out) > 0 { // what was sent before the end arrives
					p := <-o.out
					a.SetWriteDeadline(time.Now().Add(time.Millisecond))
					if _, err := a.Write(p); err != nil {
						return
					}
				}
				return
			}
		}
	}()
	return o, b
}

func (b *buffered) Write(p []byte) (int, error) {
	select {
	case <-b.done:
		return 0, net.ErrClosed
	default:
	}
	b.out <- append([]byte(nil), p...)
	return len(p), nil
}

// A deadline can be set after the peer has closed, as on a socket; net.Pipe refuses it.

func (b *buffered) SetDeadline(t time.Time) error {
	_ = b.Conn.SetDeadline(t)
	return nil
}

func (b *buffered) SetReadDeadline(t time.Time) error {
	_ = b.Conn.SetReadDeadline(t)
	return nil
}

func (b *buffered) Close() error {
	b.once.Do(func() { close(b.done) })
	return b.Conn.SetReadDeadline(time.Now())
}

// page serves one request as a simple HTTP server does.
func page(c io.ReadWriter) {
	r := bufio.NewReader(c)
	line, err := r.ReadString('\n')
	if err != nil {
		return
	}
	if !strings.HasPrefix(line, "GET ") {
		fmt.Fprint(c, "HTTP/1.0 400 Bad Request\r\nServer: one/1.0\r\n\r\n")
		return
	}
	for line != "\r\n" && err == nil {
		line, err = r.ReadString('\n')
	}
	fmt.Fprint(c, "HTTP/1.0 200 OK\r\nServer: one/1.0\r\n\r\n")
}

// A server that takes one connection at a time is named like another: what we
// only wait on does not keep it from the rest, and a full queue is no refusal.
func TestOneByOne(t *testing.T) {
	certificate := httptest.NewUnstartedServer(nil)
	certificate.StartTLS()
	defer certificate.Close()
	secret := func(inside func(io.ReadWriter)) func(net.Conn) {
		return func(c net.Conn) {
			s := tls.Server(c, certificate.TLS)
			if s.Handshake() == nil {
				inside(s)
			}
			s.Close()
		}
	}
	iscsi := func(c net.Conn) { // reads a whole header before it sends anything
		b := make([]byte, 48)
		if _, err := io.ReadFull(c, b); err == nil && b[0] == 0x43 {
			c.Write(append([]byte("\x23\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x04\x17\x04\x17"),
				make([]byte, 28)...))
		}
	}
	for _, tt := range []struct {
		name    string
		port    uint16
		room    int
		peer    func(net.Conn)
		service string
	}{
		{"http", 417, 100, func(c net.Conn) { page(c) }, "http"},
		{"http on its port", 8080, 100, func(c net.Conn) { page(c) }, "http"},
		{"http, a short queue", 417, 5, func(c net.Conn) { page(c) }, "http"},
		{"http, the shortest queue", 8080, 1, func(c net.Conn) { page(c) }, "http"},
		{"https", 417, 100, secret(page), "https"},
		{"https on its port", 443, 5, secret(page), "https"},
		{"silent in TLS", 4433, 100, secret(func(c io.ReadWriter) { io.Copy(io.Discard, c) }), "tls"},
		{"mqtt in TLS", 417, 100, secret(func(c io.ReadWriter) {
			b := make([]byte, 4096)
			if n, err := c.Read(b); err == nil && n > 0 && b[0] == 0x10 {
				c.Write([]byte("\x20\x02\x00\x01"))
			}
		}), "mqtts"},
		{"a handshake on its port", 3260, 5, iscsi, "iscsi"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &backlog{waiting: make(chan net.Conn, tt.room)}
				go b.serve(tt.peer)
				s := newSearch(b.dial, tt.port, Options{RTT: time.Millisecond})
				start := time.Now()
				found, err := s.identify(t.Context())
				took := time.Since(start)
				close(b.waiting)
				if err != nil || found.Name != tt.service {
					t.Errorf("%+v, %v, want %s", found, err, tt.service)
				}
				if took > 5*time.Second || b.conns > maxConns {
					t.Errorf("took %s and %d connections", took, b.conns)
				}
				t.Logf("%s, %d connections", took, b.conns)
			})
		})
	}
}

// A server that takes long to greet is identified on any port; on its usual one even if
// its name server had to time out first.
func TestSlowGreeting(t *testing.T) {
	for _, tt := range []struct {
		port  uint16
		after time.Duration
		rtt   time.Duration
	}{
		{417, 200 * time.Millisecond, time.Millisecond}, {417, 800 * time.Millisecond, time.Millisecond},
		{417, 3 * time.Second, time.Millisecond}, {417, 3 * time.Second, 100 * time.Millisecond}, {417, 3 * time.Second,
			400 * time.Millisecond},
		{25, 3 * time.Second, time.Millisecond}, {25, 5200 * time.Millisecond, time.Millisecond}, {21,
			5200 * time.Millisecond, 100 * time.Millisecond},
	} {
		t.Run(fmt.Sprintf("%d after %s", tt.port, tt.after), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSearch(func(context.Context) (net.Conn, error) {
					time.Sleep(tt.rtt)
					ours, theirs := pipe()
					go func() {
						greeting := time.AfterFunc(tt.after, func() { fmt.Fprint(theirs, "220 mx ESMTP Exim 4.96\r\n") })
						io.Copy(io.Discard, theirs)
						greeting.Stop()
						theirs.Close()
					}()
					return ours, nil
				}, tt.port, Options{RTT: tt.rtt})
				start := time.Now()
				found, err := s.identify(t.Context())
				took := time.Since(start)
				if err != nil || found.Name != "smtp" || took > 6*time.Second {
					t.Errorf("%+v, %v after %s", found, err, took)
				}
			})
		})
	}
}
