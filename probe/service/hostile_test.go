package service

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"onmux/probe"
)

// meter counts what is read of a connection.
type meter struct {
	net.Conn
	read int
	most *atomic.Int64
}

func (m *meter) Read(b []byte) (int, error) {
	n, err := m.Conn.Read(b)
	m.read += n
	for most := m.most.Load(); int64(m.read) > most && !m.most.CompareAndSwap(most, int64(m.read)); most = m.most.Load() {
	}
	return n, err
}

// forever sends b again and again, with a pause between.
func forever(b []byte, every time.Duration) func(net.Conn) {
	return func(c net.Conn) {
		go io.Copy(io.Discard, c)
		for {
			if _, err := c.Write(b); err != nil {
				return
			}
			time.Sleep(every)
		}
	}
}

// once sends b, and then nothing until the connection is closed.
func once(b []byte) func(net.Conn) {
	return func(c net.Conn) {
		go c.Write(b)
		io.Copy(io.Discard, c)
	}
}

// vastCertificate is a chain of more than fits into a connection.
func vastCertificate(t *testing.T) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	names := make([]string, 4000)
	for i := range names {
		names[i] = fmt.Sprintf("a-host-of-many-names-%d.example.invalid", i)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: names,
		Subject: pkix.Name{CommonName: strings.Repeat("x", 5000)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// Whatever a peer does, an identification ends within its deadline, makes at
// most 8 connections, reads at most 64 KiB of each, and leaves nothing behind.
func TestHostilePeers(t *testing.T) {
	var bomb bytes.Buffer
	bomb.WriteString("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\n\r\n")
	z := gzip.NewWriter(&bomb)
	z.Write([]byte("<title>"))
	z.Write(make([]byte, 8<<20))
	z.Close()
	vast := vastCertificate(t)
	for _, tt := range []struct {
		name    string
		peer    func(net.Conn)
		service string
	}{
		{"deaf and dumb", func(net.Conn) { time.Sleep(2 * DefaultTimeout) }, "unknown"},
		{"dumb", func(c net.Conn) { io.Copy(io.Discard, c) }, "unknown"},
		{"closes", func(net.Conn) {}, "unknown"},
		{"closes after some data", func(c net.Conn) { c.Read(make([]byte, 10)) }, "unknown"},
		{"a tarpit", forever([]byte("x"), 3*time.Second), "unknown"},
		{"an ssh tarpit", forever([]byte("0123456789abcdef\r\n"), 10*time.Second), "unknown"},
		{"drips", forever([]byte("x"), 90*time.Millisecond), "unknown"},
		{"an endless banner", forever([]byte("220-still here\r\n"), 50*time.Millisecond), "unknown"},
		{"a flood", forever(bytes.Repeat([]byte("\x1b]0;x\x07\xff"), 1000), 0), "unknown"},
		{"a flood of zeros", forever(make([]byte, 8192), 0), "unknown"},
		{"an echo", func(c net.Conn) { io.Copy(c, c) }, "echo"},
		{"endless headers", func(c net.Conn) {
			go io.Copy(io.Discard, c)
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\n")
			forever([]byte("X-A: "+strings.Repeat("b", 4000)+"\r\n"), 0)(c)
		}, "http"},
		{"a gzip bomb", once(bomb.Bytes()), "http"},
		{"an endless page", forever([]byte("HTTP/1.1 200 OK\r\n\r\n<title>"+strings.Repeat("y", 3000)), time.Millisecond),
			"http"},
		{"weak signs only", forever([]byte("+OK\r\n"), time.Second), "pop3"},
		{"a vast certificate", func(c net.Conn) {
			s := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{vast}})
			s.Handshake()
		}, "tls"},
		{"records of TLS without end", func(c net.Conn) {
			go io.Copy(io.Discard, c)
			hello := append([]byte{22, 3, 3, 0x40, 0, 2, 0, 0, 0x76, 3, 3}, make([]byte, 0x4000-6)...)
			forever(hello, 0)(c)
		}, "tls"},
		{"a lame handshake", forever([]byte{22, 3, 3, 0x40}, 2*time.Second), "unknown"},
		{"endless alerts", forever([]byte{21, 3, 3, 0, 2, 1, 0}, 100*time.Millisecond), "tls"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var conns, most atomic.Int64
				var peers sync.WaitGroup
				s := newSearch(func(context.Context) (net.Conn, error) {
					conns.Add(1)
					ours, theirs := pipe()
					peers.Go(func() {
						tt.peer(theirs)
						theirs.Close()
					})
					return &meter{Conn: ours, most: &most}, nil
				}, 417, Options{RTT: time.Millisecond})
				start := time.Now()
				found, err := s.identify(t.Context())
				took := time.Since(start)
				peers.Wait()
				if err != nil || found.Name != tt.service {
					t.Errorf("%+v, %v, want %s", found, err, tt.service)
				}
				if took > DefaultTimeout || conns.Load() > maxConns || most.Load() > connSize {
					t.Errorf("took %s, %d connections, up to %d bytes read of one", took, conns.Load(), most.Load())
				}
				if how := strings.Fields(found.Info + " -")[0]; found.Name == "unknown" &&
					strings.HasPrefix(tt.name, "closes") != (how == "closes") {
					t.Errorf("it %s", found.Info)
				}
				if tt.name == "a vast certificate" && !strings.Contains(found.Info, "longer than the 64 KiB") {
					t.Errorf("the reason for the missing certificate is not there: %q", found.Info)
				}
				t.Logf("%s, %d connections, %d bytes: %s", took, conns.Load(), most.Load(), found.Info)
			})
		})
	}
}

// A peer that refuses all but the first connections is left alone.
func TestShunned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conns := 0
		var lock sync.Mutex
		s := newSearch(func(context.Context) (net.Conn, error) {
			lock.Lock()
			defer lock.Unlock()
			if conns++; conns > 3 {
				return nil, errors.New("connection refused")
			}
			ours, theirs := net.Pipe()
			theirs.Close()
			return ours, nil
		}, 417, Options{RTT: time.Millisecond})
		found, err := s.identify(t.Context())
		if err != nil || found.Name != "unknown" || conns > 12 ||
			!strings.Contains(found.Info, ", and refuses further connections (") {
			t.Errorf("%+v, %v after %d connections", found, err, conns)
		}
	})
}

// Nobody is there: the error is the reason.
func TestNobody(t *testing.T) {
	for name, why := range map[string]error{"refused": errors.New("connection refused"),
		"out of descriptors": probe.ErrBusy} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSearch(func(context.Context) (net.Conn, error) { return nil, why }, 417, Options{})
				if found, err := s.identify(t.Context()); found != nil || !errors.Is(err, why) {
					t.Errorf("%+v, %v", found, err)
				}
			})
		})
	}
}

// Where reading stopped is not the size of what the peer sent.
func TestCutAnswer(t *testing.T) {
	long := strings.Repeat("\x16\x03\x03\x01\x00"+strings.Repeat("\x09\x07", 128), 8)
	s, _ := simulate(t, 417, func(c net.Conn) {
		b := make([]byte, 4096)
		if n, _ := c.Read(b); n > 0 && b[0] == handshakeRecord {
			io.WriteString(c, long)
			io.Copy(io.Discard, c)
		}
	})
	if !strings.HasPrefix(s.Info, "at least 576 bytes, ") {
		t.Errorf("%+v", s)
	}
	s, _ = simulate(t, 443, answering("", map[string]string{"\x16\x03\x01": strings.Repeat("\x09\x07", 100)}))
	if !strings.HasPrefix(s.Info, "200 bytes, ") {
		t.Errorf("%+v", s)
	}
}
