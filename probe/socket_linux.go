package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// errRetry means that the outcome of a socket cannot be judged, and that of another may
// be. The Result beside it counts if none can.
var errRetry = errors.New("nothing to judge")

// maxSockets bounds the sockets behind one call of connectTCP or exchangeUDP.
const maxSockets = 4

// descriptor is that of a non-blocking socket with its error queue on (ip(7), IP_RECVERR).
type descriptor struct {
	fd int
	v4 bool
}

// socket can wait for its descriptor: the runtime's poller gets it when a caller has to.
type socket struct {
	descriptor
	file *os.File // nil before
}

// hasHopLimit: sockets receive the ICMP messages of the routers where their packets ended.
const hasHopLimit = true

// openSocket makes a socket of type typ for the family of a. ttl requests the TTL of what
// arrives.
func openSocket(a netip.Addr, typ int, ttl bool) (socket, error) {
	s := socket{descriptor: descriptor{v4: a.Unmap().Is4()}}
	family, level, recverr, recvttl := unix.AF_INET6, unix.IPPROTO_IPV6, unix.IPV6_RECVERR, unix.IPV6_RECVHOPLIMIT
	if s.v4 {
		family, level, recverr, recvttl = unix.AF_INET, unix.IPPROTO_IP, unix.IP_RECVERR, unix.IP_RECVTTL
	}
	var err error
	if s.fd, err = unix.Socket(family, typ|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
		return s, err
	}
	if err = unix.SetsockoptInt(s.fd, level, recverr, 1); err == nil && ttl {
		err = unix.SetsockoptInt(s.fd, level, recvttl, 1)
	}
	if err != nil {
		s.close()
	}
	return s, err
}

// bind binds the socket to where the attempt is to come from.
func (d *descriptor) bind(l Local) error {
	if l == (Local{}) {
		return nil
	}
	if err := l.prepare(uintptr(d.fd)); err != nil {
		return err
	}
	if !l.Addr.IsValid() && l.Port == 0 {
		return nil
	}
	from := l.addrPort(d.v4)
	sa, err := d.sockaddr(Endpoint{Addr: from.Addr(), Port: from.Port()})
	if err != nil {
		return err
	}
	return unix.Bind(d.fd, sa)
}

// prepare sets what must be set before bind(2). Several sockets may have the same port if
// their peers differ.
func (l Local) prepare(fd uintptr) error {
	if l.Device != "" {
		if err := unix.BindToDevice(int(fd), l.Device); err != nil {
			return err
		}
	}
	if l.Port != 0 {
		return unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	}
	return nil
}

// Sandboxed reports whether a filter of system calls (seccomp(2)) decides what this process
// may do, as those of containers, Android and RestrictAddressFamilies of systemd do.
func Sandboxed() bool {
	mode, err := unix.PrctlRetInt(unix.PR_GET_SECCOMP, 0, 0, 0, 0)
	return err == nil && mode == unix.SECCOMP_MODE_FILTER
}

// noSocket judges that no socket of the family of e could be made.
func noSocket(e Endpoint, err error) (Result, error) {
	family, n := "IPv6", errno(err)
	if e.Addr.Unmap().Is4() {
		family = "IPv4"
	}
	switch n {
	case unix.EAFNOSUPPORT, unix.EPERM, unix.EACCES:
		why := "this machine has no " + family
		if Sandboxed() {
			why = "a sandbox (seccomp) forbids this process " + family + " sockets, or " + why
		} else if n != unix.EAFNOSUPPORT {
			why = "this process may not make " + family + " sockets"
		}
		return unmeasured(e, fmt.Sprintf("%s (%v)", why, n)), nil
	}
	return failed(e, n)
}

func (s *socket) close() {
	if s.file != nil {
		s.file.Close()
		return
	}
	unix.Close(s.fd)
}

// conn is the connection on a descriptor of its own. Errors from the network end it again, as
// they do any other connection.
func (s *socket) conn() (net.Conn, error) {
	level, recverr := unix.IPPROTO_IPV6, unix.IPV6_RECVERR
	if s.v4 {
		level, recverr = unix.IPPROTO_IP, unix.IP_RECVERR
	}
	if err := unix.SetsockoptInt(s.fd, level, recverr, 0); err != nil {
		return nil, err
	}
	if s.file == nil {
		s.file = os.NewFile(uintptr(s.fd), "socket")
	}
	return net.FileConn(s.file)
}

func (d *descriptor) connect(e Endpoint) error {
	to, err := d.sockaddr(e)
	if err != nil {
		return err
	}
	return unix.Connect(d.fd, to)
}

func (d *descriptor) sockaddr(e Endpoint) (unix.Sockaddr, error) {
	if d.v4 {
		return &unix.SockaddrInet4{Port: int(e.Port), Addr: e.Addr.Unmap().As4()}, nil
	}
	zone, err := zoneIndex(d, e.Addr.Zone())
	return &unix.SockaddrInet6{Port: int(e.Port), Addr: e.Addr.As16(), ZoneId: zone}, err
}

// zoneIndex is the index of the interface with this name or number.
func zoneIndex(d *descriptor, name string) (uint32, error) {
	if name == "" {
		return 0, nil
	}
	if ifr, err := unix.NewIfreq(name); err == nil && unix.IoctlIfreq(d.fd, unix.SIOCGIFINDEX, ifr) == nil {
		return ifr.Uint32(), nil
	}
	n, err := strconv.ParseUint(name, 10, 32)
	if err != nil {
		return 0, unix.ENODEV
	}
	return uint32(n), nil
}

// local is the address that the kernel gave the socket.
func (d *descriptor) local() netip.AddrPort {
	sa, err := unix.Getsockname(d.fd)
	if err != nil {
		return netip.AddrPort{}
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port))
	}
	return netip.AddrPort{}
}

// limitHops sets the TTL, or hop limit, of the socket's packets. 0 leaves it to the
// system.
func (d *descriptor) limitHops(n int) error {
	switch {
	case n == 0:
		return nil
	case d.v4:
		return unix.SetsockoptInt(d.fd, unix.IPPROTO_IP, unix.IP_TTL, n)
	}
	return unix.SetsockoptInt(d.fd, unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, n)
}

// isSelf reports whether the socket is connected to itself: the kernel may give a socket
// the port that it probes, on an address of this machine.
func isSelf(s *socket, e Endpoint) bool {
	l := s.local()
	return l.Port() == e.Port && SameHost(l.Addr(), e.Addr)
}

// await calls ready whenever the socket has become writable (write) or readable,
// or has an error, until it returns true. It fails with
// os.ErrDeadlineExceeded, the context's error, or what kept the runtime's
// poller from taking the socket. No goroutine waits; the caller does.
func (s *socket) await(ctx context.Context, deadline time.Time, write bool, ready func() bool) error {
	if s.file == nil {
		s.file = os.NewFile(uintptr(s.fd), "socket")
	}
	if err := s.file.SetDeadline(deadline); err != nil {
		return err
	}
	fired := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		s.file.SetDeadline(time.Unix(1, 0))
		close(fired)
	})
	defer func() {
		if !stop() {
			<-fired
		}
	}()
	conn, err := s.file.SyscallConn()
	if err != nil {
		return err
	}
	wait := conn.Read
	if write {
		wait = conn.Write
	}
	err = wait(func(uintptr) bool { return ready() })
	switch {
	case err == nil:
		return nil
	case ready(): // it came in the last moment
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return err
}

// waitError turns the error of a wait into what the attempt returns for it; nil for
// silence.
func waitError(ctx context.Context, e Endpoint, err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return busy(e, err) // the poller could not take the descriptor: ENOMEM or ENOSPC
}
