package socket

import (
	"context"

	"golang.org/x/sys/unix"

	"onmux/probe"
)

// marker is a socket of our own, bound to an ephemeral port of loopback, which
// shows whether this kernel lists sockets that are bound and do not listen: the
// kernel's release does not, because distributions backport the change. Those
// sockets are not filtered by port, so that a dump of any port has the marker; it
// is left out of what is reported.
type marker struct {
	inode uint64
	port  uint16
	found bool // a dump had it
}

// open makes the socket, and returns a function that closes it. Without a socket
// nothing matches.
func (m *marker) open() func() {
	*m = marker{found: m.found}
	fd, err := newMarker(m)
	if err != nil {
		return func() {}
	}
	return func() { unix.Close(fd) }
}

func newMarker(m *marker) (int, error) {
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
	m.inode, m.port = st.Ino, uint16(name.(*unix.SockaddrInet4).Port)
	return fd, nil
}

// matches reports whether a socket is the marker, which is then found.
func (m *marker) matches(s Socket) bool {
	if m.inode == 0 || s.Inode != m.inode || s.State != Bound {
		return false
	}
	m.found = true
	return true
}

// listsBound reports whether this kernel lists sockets that are bound and do not
// listen. Where no dump so far had the marker, one is made for it.
func (d *Diag) listsBound(ctx context.Context) (bool, error) {
	if d.marker.found {
		return true, nil
	}
	var m marker
	fd, err := newMarker(&m)
	if err != nil {
		return false, err
	}
	defer unix.Close(fd)
	ask := dumpRequest{proto: probe.TCP, family: unix.AF_INET, port: m.port, states: 1 << tcpBound}
	err = d.dump(ctx, ask, nil, func(s Socket) { m.matches(s) })
	return m.found, err
}
