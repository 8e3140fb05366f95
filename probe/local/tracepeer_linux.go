package local

import (
	"context"
	"errors"
	"net/netip"
	"onmux/probe/local/socket"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// backends finds the sockets at the other ends, and waits a little for them to
// be accepted. The error is the context's.
func backends(ctx context.Context, up []*line) error {
	ends := make(map[netip.AddrPort]*line, len(up))
	for _, l := range up {
		ends[netip.AddrPortFrom(l.local.Addr().WithZone(""), l.local.Port())] = l
	}
	see := func(s socket.Socket) {
		if l := ends[netip.AddrPortFrom(s.Peer.Addr().WithZone(""), s.Peer.Port())]; l != nil {
			l.backend, l.end = s.Local, s
			if a := s.Local.Addr(); a.Is6() && a.IsLinkLocalUnicast() { // the kernel tells no zone of it (RFC 4007)
				l.backend = netip.AddrPortFrom(a.WithZone(l.to.Addr().Zone()), s.Local.Port())
			}
		}
	}
	var err error
	end := time.Now().Add(tracePatience)
	for pause := time.Millisecond; ; pause *= 2 {
		err = peers(ctx, up, see)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		waiting := slices.ContainsFunc(up, func(l *line) bool { return l.end.Inode == 0 && l.backend.IsValid() && l.over() == "" })
		if err != nil || !waiting || time.Until(end) <= 0 {
			break
		}
		select {
		case <-time.After(min(pause, time.Until(end))):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	ports := make(map[uint16]bool)
	for _, l := range up {
		ports[l.backend.Port()] = true
	}
	var listen []socket.Socket
	if err == nil {
		err = socket.EachTCP(ctx, 0, socket.ListenStates, func(s socket.Socket) {
			if s.State == socket.Listening && ports[s.Local.Port()] && len(listen) < socket.MaxHolders {
				listen = append(listen, s)
			}
		})
	}
	for _, l := range up {
		l.conclude(listen, err)
	}
	return ctx.Err()
}

// conclude names the outcome of a connection that came about.
func (l *line) conclude(listen []socket.Socket, err error) {
	over := l.over()
	switch {
	case l.end.Inode != 0:
		l.outcome = Accepted
	case over != "":
		l.outcome = over
	case l.backend.IsValid():
		l.outcome = Waiting
	case err != nil:
		l.err = err
	default:
		l.outcome = Outside
	}
	for _, s := range listen {
		a := s.Local.Addr()
		if s.Local.Port() == l.backend.Port() && (a.IsUnspecified() || a.WithZone("") == l.backend.Addr().WithZone("")) && (l.backend.Addr().Is6() || s.Family != "ipv6") {
			l.behind = append(l.behind, s)
		}
	}
}

// over tells how the other side ended the connection, "" if it did not. The
// kernel tells a reset once.
func (l *line) over() Outcome {
	if l.ended != "" {
		return l.ended
	}
	var b [1]byte
	n, _, err := unix.Recvfrom(l.fd, b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	switch {
	case err == nil && n == 0:
		l.ended = Closed
	case errors.Is(err, unix.ECONNRESET):
		l.ended = Reset
	}
	return l.ended
}

// peers tells the sockets at the other ends, and perhaps more. For many the
// kernel lists all sockets; it may leave out some while others come and go, so
// those that are missing are asked for one by one.
func peers(ctx context.Context, up []*line, see func(socket.Socket)) error {
	if len(up) > socket.ManyPorts {
		if err := socket.EachTCP(ctx, 0, socket.ConnectedStates, see); err != nil {
			return err
		}
	}
	for _, l := range up {
		if len(up) > socket.ManyPorts && l.backend.IsValid() {
			continue
		}
		if err := socket.EachTCP(ctx, l.local.Port(), socket.ConnectedStates, see); err != nil {
			return err
		}
	}
	return nil
}
