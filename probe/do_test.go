package probe_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"onmux/probe"
	"onmux/probe/nettest"
	"onmux/report/phrase/evidence"
)

func TestMain(m *testing.M) { nettest.Main(m) }

type engine struct {
	name string
	do   func(context.Context, probe.Endpoint, probe.Options) (probe.Result, error)
}

// engines are the ways to make an attempt; both must have the same results.
var engines = []engine{{"own", probe.Do}, {"net", probe.Dial}}

var loopback = netip.MustParseAddr("127.0.0.1")

// What cannot be probed is an error in the Result, and not attempted.
func TestObjections(t *testing.T) {
	for _, tt := range []struct {
		e       probe.Endpoint
		timeout time.Duration
		want    string
	}{
		{probe.Endpoint{}, time.Second, "no protocol"},
		{probe.Endpoint{Proto: probe.TCP, Port: 417}, time.Second, "no address"},
		{probe.Endpoint{Proto: probe.TCP, Port: 417, Addr: netip.IPv4Unspecified()}, time.Second,
			"0.0.0.0 is not a host's address"},
		{probe.Endpoint{Proto: probe.UDP, Port: 417, Addr: netip.MustParseAddr("fe80::1")}, time.Second,
			"fe80::1 needs an interface"},
		{probe.Endpoint{Proto: probe.UDP, Addr: loopback}, time.Second, "port 0"},
		{probe.Endpoint{Proto: probe.TCP, Port: 417, Addr: loopback}, 0, "timeout"},
		{probe.Endpoint{Proto: probe.UDP, Port: 417, Addr: loopback}, -1, "timeout"},
	} {
		r, err := probe.Do(t.Context(), tt.e, probe.Options{Timeout: tt.timeout})
		if err != nil || r.State != probe.Unknown || r.Reason != probe.LocalError || !strings.Contains(r.Error, tt.want) ||
			strings.Contains(r.Error, "\n") {
			t.Errorf("%s: %s %s %q, %v; want %q", tt.e, r.State, r.Reason, r.Error, err, tt.want)
		}
	}
}

// The end of a context ends the wait, whenever it comes.
func TestCancel(t *testing.T) {
	t.Parallel()
	h := nettest.NewHost(t)
	h.Rule(t, "inet", nettest.Rule{Proto: "tcp", Port: 417, Do: nettest.Drop()})
	h.Rule(t, "inet", nettest.Rule{Proto: "udp", Port: 417, Do: nettest.Drop()})
	for _, en := range engines {
		for _, proto := range probe.Protos() {
			e := probe.Endpoint{Addr: h.Addr4, Port: 417, Proto: proto}
			o := probe.Options{Timeout: time.Hour, Resend: true}
			before, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := en.do(before, e, o); !errors.Is(err, context.Canceled) {
				t.Errorf("%s %s, cancelled before: %v", en.name, proto, err)
			}
			during, cancel := context.WithCancel(t.Context())
			timer := time.AfterFunc(20*time.Millisecond, cancel)
			if _, err := en.do(during, e, o); !errors.Is(err, context.Canceled) {
				t.Errorf("%s %s, cancelled during: %v", en.name, proto, err)
			}
			timer.Stop()
			late, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			if _, err := en.do(late, e, o); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s %s, out of time: %v", en.name, proto, err)
			}
			cancel()
		}
	}
}

// A datagram that got lost is sent again, if the caller wants that.
func TestResend(t *testing.T) {
	t.Parallel()
	nettest.Need(t)
	const last = "last"
	for _, en := range engines {
		for _, resend := range []bool{false, true} {
			c, err := net.ListenPacket("udp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan int)
			go func() {
				received := 0
				for b := make([]byte, 10); ; received++ {
					n, from, err := c.ReadFrom(b)
					if err != nil || string(b[:n]) == last {
						done <- received
						return
					}
					if received == 1 {
						c.WriteTo(nil, from) // an empty answer is an answer
					}
				}
			}()
			e := probe.Endpoint{Addr: loopback, Port: c.LocalAddr().(*net.UDPAddr).AddrPort().Port(), Proto: probe.UDP}
			timeout, want := 50*time.Millisecond, probe.OpenFiltered
			if resend {
				timeout, want = 2*time.Second, probe.Open
			}
			r, err := en.do(t.Context(), e, probe.Options{Timeout: timeout, Resend: resend, Evidence: true})
			if err != nil || r.State != want || r.Tries != 1 {
				t.Errorf("%s, resend %t: %s after %d tries, %v; want %s", en.name, resend, r.State, r.Tries, err, want)
			}
			if resend && !strings.Contains(evidence.Sentences(&r)[0], "second datagram") {
				t.Errorf("%s: evidence %+v does not mention the second datagram", en.name, r.Facts)
			}
			if _, err := c.WriteTo([]byte(last), c.LocalAddr()); err != nil {
				t.Fatal(err)
			}
			received := <-done // all that were sent before
			if c.Close(); received != 1 && !resend || received != 2 && resend {
				t.Errorf("%s, resend %t: %d datagrams sent", en.name, resend, received)
			}
		}
	}
}

// An accepted connection is the caller's: it may talk on it, and ends it as any other.
func TestAccepted(t *testing.T) {
	nettest.Need(t)
	for _, en := range engines {
		t.Run(en.name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			received := make(chan error, 1)
			nettest.Accept(t, l, func(c net.Conn) {
				b, err := io.ReadAll(c)
				if err == nil && string(b) != "hello" {
					err = fmt.Errorf("received %q", b)
				}
				received <- err
			})
			var conn net.Conn
			e := probe.Endpoint{Addr: loopback, Port: uint16(l.Addr().(*net.TCPAddr).Port), Proto: probe.TCP}
			r, err := en.do(t.Context(), e, probe.Options{Timeout: time.Minute, Evidence: true,
				Accepted: func(c net.Conn) { conn = c }})
			if err != nil || r.State != probe.Open || conn == nil {
				t.Fatalf("%+v, %v, %v", r, err, conn)
			}
			if _, err := conn.Write([]byte("hello")); err != nil {
				t.Error(err)
			}
			conn.Close()
			if err := <-received; err != nil {
				t.Errorf("the end of the connection: %v", err)
			}
		})
	}
}
