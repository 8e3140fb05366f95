package local

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"onmux/probe"
)

// The layout of struct inet_diag_req_v2 and struct inet_diag_msg, and the
// attributes that we read (linux/inet_diag.h).
const (
	diagReqLen     = 56
	diagMsgLen     = 72
	diagSkV6Only   = 11 // INET_DIAG_SKV6ONLY
	tcpEstablished = 1
	tcpTimeWait    = 6
	tcpClose       = 7
	tcpListen      = 10
	// tcpBound is how TCP_BOUND_INACTIVE is asked for: bound, and neither
	// listening nor connected. Kernels before 6.8 do not know it.
	tcpBound = 13
)

// allTCP asks for TCP sockets in every state from TCP_ESTABLISHED (1) to
// TCP_CLOSING (11), and for those that are only bound.
const allTCP = 1<<12 - 2 | 1<<tcpBound

// errInterruptedDump says that the kernel's tables changed under a dump.
var errInterruptedDump = errors.New("the sockets changed while they were listed")

// sockDiag asks the kernel for sockets through netlink (sock_diag(7)).
type sockDiag struct {
	fd  int
	seq uint32
	buf []byte
}

func openSockDiag() (*sockDiag, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, fmt.Errorf("open a sock_diag socket: %w", err)
	}
	return &sockDiag{fd: fd, buf: make([]byte, 64<<10)}, nil
}

func (d *sockDiag) close() { unix.Close(d.fd) }

// each calls f with every socket of a protocol and family (unix.AF_INET or
// AF_INET6) at a port, or at any if port is 0. The kernel filters all but the
// sockets that are only bound. Memory does not grow with the number of sockets.
// An interrupted dump ends in errInterruptedDump, after all that could be seen.
func (d *sockDiag) each(proto probe.Proto, family uint8, port uint16, f func(socket)) error {
	d.seq++
	if err := unix.Sendto(d.fd, diagRequest(d.seq, proto, family, port), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("ask the kernel for %s sockets: %w", proto, err)
	}
	interrupted := false
	for {
		n, flags, err := d.receive()
		if err != nil {
			return fmt.Errorf("hear the kernel tell %s sockets: %w", proto, err)
		}
		if flags&unix.MSG_TRUNC != 0 {
			return fmt.Errorf("hear the kernel tell %s sockets: a message of more than %d bytes", proto, len(d.buf))
		}
		done, torn, err := parseDump(d.buf[:n], d.seq, proto, func(s socket) {
			if port == 0 || s.local.Port() == port {
				f(s)
			}
		})
		interrupted = interrupted || torn
		switch {
		case err != nil:
			return fmt.Errorf("the kernel tells no %s sockets: %w", proto, err)
		case done && interrupted:
			return errInterruptedDump
		case done:
			return nil
		}
	}
}

func (d *sockDiag) receive() (n, flags int, err error) {
	for {
		n, _, flags, _, err = unix.Recvmsg(d.fd, d.buf, nil, 0)
		if err != unix.EINTR {
			return n, flags, err
		}
	}
}

// diagRequest is a netlink message with a struct inet_diag_req_v2 that asks for
// a dump.
func diagRequest(seq uint32, proto probe.Proto, family uint8, port uint16) []byte {
	b := make([]byte, unix.NLMSG_HDRLEN+diagReqLen)
	h, r := b[:unix.NLMSG_HDRLEN], b[unix.NLMSG_HDRLEN:]
	binary.NativeEndian.PutUint32(h[0:], uint32(len(b)))
	binary.NativeEndian.PutUint16(h[4:], unix.SOCK_DIAG_BY_FAMILY)
	binary.NativeEndian.PutUint16(h[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	binary.NativeEndian.PutUint32(h[8:], seq)
	r[0] = family
	r[1] = unix.IPPROTO_TCP
	states := uint32(allTCP)
	if proto == probe.UDP {
		r[1] = unix.IPPROTO_UDP
		states = 1<<tcpEstablished | 1<<tcpClose
	}
	binary.NativeEndian.PutUint32(r[4:], states)
	binary.BigEndian.PutUint16(r[8:], port)
	return b
}

// parseDump reads one datagram of a dump: netlink messages, each a struct
// inet_diag_msg with attributes. It is done at NLMSG_DONE, and torn if the
// kernel says that the dump is inconsistent. Nothing in b is trusted.
func parseDump(b []byte, seq uint32, proto probe.Proto, f func(socket)) (done, torn bool, err error) {
	for len(b) >= unix.NLMSG_HDRLEN {
		size := int(binary.NativeEndian.Uint32(b))
		kind, flags := binary.NativeEndian.Uint16(b[4:]), binary.NativeEndian.Uint16(b[6:])
		if size < unix.NLMSG_HDRLEN || size > len(b) {
			return false, torn, fmt.Errorf("a netlink message of %d bytes in %d", size, len(b))
		}
		body := b[unix.NLMSG_HDRLEN:size]
		if binary.NativeEndian.Uint32(b[8:]) == seq {
			torn = torn || flags&unix.NLM_F_DUMP_INTR != 0
			switch kind {
			case unix.NLMSG_DONE, unix.NLMSG_ERROR:
				return true, torn, netlinkError(body)
			case unix.SOCK_DIAG_BY_FAMILY:
				if s, ok := parseDiag(body, proto); ok {
					f(s)
				}
			}
		}
		b = b[min(align4(size), len(b)):]
	}
	return false, torn, nil
}

// netlinkError reads the status at the start of NLMSG_DONE and NLMSG_ERROR: a
// negative errno, or 0.
func netlinkError(body []byte) error {
	if len(body) < 4 {
		return nil
	}
	if code := int32(binary.NativeEndian.Uint32(body)); code < 0 && code > -4096 {
		return syscall.Errno(-code)
	}
	return nil
}

// parseDiag reads a struct inet_diag_msg and its attributes.
func parseDiag(b []byte, proto probe.Proto) (socket, bool) {
	if len(b) < diagMsgLen {
		return socket{}, false
	}
	family, state := b[0], b[1]
	src, dst := b[8:24], b[24:40]
	device := binary.NativeEndian.Uint32(b[40:])
	uid := binary.NativeEndian.Uint32(b[64:])
	s := socket{
		proto: proto,
		local: netip.AddrPortFrom(diagAddr(family, src, device), binary.BigEndian.Uint16(b[4:])),
		uid:   &uid,
		inode: uint64(binary.NativeEndian.Uint32(b[68:])),
	}
	if port := binary.BigEndian.Uint16(b[6:]); port != 0 {
		s.peer = netip.AddrPortFrom(diagAddr(family, dst, device), port)
	}
	if device != 0 {
		s.device = deviceName(device)
	}
	s.state = diagState(proto, state)
	s.timeWait = proto == probe.TCP && state == tcpTimeWait
	if s.timeWait {
		s.uid = nil // a remainder belongs to nobody
	}
	if proto == probe.TCP && state == tcpListen {
		s.backlog = &Backlog{Used: binary.NativeEndian.Uint32(b[56:]), Limit: binary.NativeEndian.Uint32(b[60:])}
	}
	s.family = diagFamily(family, src, b[diagMsgLen:])
	return s, s.local.Addr().IsValid()
}

func diagState(proto probe.Proto, state uint8) Word {
	switch {
	case proto == probe.UDP && state == tcpClose, proto == probe.TCP && state == tcpListen:
		return Listening
	case proto == probe.TCP && (state == tcpBound || state == tcpClose):
		return Bound
	}
	return Connected
}

// diagFamily tells IPv4, v6-only and dual-stack sockets apart. A socket at a
// specific IPv6 address takes nothing but IPv6.
func diagFamily(family uint8, src, attrs []byte) string {
	a := diagAddr(family, src, 0)
	if a.Is4() {
		return "ipv4"
	}
	if !a.IsUnspecified() {
		return "ipv6"
	}
	only, told := attribute(attrs, diagSkV6Only)
	switch {
	case !told || len(only) == 0:
		return ""
	case only[0] != 0:
		return "ipv6"
	}
	return "dual"
}

// attribute finds a netlink attribute (struct rtattr).
func attribute(b []byte, kind uint16) ([]byte, bool) {
	for len(b) >= 4 {
		size := int(binary.NativeEndian.Uint16(b))
		if size < 4 || size > len(b) {
			return nil, false
		}
		if binary.NativeEndian.Uint16(b[2:])&^(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER) == kind {
			return b[4:size], true
		}
		b = b[min(align4(size), len(b)):]
	}
	return nil, false
}

func align4(n int) int { return (n + 3) &^ 3 }

// diagAddr is an address of 16 bytes, of which IPv4 uses 4. A link-local one
// keeps its device as the zone.
func diagAddr(family uint8, b []byte, device uint32) netip.Addr {
	if family == unix.AF_INET {
		return netip.AddrFrom4([4]byte(b))
	}
	a := netip.AddrFrom16([16]byte(b)).Unmap()
	if a.IsLinkLocalUnicast() && a.Is6() && device != 0 {
		a = a.WithZone(deviceName(device))
	}
	return a
}

func deviceName(index uint32) string {
	if i, err := net.InterfaceByIndex(int(index)); err == nil {
		return i.Name
	}
	return strconv.FormatUint(uint64(index), 10)
}
