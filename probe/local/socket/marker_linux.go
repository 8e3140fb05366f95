package socket

import (
	"context"

	"golang.org/x/sys/unix"

	"onmux/probe"
)

// canary is a socket of our own, bound to an ephemeral port of loopback, by
// which one finds out if this kernel tells sockets that are bound and do not
// listen: the release would not do, because distributions carry the change to
// older ones. Those sockets are not filtered by port, so that a dump of any port
// has it; and nobody is told of it.
type marker struct {
	inode uint64
	port  uint16
	found bool // it was among what the kernel told
}

// open makes the socket, and returns what closes it. Without it, nothing is
// heard.
func (c *marker) open() func() {
	*c = marker{found: c.found}
	fd, err := newMarker(c)
	if err != nil {
		return func() {}
	}
	return func() { unix.Close(fd) }
}

func newMarker(c *marker) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	var st unix.Stat_t
	var name unix.Sockaddr
	if err = unix.Fstat(fd, &st); err == nil {
		if err = unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err == nil {
			name, err = unix.Getsockname(fd)
		}
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	c.inode, c.port = st.Ino, uint16(name.(*unix.SockaddrInet4).Port)
	return fd, nil
}

// is reports whether a socket is the canary, which is then heard.
func (c *marker) matches(s Socket) bool {
	if c.inode == 0 || s.Inode != c.inode || s.State != Bound {
		return false
	}
	c.found = true
	return true
}

// reportsBound reports whether this kernel reports sockets that are bound and do not
// listen. Where no dump so far had the canary, one is made for it.
func (d *Diag) reportsBound(ctx context.Context) (bool, error) {
	if d.marker.found {
		return true, nil
	}
	var c marker
	fd, err := newMarker(&c)
	if err != nil {
		return false, err
	}
	defer unix.Close(fd)
	err = d.dump(ctx, probe.TCP, unix.AF_INET, c.port, 1<<tcpBound, nil, func(s Socket) { c.matches(s) })
	return c.found, err
}
