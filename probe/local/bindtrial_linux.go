package local

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/local/socket"
)

// trial is one socket that was bound to a port at no address in particular, and
// closed at once.
type trial struct {
	where string // "0.0.0.0:417"
	came  string // "worked", or how it was refused
	err   error  // of a socket that does not share
}

// tell puts trials that came out alike into one sentence.
func tell(trials []trial) []string {
	var order []string
	where := make(map[string][]string)
	for _, t := range trials {
		if where[t.came] == nil {
			order = append(order, t.came)
		}
		where[t.came] = append(where[t.came], t.where)
	}
	var said []string
	for _, came := range order {
		said = append(said, fmt.Sprintf("binding %s %s", strings.Join(where[came], ", "), came))
	}
	return said
}

// try binds the port, and for TCP listens, on every address of each family that
// was asked for and of both; each socket is closed at once. Sockets of TCP are
// set up as servers do it, with SO_REUSEADDR.
func (s settings) try(q socket.Query, port probe.Port) tried {
	var trials []trial
	at := func(family int, only6 bool, where string) {
		came, err := s.came(family, only6, port)
		trials = append(trials, trial{where, came, err})
	}
	if q.IPv4 {
		at(unix.AF_INET, false, fmt.Sprintf("0.0.0.0:%d", port.Number))
	}
	if q.IPv6 {
		at(unix.AF_INET6, true, fmt.Sprintf("[::]:%d", port.Number))
	}
	if q.IPv4 && q.IPv6 {
		at(unix.AF_INET6, false, fmt.Sprintf("[::]:%d with IPv4", port.Number))
	}
	out := tried{said: tell(trials)}
	out.used = slices.ContainsFunc(trials, func(t trial) bool { return errors.Is(t.err, unix.EADDRINUSE) })
	out.free = !slices.ContainsFunc(trials, func(t trial) bool { return t.err != nil && !errors.Is(t.err, unix.EAFNOSUPPORT) })
	return out
}

// came is how binding came out, in words and of a socket that does not share.
func (s settings) came(family int, only6 bool, port probe.Port) (string, error) {
	plain := bindOnce(family, only6, port, false)
	if plain == nil {
		return "worked", nil
	}
	if errors.Is(plain, unix.EADDRINUSE) && bindOnce(family, only6, port, true) == nil {
		if port.Proto == probe.UDP {
			return "worked only with SO_REUSEADDR, which shares it", plain
		}
		return "worked only with SO_REUSEADDR, which most servers set", plain
	}
	switch {
	case errors.Is(plain, unix.EAFNOSUPPORT):
		return "was refused: this machine has no IPv6", plain
	case errors.Is(plain, unix.EACCES) && s.UnprivilegedFrom != nil && int(port.Number) < *s.UnprivilegedFrom:
		return fmt.Sprintf("was refused: %v (port below net.ipv4.ip_unprivileged_port_start %d)", plain, *s.UnprivilegedFrom), plain
	}
	return fmt.Sprintf("was refused: %v", plain), plain
}

// bindOnce is a server's start, and its end.
func bindOnce(family int, only6 bool, port probe.Port, reuse bool) error {
	kind := unix.SOCK_STREAM
	if port.Proto == probe.UDP {
		kind = unix.SOCK_DGRAM
	}
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if reuse {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
			return err
		}
	}
	var addr unix.Sockaddr = &unix.SockaddrInet4{Port: int(port.Number)}
	if family == unix.AF_INET6 {
		only := 0
		if only6 {
			only = 1
		}
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only); err != nil {
			return err
		}
		addr = &unix.SockaddrInet6{Port: int(port.Number)}
	}
	if err := unix.Bind(fd, addr); err != nil || port.Proto == probe.UDP {
		return err
	}
	return unix.Listen(fd, 1)
}
