package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/local/socket"
)

// line is one connection of a trace.
type line struct {
	*attempt
	fd    int // -1 when it is closed
	local netip.AddrPort
	ended Outcome // how the other side ended it, "" if it did not
}

// trace connects to the ports, each address once, and finds the sockets that
// answer: those whose peer is our end. All that is sent is what the kernel sends
// to open and to close a connection. The error is the context's.
func (v view) trace(ctx context.Context, q socket.Query, ports []probe.Port) (tracing, error) {
	t := tracing{asked: true, of: make(map[probe.Port][]*attempt), ours: make(map[uint16]bool)}
	own := socket.OwnAddrs()
	var all []*line
	left := 0
	for _, p := range slices.CompactFunc(slices.Clone(ports), func(a, b probe.Port) bool { return a == b }) {
		if p.Proto != probe.TCP || t.of[p] != nil {
			continue
		}
		for _, a := range aims(q, p, listenersOf(v.Table[p]), own) {
			if len(all) == maxTraced {
				left++
				continue
			}
			all = append(all, &line{attempt: &a, fd: -1})
			t.of[p] = append(t.of[p], &a)
		}
	}
	t.cover(q, len(all), left)
	for batch := range slices.Chunk(all, traceBatch) {
		err := v.traceBatch(ctx, batch)
		if len(all) > traceBatch || err != nil {
			hangUp(batch) // the owners are then those of the listeners
		}
		if err != nil {
			return tracing{}, err
		}
	}
	for _, l := range all {
		t.ours[l.local.Port()] = true
	}
	t.close = func() { hangUp(all) }
	return t, nil
}

func (t *tracing) cover(q socket.Query, made, left int) {
	if made > 0 {
		t.coverage = append(t.coverage, fmt.Sprintf("traced by %s from this machine, which NAT rules for what comes from outside do not touch", count(made, "TCP connection", "TCP connections")))
	}
	if left > 0 {
		t.coverage = append(t.coverage, fmt.Sprintf("not traced: %d of %d addresses; %d is the most", left, made+left, maxTraced))
	}
	if len(q.Ports[probe.UDP]) > 0 {
		t.coverage = append(t.coverage, "UDP: not traced, because nothing answers a connection there")
	}
}

// traceBatch makes some connections and finds their other ends. The error is the
// context's.
func (v view) traceBatch(ctx context.Context, batch []*line) error {
	for _, l := range batch {
		if l.outcome = Failed; l.err == nil {
			l.dial()
		}
	}
	if err := await(ctx, batch, traceTimeout, func(l *line) bool { return l.outcome != "" || l.settle() }); err != nil {
		return err
	}
	var up []*line
	for _, l := range batch {
		switch l.outcome {
		case "":
			l.outcome = Silent
		case Answered:
			up = append(up, l)
			continue
		}
		l.hangUp() // its port is then free to be bound
	}
	if len(up) == 0 {
		return nil
	}
	return backends(ctx, up)
}

// dial begins to connect.
func (l *line) dial() {
	family, addr := sockaddr(l.to)
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		l.err = err
		return
	}
	l.fd = fd
	// An ICMP error is then told apart from a reset (ip(7)).
	if family == unix.AF_INET {
		unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_RECVERR, 1)
	} else {
		unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_RECVERR, 1)
	}
	// A port of our own: the kernel gives two connections to different places the
	// same one, and their other ends could not be told apart.
	_, from := sockaddr(netip.AddrPortFrom(l.to.Addr(), 0))
	if err := unix.Bind(fd, from); err != nil {
		l.err = err
		return
	}
	switch err := unix.Connect(fd, addr); {
	case err == nil, errors.Is(err, unix.EINPROGRESS):
		l.outcome, l.err = "", nil
	default:
		l.judge(err)
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

// settle learns how a connection that is ready went.
func (l *line) settle() bool {
	code, err := unix.GetsockoptInt(l.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = unix.Errno(code)
	}
	if err != nil {
		l.judge(err)
		return true
	}
	if _, err := unix.Getpeername(l.fd); err != nil {
		return false // not yet
	}
	l.local, err = name(l.fd)
	switch {
	case err != nil:
		l.outcome, l.err = Failed, err
	case l.local.Addr() == l.to.Addr() && l.local.Port() == l.to.Port():
		l.outcome = Refused // nobody was there, and the kernel gave us the port to connect from: we met ourselves
	default:
		l.outcome, l.err = Answered, nil
	}
	return true
}

func (l *line) judge(err error) {
	switch icmp := l.icmp(); {
	case icmp:
		l.outcome, l.err = Rejected, err
	case errors.Is(err, unix.ECONNREFUSED):
		l.outcome = Refused
	case errors.Is(err, unix.ECONNRESET):
		l.outcome = Reset
	case errors.Is(err, unix.ETIMEDOUT):
		l.outcome = Silent
	default:
		l.outcome, l.err = Failed, err
	}
}

// icmp reports whether an ICMP error came for the connection.
func (l *line) icmp() bool {
	oob := make([]byte, 512)
	_, n, _, _, err := unix.Recvmsg(l.fd, nil, oob, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
	if err != nil {
		return false
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	return err == nil && slices.ContainsFunc(messages, func(m unix.SocketControlMessage) bool {
		// struct sock_extended_err (linux/errqueue.h): errno, then the origin.
		return len(m.Data) > 4 && (m.Data[4] == unix.SO_EE_ORIGIN_ICMP || m.Data[4] == unix.SO_EE_ORIGIN_ICMP6)
	})
}

func name(fd int) (netip.AddrPort, error) {
	s, err := unix.Getsockname(fd)
	switch s := s.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(s.Addr), uint16(s.Port)), err
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(s.Addr).Unmap(), uint16(s.Port)), err
	}
	return netip.AddrPort{}, err
}

// await polls connections until all are done, or the time has passed. The error
// is the context's.
func await(ctx context.Context, all []*line, most time.Duration, done func(*line) bool) error {
	for end := time.Now().Add(most); ; {
		var fds []unix.PollFd
		var pending []*line
		for _, l := range all {
			if l.fd >= 0 && l.outcome == "" {
				fds = append(fds, unix.PollFd{Fd: int32(l.fd), Events: unix.POLLOUT})
				pending = append(pending, l)
			}
		}
		left := time.Until(end)
		if len(fds) == 0 || left <= 0 {
			return ctx.Err()
		}
		if _, err := unix.Poll(fds, int(min(left, 50*time.Millisecond).Milliseconds())+1); err != nil && !errors.Is(err, unix.EINTR) {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		for i, l := range pending {
			if fds[i].Revents != 0 {
				done(l)
			}
		}
	}
}

// hangUp closes connections: our end first, and what the other side still says
// is let go by, for a moment, so that it is not answered by a reset.
func hangUp(all []*line) {
	const moment = 100 * time.Millisecond
	var open []*line
	for _, l := range all {
		if l.fd >= 0 && l.attempt.answered() && unix.Shutdown(l.fd, unix.SHUT_WR) == nil {
			open = append(open, l)
		}
	}
	buf := make([]byte, 4<<10)
	for end := time.Now().Add(moment); len(open) > 0 && time.Until(end) > 0; {
		fds := make([]unix.PollFd, len(open))
		for i, l := range open {
			fds[i] = unix.PollFd{Fd: int32(l.fd), Events: unix.POLLIN}
		}
		if _, err := unix.Poll(fds, int(time.Until(end).Milliseconds())+1); err != nil && !errors.Is(err, unix.EINTR) {
			break
		}
		open = slices.DeleteFunc(open, func(l *line) bool {
			n, _, err := unix.Recvfrom(l.fd, buf, unix.MSG_DONTWAIT)
			return err == nil && n == 0 || err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR)
		})
	}
	for _, l := range all {
		l.hangUp()
	}
}

func (l *line) hangUp() {
	if l.fd >= 0 {
		unix.Close(l.fd)
		l.fd = -1
	}
}
