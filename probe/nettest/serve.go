package nettest

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"
)

// pollInterval is the pause between two looks at something that takes a while.
const pollInterval = 5 * time.Millisecond

// Eventually waits until a condition holds, and fails the test if it does not
// within 20 s.
func Eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(pollInterval) {
		if time.Now().After(deadline) {
			t.Fatalf("nettest: waited 20 s until %s", what)
		}
	}
}

// NewReadyHost is a NewHost that answers: a link takes up to a second to come
// up, and IPv6 until then.
func NewReadyHost(t testing.TB) *Host {
	t.Helper()
	h := NewHost(t)
	for _, a := range []netip.Addr{h.Addr4, h.Addr6} {
		Eventually(t, a.String()+" answers", func() bool {
			_, err := net.DialTimeout("tcp", netip.AddrPortFrom(a, 9).String(), time.Second)
			return errors.Is(err, syscall.ECONNREFUSED)
		})
	}
	return h
}

// Serve listens on an address of the test's namespace over TCP and UDP until the
// test ends. It closes connections, and answers datagrams with "here".
func Serve(t testing.TB, at netip.AddrPort) {
	t.Helper()
	serve(t, at, func(listen func() error) error { return listen() })
}

// Serve does the same on ports of both of the host's addresses.
func (h *Host) Serve(t testing.TB, ports ...uint16) {
	t.Helper()
	for _, a := range []netip.Addr{h.Addr4, h.Addr6} {
		for _, port := range ports {
			serve(t, netip.AddrPortFrom(a, port), h.Do)
		}
	}
}

func serve(t testing.TB, at netip.AddrPort, do func(func() error) error) {
	t.Helper()
	var l *net.TCPListener
	var u *net.UDPConn
	err := do(func() (err error) {
		if l, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at)); err != nil {
			return err
		}
		if u, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(at)); err != nil {
			l.Close()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	Accept(t, l, func(net.Conn) {})
	Receive(t, u, func(_ []byte, from net.Addr) { u.WriteTo([]byte("here"), from) })
}

// Accept serves each connection in a goroutine of its own, and then closes it. When the
// test ends, it closes the listener and what is left, and waits for serve to return.
func Accept(t testing.TB, l net.Listener, serve func(net.Conn)) {
	var all sync.WaitGroup
	var mu sync.Mutex
	open := make(map[net.Conn]bool)
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[c] = true
			mu.Unlock()
			all.Go(func() {
				serve(c)
				mu.Lock()
				defer mu.Unlock()
				delete(open, c)
				c.Close()
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for c := range open {
			c.Close()
		}
		mu.Unlock()
		all.Wait()
	})
}

// Receive calls f for each datagram until the test ends, when it closes the socket.
func Receive(t testing.TB, c net.PacketConn, f func(b []byte, from net.Addr)) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 2048)
		for {
			n, from, err := c.ReadFrom(b)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil { // else an ICMP error about a datagram of ours
				f(b[:n], from)
			}
		}
	}()
	t.Cleanup(func() { c.Close(); <-done })
}
