package probe

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// queuedError is one message of a socket's error queue: struct sock_extended_err and the
// offender's address behind it (linux/errqueue.h, ip(7)), with the TTL of the packet if
// the kernel adds it.
type queuedError struct {
	icmp ICMP       // zero unless the error came in an ICMP message
	from netip.Addr // the sender of the ICMP message
	ttl  uint8
}

// Lengths of control data: an extended error, a sockaddr_in6, a TTL, with their
// headers and some room for what other kernels add.
const (
	controlSize   = 160
	extendedSize  = 16 // sizeof(struct sock_extended_err)
	sockaddr4Size = 8  // of struct sockaddr_in, what is used
	sockaddr6Size = 28 // sizeof(struct sockaddr_in6)
)

// eachError calls f for each ICMP error in the queue until it returns false or
// the queue is empty.
func (d *descriptor) eachError(f func(queuedError) bool) {
	var payload [1]byte
	var control [controlSize]byte
	for range 64 { // the queue is bounded by the receive buffer; so is this
		_, n, err := d.receive(payload[:], control[:], nil, unix.MSG_ERRQUEUE)
		if err == unix.EINTR {
			continue
		}
		if err != 0 {
			return
		}
		if c := parseControl(control[:n]); c.icmp != (ICMP{}) && !f(c) {
			return
		}
	}
}

// receive is recvmsg(2) without the sender's address, which x/sys/unix would
// allocate. n may exceed len(p), with MSG_TRUNC; cn does not exceed len(control).
// Neither slice may be empty. The sender's port is stored in from, if that is not nil.
func (d *descriptor) receive(p, control []byte, from *uint16, flags int) (n, cn int, err syscall.Errno) {
	iov := unix.Iovec{Base: &p[0]}
	iov.SetLen(len(p))
	msg := unix.Msghdr{Iov: &iov, Control: &control[0]}
	msg.SetIovlen(1)
	msg.SetControllen(len(control))
	var name unix.RawSockaddrInet6 // the port of IPv4 is at the same place
	if from != nil {
		msg.Name, msg.Namelen = (*byte)(unsafe.Pointer(&name)), unix.SizeofSockaddrInet6
	}
	size, _, err := unix.Syscall(unix.SYS_RECVMSG, uintptr(d.fd), uintptr(unsafe.Pointer(&msg)),
		uintptr(flags|unix.MSG_DONTWAIT))
	if err != 0 {
		return 0, 0, err
	}
	if from != nil {
		*from = binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&name.Port))[:])
	}
	return int(size), min(int(msg.Controllen), len(control)), 0
}

// parseControl reads the control messages of recvmsg(2). It never fails: what it cannot
// read stays zero.
func parseControl(b []byte) queuedError {
	var c queuedError
	for len(b) >= unix.CmsgLen(0) {
		h, data, rest, err := unix.ParseOneSocketControlMessage(b)
		if err != nil {
			break
		}
		switch [2]int32{h.Level, h.Type} {
		case [2]int32{unix.IPPROTO_IP, unix.IP_RECVERR}, [2]int32{unix.IPPROTO_IPV6, unix.IPV6_RECVERR}:
			c.icmp, c.from = parseExtended(data)
		case [2]int32{unix.IPPROTO_IP, unix.IP_TTL}, [2]int32{unix.IPPROTO_IPV6, unix.IPV6_HOPLIMIT}:
			if len(data) >= 4 {
				c.ttl = uint8(binary.NativeEndian.Uint32(data))
			}
		}
		b = rest
	}
	return c
}

// parseExtended reads struct sock_extended_err and the sockaddr behind it:
//
//	u32 errno; u8 origin, type, code, pad; u32 info, data; struct sockaddr offender
func parseExtended(b []byte) (ICMP, netip.Addr) {
	if len(b) < extendedSize {
		return ICMP{}, netip.Addr{}
	}
	origin, m, offender := b[4], ICMP{Type: b[5], Code: b[6]}, b[extendedSize:]
	if origin != unix.SO_EE_ORIGIN_ICMP && origin != unix.SO_EE_ORIGIN_ICMP6 {
		return ICMP{}, netip.Addr{}
	}
	if len(offender) < 2 {
		return m, netip.Addr{}
	}
	switch family := binary.NativeEndian.Uint16(offender); {
	case family == unix.AF_INET && len(offender) >= sockaddr4Size:
		return m, netip.AddrFrom4([4]byte(offender[4:8]))
	case family == unix.AF_INET6 && len(offender) >= sockaddr6Size:
		a := netip.AddrFrom16([16]byte(offender[8:24]))
		if scope := binary.NativeEndian.Uint32(offender[24:28]); scope != 0 {
			a = a.WithZone(strconv.FormatUint(uint64(scope), 10))
		}
		return m, a
	}
	return m, netip.Addr{}
}

// icmpError reads the error queue for the first ICMP error that judges e. If there is
// none, c is the last of the others. self is whether this machine sent it.
func (d *descriptor) icmpError(e Endpoint) (c queuedError, self, found bool) {
	d.eachError(func(m queuedError) bool {
		own := m.from.IsValid() && SameHost(m.from, d.local().Addr())
		if _, reason := FromICMP(e, m.from, own, m.icmp); reason == NoReason {
			c = m
			return true
		}
		c, self, found = m, own, true
		return false
	})
	if zone := e.Addr.Zone(); c.from.Zone() != "" && zone != "" {
		c.from = c.from.WithZone(zone) // the same link, by the name that the user gave
	}
	return c, self, found
}

// pending takes the socket's pending error (SO_ERROR).
func (d *descriptor) pending() syscall.Errno {
	n, err := unix.GetsockoptInt(d.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return errno(err)
	}
	return syscall.Errno(n)
}

// judgeICMP is the Result of an ICMP error m that from sent d after the probe.
func judgeICMP(e Endpoint, from netip.Addr, self bool, m ICMP, d time.Duration, o Options) Result {
	_, reason := FromICMP(e, from, self, m)
	if reason == LocalError {
		return rejected(e, m)
	}
	fromTarget := SameHost(from, e.Addr)
	r := judged(e, reason, fromTarget, d)
	r.ICMP = m
	sender := SenderTarget
	switch {
	case reason == NoNeighbor:
		r.Confidence, sender = High, SenderNeighbor
	case self && !fromTarget:
		r.Responder, sender = from, SenderSelf
	case !fromTarget:
		r.Responder, sender = from, ""
	}
	if o.Evidence {
		r.Facts = append(r.Facts, Fact{Kind: FactICMP, ICMP: m, Addr: from, Sender: sender, After: Millis(d)})
	}
	return r
}
