package trace

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/local/socket"
)

// Bounds of a trace.
const (
	acceptTimeout = 250 * time.Millisecond // for the application to accept what the kernel has
	batchSize     = 128                    // connections at a time
	pollInterval  = 50 * time.Millisecond
)

// connection is an Attempt with its socket.
type connection struct {
	*Attempt
	fd    int // -1 when it is closed
	local netip.AddrPort
	ended Outcome // how the other side ended it, "" if it did not
}

// Connect connects to the TCP ports among some, each address once, and finds the
// sockets that answer: those whose peer is our end. All that is sent is what the
// kernel sends to open and to close a connection. The result must be closed. The error
// is the context's.
func Connect(ctx context.Context, q socket.Query, seen socket.Table, ports []probe.Port) (Result, error) {
	r := Result{Attempts: make(map[probe.Port][]*Attempt), OwnPorts: make(map[uint16]bool)}
	own := socket.OwnAddrs()
	var all []*connection
	for _, p := range ports {
		if p.Proto != probe.TCP || r.Attempts[p] != nil {
			continue
		}
		for _, a := range targets(q, p, listening(seen[p]), own) {
			if len(all) == MaxAttempts {
				r.Left++
				continue
			}
			all = append(all, &connection{Attempt: &a, fd: -1})
			r.Attempts[p] = append(r.Attempts[p], &a)
		}
	}
	r.Made = len(all)
	for batch := range slices.Chunk(all, batchSize) {
		err := connectBatch(ctx, batch)
		if len(all) > batchSize || err != nil {
			closeAll(batch) // the owners are then those of the listeners
		}
		if err != nil {
			return Result{}, err
		}
	}
	for _, c := range all {
		r.OwnPorts[c.local.Port()] = true
	}
	r.close = func() { closeAll(all) }
	return r, nil
}

// connectBatch makes some connections and finds their other ends. The error is the
// context's.
func connectBatch(ctx context.Context, batch []*connection) error {
	for _, c := range batch {
		if c.Outcome = Failed; c.Err == nil {
			c.dial()
		}
	}
	if err := await(ctx, batch, ConnectTimeout); err != nil {
		return err
	}
	var open []*connection
	for _, c := range batch {
		switch c.Outcome {
		case "":
			c.Outcome = Silent
		case Answered:
			open = append(open, c)
			continue
		}
		c.close() // its port can then be bound
	}
	if len(open) == 0 {
		return nil
	}
	return findBackends(ctx, open)
}

// dial begins to connect.
func (c *connection) dial() {
	family, addr := sockaddr(c.To)
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		c.Err = err
		return
	}
	c.fd = fd
	// An ICMP error can then be distinguished from a reset (ip(7)).
	if family == unix.AF_INET {
		unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_RECVERR, 1)
	} else {
		unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_RECVERR, 1)
	}
	// The kernel gives two connections to different places the same local port, and
	// their other ends could then not be distinguished: each is bound to one of its own.
	_, from := sockaddr(netip.AddrPortFrom(c.To.Addr(), 0))
	if err := unix.Bind(fd, from); err != nil {
		c.Err = err
		return
	}
	switch err := unix.Connect(fd, addr); {
	case err == nil, errors.Is(err, unix.EINPROGRESS):
		c.Outcome, c.Err = "", nil
	default:
		c.fail(err)
	}
}

func sockaddr(a netip.AddrPort) (int, unix.Sockaddr) {
	if a.Addr().Is4() {
		return unix.AF_INET, &unix.SockaddrInet4{Addr: a.Addr().As4(), Port: int(a.Port())}
	}
	s := &unix.SockaddrInet6{Addr: a.Addr().As16(), Port: int(a.Port())}
	if zone := a.Addr().Zone(); zone != "" {
		if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
			s.ZoneId = uint32(n)
		} else if i, err := net.InterfaceByName(zone); err == nil {
			s.ZoneId = uint32(i.Index)
		}
	}
	return unix.AF_INET6, s
}

// complete reads the outcome of a connection on which poll(2) reported something.
func (c *connection) complete() {
	code, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = unix.Errno(code)
	}
	if err != nil {
		c.fail(err)
		return
	}
	if _, err := unix.Getpeername(c.fd); err != nil {
		return // not yet
	}
	c.local, err = localAddr(c.fd)
	switch {
	case err != nil:
		c.Outcome, c.Err = Failed, err
	case c.local.Addr() == c.To.Addr() && c.local.Port() == c.To.Port():
		// Nobody listened, and the kernel gave us the port to connect from: we are connected
		// to ourselves.
		c.Outcome = Refused
	default:
		c.Outcome, c.Err = Answered, nil
	}
}

// fail takes the outcome from the error of connect(2).
func (c *connection) fail(err error) {
	switch icmp := c.hasICMPError(); {
	case icmp:
		c.Outcome, c.Err = Rejected, err
	case errors.Is(err, unix.ECONNREFUSED):
		c.Outcome = Refused
	case errors.Is(err, unix.ECONNRESET):
		c.Outcome = Reset
	case errors.Is(err, unix.ETIMEDOUT):
		c.Outcome = Silent
	default:
		c.Outcome, c.Err = Failed, err
	}
}

// hasICMPError reports whether an ICMP error came for the connection.
func (c *connection) hasICMPError() bool {
	oob := make([]byte, 512)
	_, n, _, _, err := unix.Recvmsg(c.fd, nil, oob, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
	if err != nil {
		return false
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	return err == nil && slices.ContainsFunc(messages, func(m unix.SocketControlMessage) bool {
		// struct sock_extended_err (linux/errqueue.h): errno, then the origin.
		return len(m.Data) > 4 && (m.Data[4] == unix.SO_EE_ORIGIN_ICMP || m.Data[4] == unix.SO_EE_ORIGIN_ICMP6)
	})
}

// localAddr is the address of a socket.
func localAddr(fd int) (netip.AddrPort, error) {
	s, err := unix.Getsockname(fd)
	switch s := s.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(s.Addr), uint16(s.Port)), err
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(s.Addr).Unmap(), uint16(s.Port)), err
	}
	return netip.AddrPort{}, err
}

// await polls connections until all have an outcome, or the time has passed. The
// error is the context's.
func await(ctx context.Context, all []*connection, timeout time.Duration) error {
	for end := time.Now().Add(timeout); ; {
		var fds []unix.PollFd
		var pending []*connection
		for _, c := range all {
			if c.fd >= 0 && c.Outcome == "" {
				fds = append(fds, unix.PollFd{Fd: int32(c.fd), Events: unix.POLLOUT})
				pending = append(pending, c)
			}
		}
		left := time.Until(end)
		if len(fds) == 0 || left <= 0 {
			return ctx.Err()
		}
		wait := int(min(left, pollInterval).Milliseconds()) + 1
		if _, err := unix.Poll(fds, wait); err != nil && !errors.Is(err, unix.EINTR) {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		for i, c := range pending {
			if fds[i].Revents != 0 {
				c.complete()
			}
		}
	}
}

// closeAll closes connections: our end first. What the other side still sends is
// read for a moment, so that it is not answered by a reset.
func closeAll(all []*connection) {
	const moment = 100 * time.Millisecond
	var open []*connection
	for _, c := range all {
		if c.fd >= 0 && c.Attempt.Answered() && unix.Shutdown(c.fd, unix.SHUT_WR) == nil {
			open = append(open, c)
		}
	}
	buf := make([]byte, 4<<10)
	for end := time.Now().Add(moment); len(open) > 0 && time.Until(end) > 0; {
		fds := make([]unix.PollFd, len(open))
		for i, c := range open {
			fds[i] = unix.PollFd{Fd: int32(c.fd), Events: unix.POLLIN}
		}
		wait := int(time.Until(end).Milliseconds()) + 1
		if _, err := unix.Poll(fds, wait); err != nil && !errors.Is(err, unix.EINTR) {
			break
		}
		open = slices.DeleteFunc(open, func(c *connection) bool {
			n, _, err := unix.Recvfrom(c.fd, buf, unix.MSG_DONTWAIT)
			return err == nil && n == 0 || err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR)
		})
	}
	for _, c := range all {
		c.close()
	}
}

func (c *connection) close() {
	if c.fd >= 0 {
		unix.Close(c.fd)
		c.fd = -1
	}
}
