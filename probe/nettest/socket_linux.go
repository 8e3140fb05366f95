package nettest

import (
	"net/netip"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// Step sets up a raw socket of a test.
type Step func(fd int) error

// Socket is a raw socket of a test.
type Socket struct {
	FD    int
	close sync.Once
}

// Close closes the descriptor, unless that is done: its number may be another test's by then.
func (s *Socket) Close() { s.close.Do(func() { unix.Close(s.FD) }) }

// Open makes a socket and takes the steps with it. It is closed when the test ends, at the latest.
// The net package has no way to bind without listening.
func Open(t testing.TB, domain, kind int, steps ...Step) *Socket {
	t.Helper()
	fd, err := open(domain, kind, steps)
	if err != nil {
		t.Fatal("nettest: open a socket:", err)
	}
	s := &Socket{FD: fd}
	t.Cleanup(s.Close)
	return s
}

// OpenIn is Open in the network namespace behind a file.
func OpenIn(t testing.TB, namespace string, domain, kind int, steps ...Step) {
	t.Helper()
	fd, err := -1, error(nil)
	OnThread(func() {
		if err = Enter(namespace); err == nil {
			fd, err = open(domain, kind, steps)
		}
	})
	if err != nil {
		t.Fatal("nettest: open a socket in a namespace:", err)
	}
	t.Cleanup(func() { unix.Close(fd) })
}

func open(domain, kind int, steps []Step) (int, error) {
	fd, err := unix.Socket(domain, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	for _, step := range steps {
		if err := step(fd); err != nil {
			unix.Close(fd)
			return -1, err
		}
	}
	return fd, nil
}

// Option switches an option of the socket on.
func Option(level, option int) Step {
	return func(fd int) error { return unix.SetsockoptInt(fd, level, option, 1) }
}

// Bind binds the socket to an address, which is one of IPv6 if the socket is.
func Bind(addr string, port uint16) Step {
	a := netip.MustParseAddr(addr)
	return func(fd int) error {
		if a.Is4() {
			return unix.Bind(fd, &unix.SockaddrInet4{Addr: a.As4(), Port: int(port)})
		}
		return unix.Bind(fd, &unix.SockaddrInet6{Addr: a.As16(), Port: int(port)})
	}
}

// Listen makes the socket listen, with a backlog.
func Listen(backlog int) Step { return func(fd int) error { return unix.Listen(fd, backlog) } }

// Connect connects the socket to a port of 127.0.0.1.
func Connect(port uint16) Step {
	return func(fd int) error {
		return unix.Connect(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: int(port)})
	}
}
