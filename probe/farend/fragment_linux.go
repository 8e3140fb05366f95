package farend

import (
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// dontFragment makes the socket send packets that must not be fragmented, whatever the kernel
// knows of the path, and returns the MTU in bytes that it knows (ip(7), IP_MTU_DISCOVER and IP_MTU).
func dontFragment(c net.Conn) (mtu int, err error) {
	return setFragmentation(c, unix.IP_PMTUDISC_PROBE, unix.IPV6_PMTUDISC_PROBE)
}

func setFragmentation(c any, v4, v6 int) (mtu int, err error) {
	s, ok := c.(syscall.Conn)
	if !ok {
		return 0, errors.ErrUnsupported
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return 0, err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		domain, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DOMAIN)
		if err != nil {
			failed = err
			return
		}
		level, option, value, known := unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, v4, unix.IP_MTU
		if domain == unix.AF_INET6 {
			level, option, value, known = unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, v6, unix.IPV6_MTU
		}
		failed = unix.SetsockoptInt(int(fd), level, option, value)
		mtu, _ = unix.GetsockoptInt(int(fd), level, known) // of a connected socket only
	})
	return mtu, errors.Join(err, failed)
}

// WholeAnswers makes a socket send packets that must not be fragmented while do runs.
func WholeAnswers(c *net.UDPConn, do func() error) error {
	if _, err := setFragmentation(c, unix.IP_PMTUDISC_PROBE, unix.IPV6_PMTUDISC_PROBE); err != nil {
		return err
	}
	err := do()
	_, reset := setFragmentation(c, unix.IP_PMTUDISC_DONT, unix.IPV6_PMTUDISC_DONT)
	return errors.Join(err, reset)
}

func isTooLong(err error) bool { return errors.Is(err, unix.EMSGSIZE) }
