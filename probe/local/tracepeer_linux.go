package local

import (
	"context"
	"errors"
	"net/netip"
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
	see := func(s socket) {
		if l := ends[netip.AddrPortFrom(s.peer.Addr().WithZone(""), s.peer.Port())]; l != nil {
			l.backend, l.end = s.local, s
			if a := s.local.Addr(); a.Is6() && a.IsLinkLocalUnicast() { // the kernel tells no zone of it (RFC 4007)
				l.backend = netip.AddrPortFrom(a.WithZone(l.to.Addr().Zone()), s.local.Port())
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
		waiting := slices.ContainsFunc(up, func(l *line) bool { return l.end.inode == 0 && l.backend.IsValid() && l.over() == "" })
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
	var listen []socket
	if err == nil {
		err = eachTCP(ctx, 0, ListenStates, func(s socket) {
			if s.state == listening && ports[s.local.Port()] && len(listen) < maxHolders {
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
func (l *line) conclude(listen []socket, err error) {
	over := l.over()
	switch {
	case l.end.inode != 0:
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
		a := s.local.Addr()
		if s.local.Port() == l.backend.Port() && (a.IsUnspecified() || a.WithZone("") == l.backend.Addr().WithZone("")) && (l.backend.Addr().Is6() || s.family != "ipv6") {
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
func peers(ctx context.Context, up []*line, see func(socket)) error {
	if len(up) > manyPorts {
		if err := eachTCP(ctx, 0, ConnectedStates, see); err != nil {
			return err
		}
	}
	for _, l := range up {
		if len(up) > manyPorts && l.backend.IsValid() {
			continue
		}
		if err := eachTCP(ctx, l.local.Port(), ConnectedStates, see); err != nil {
			return err
		}
	}
	return nil
}
