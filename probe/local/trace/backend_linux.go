package trace

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"onmux/probe/local/socket"
)

// findBackends finds the sockets at the other ends, and waits a little for them to
// be accepted. The error is the context's.
func findBackends(ctx context.Context, open []*connection) error {
	err := waitForAccept(ctx, open)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	ports := make(map[uint16]bool)
	for _, c := range open {
		ports[c.Backend.Port()] = true
	}
	var listeners []socket.Socket
	if err == nil {
		err = socket.EachTCP(ctx, 0, socket.ListenStates, func(s socket.Socket) {
			if s.State == socket.Listening && ports[s.Local.Port()] && len(listeners) < socket.MaxHolders {
				listeners = append(listeners, s)
			}
		})
	}
	for _, c := range open {
		c.conclude(listeners, err)
	}
	return ctx.Err()
}

// waitForAccept looks up the other ends until applications have accepted them all, or
// for acceptTimeout.
func waitForAccept(ctx context.Context, open []*connection) error {
	byPeer := make(map[netip.AddrPort]*connection, len(open))
	for _, c := range open {
		byPeer[netip.AddrPortFrom(c.local.Addr().WithZone(""), c.local.Port())] = c
	}
	see := func(s socket.Socket) {
		if c := byPeer[netip.AddrPortFrom(s.Peer.Addr().WithZone(""), s.Peer.Port())]; c != nil {
			c.Backend, c.End = s.Local, s
			if a := s.Local.Addr(); a.Is6() && a.IsLinkLocalUnicast() { // the kernel has no zone for it (RFC 4007)
				c.Backend = netip.AddrPortFrom(a.WithZone(c.To.Addr().Zone()), s.Local.Port())
			}
		}
	}
	waiting := func(c *connection) bool { return c.End.Inode == 0 && c.Backend.IsValid() && c.end() == "" }
	end := time.Now().Add(acceptTimeout)
	for pause := time.Millisecond; ; pause *= 2 {
		err := eachPeer(ctx, open, see)
		if err != nil || !slices.ContainsFunc(open, waiting) || time.Until(end) <= 0 {
			return err
		}
		select {
		case <-time.After(min(pause, time.Until(end))):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// conclude sets the outcome of a connection that came about.
func (c *connection) conclude(listeners []socket.Socket, err error) {
	ended := c.end()
	switch {
	case c.End.Inode != 0:
		c.Outcome = Accepted
	case ended != "":
		c.Outcome = ended
	case c.Backend.IsValid():
		c.Outcome = Waiting
	case err != nil:
		c.Err = err
	default:
		c.Outcome = Outside
	}
	for _, s := range listeners {
		if a := s.Local.Addr(); s.Local.Port() == c.Backend.Port() &&
			(a.IsUnspecified() || a.WithZone("") == c.Backend.Addr().WithZone("")) &&
			(c.Backend.Addr().Is6() || s.Family != "ipv6") {
			c.Listeners = append(c.Listeners, s)
		}
	}
	c.Steered = err == nil && c.Backend.IsValid() && len(c.Listeners) == 0 && !c.Listening
}

// end is how the other side ended the connection, "" if it did not. The kernel
// reports a reset once.
func (c *connection) end() Outcome {
	if c.ended != "" {
		return c.ended
	}
	var b [1]byte
	n, _, err := unix.Recvfrom(c.fd, b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	switch {
	case err == nil && n == 0:
		c.ended = Closed
	case errors.Is(err, unix.ECONNRESET):
		c.ended = Reset
	}
	return c.ended
}

// eachPeer calls see with the sockets at the other ends, and perhaps with more. For
// many connections the kernel lists all sockets; it may leave out some while others
// come and go, so those that are missing are asked for one by one.
func eachPeer(ctx context.Context, open []*connection, see func(socket.Socket)) error {
	many := len(open) > socket.ManyPorts
	if many {
		if err := socket.EachTCP(ctx, 0, socket.ConnectedStates, see); err != nil {
			return err
		}
	}
	for _, c := range open {
		if many && c.Backend.IsValid() {
			continue
		}
		if err := socket.EachTCP(ctx, c.local.Port(), socket.ConnectedStates, see); err != nil {
			return err
		}
	}
	return nil
}
