package trace

import (
	"errors"

	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/local/socket"
)

// TryBind binds a port, and for TCP listens, on every address of each family that
// a query is for and of both; each socket is closed at once. Where the port is in use,
// sockets are set up as servers do it, with SO_REUSEADDR.
func TryBind(q socket.Query, port probe.Port) BindTrials {
	trials := BindTrials{}
	if q.IPv4 {
		trials = append(trials, tryBind(IPv4, port))
	}
	if q.IPv6 {
		trials = append(trials, tryBind(IPv6, port))
	}
	if q.IPv4 && q.IPv6 {
		trials = append(trials, tryBind(Dual, port))
	}
	return trials
}

func tryBind(family BindFamily, port probe.Port) BindTrial {
	err := bind(family, port, false)
	t := BindTrial{Family: family, Err: err}
	t.InUse, t.Privileged = errors.Is(err, unix.EADDRINUSE), errors.Is(err, unix.EACCES)
	switch {
	case err == nil:
		t.Outcome = Bound
	case t.InUse && bind(family, port, true) == nil:
		t.Outcome = BoundShared
	case errors.Is(err, unix.EAFNOSUPPORT):
		t.Outcome = NoIPv6
	default:
		t.Outcome = NotBound
	}
	return t
}

// bind starts a server, and ends it.
func bind(family BindFamily, port probe.Port, reuse bool) error {
	domain, kind := unix.AF_INET6, unix.SOCK_STREAM
	var addr unix.Sockaddr = &unix.SockaddrInet6{Port: int(port.Number)}
	if family == IPv4 {
		domain, addr = unix.AF_INET, &unix.SockaddrInet4{Port: int(port.Number)}
	}
	if port.Proto == probe.UDP {
		kind = unix.SOCK_DGRAM
	}
	fd, err := unix.Socket(domain, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if reuse {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
			return err
		}
	}
	if family != IPv4 {
		only := 0
		if family == IPv6 {
			only = 1
		}
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only); err != nil {
			return err
		}
	}
	if err := unix.Bind(fd, addr); err != nil || port.Proto == probe.UDP {
		return err
	}
	return unix.Listen(fd, 1)
}
