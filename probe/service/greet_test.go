package service_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"onmux/probe"
	"onmux/probe/nettest"
	"onmux/probe/service"
)

func TestMain(m *testing.M) { nettest.Main(m) }

// serve runs f for every connection on a loopback port until the test ends.
func serve(t *testing.T, f func(*net.TCPConn)) probe.Endpoint {
	t.Helper()
	nettest.Need(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f(c.(*net.TCPConn))
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	at := l.Addr().(*net.TCPAddr).AddrPort()
	return probe.Endpoint{Addr: at.Addr(), Port: at.Port(), Proto: probe.TCP}
}

// untilGone waits for the peer to close.
func untilGone(c *net.TCPConn) {
	for b := make([]byte, 1); ; {
		if _, err := c.Read(b); err != nil {
			return
		}
	}
}

func TestGreet(t *testing.T) {
	flood := strings.Repeat("\x1b]0;owned\x07", 1000)
	for _, tt := range []struct {
		name    string
		peer    func(*net.TCPConn)
		timeout time.Duration
		service string // "" for silence
		banner  string // its beginning
	}{
		{"meeting maker, then waits", func(c *net.TCPConn) { fmt.Fprint(c, "\xc1\x2c"); untilGone(c) }, time.Minute, "meetingmaker", `\xc1,`},
		{"ssh, then closes", func(c *net.TCPConn) { fmt.Fprint(c, "SSH-2.0-OpenSSH_9.2p1\r\n") }, time.Minute, "ssh", `SSH-2.0`},
		{"in two pieces", func(c *net.TCPConn) {
			fmt.Fprint(c, "SSH-2.0-Open")
			fmt.Fprint(c, "SSH_9.2p1\r\n")
			untilGone(c)
		}, time.Minute, "ssh", `SSH-2.0-OpenSSH_9.2p1`},
		{"silent", untilGone, 50 * time.Millisecond, "", ""},
		{"closes", func(*net.TCPConn) {}, time.Minute, "", ""},
		{"resets", func(c *net.TCPConn) { c.SetLinger(0) }, time.Minute, "", ""},
		{"escapes and floods", func(c *net.TCPConn) {
			for {
				if _, err := c.Write([]byte(flood)); err != nil {
					return
				}
			}
		}, time.Minute, "unknown", `\x1b]0;owned\x07`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := service.Greet(t.Context(), serve(t, tt.peer), tt.timeout)
			switch {
			case err != nil:
				t.Fatal(err)
			case tt.service == "" && s != nil:
				t.Fatalf("%+v, want nothing", s)
			case tt.service != "" && (s == nil || s.Name != tt.service || !strings.HasPrefix(s.Banner, tt.banner)):
				t.Fatalf("%+v, want %s", s, tt.service)
			}
		})
	}
}

func TestGreetFails(t *testing.T) {
	nettest.Need(t)
	closed := probe.Endpoint{Addr: netip.MustParseAddr("127.0.0.1"), Port: 1, Proto: probe.TCP}
	if s, err := service.Greet(t.Context(), closed, time.Minute); s != nil || err == nil {
		t.Errorf("closed port: %+v, %v", s, err)
	}
	closed.Proto = probe.UDP
	if s, err := service.Greet(t.Context(), closed, time.Minute); s != nil || err == nil {
		t.Errorf("udp: %+v, %v", s, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	e := serve(t, func(c *net.TCPConn) { cancel(); untilGone(c) })
	if s, err := service.Greet(ctx, e, time.Hour); s != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled while the peer is silent: %+v, %v", s, err)
	}
	if s, err := service.Greet(ctx, e, time.Hour); s != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before: %+v, %v", s, err)
	}
}
