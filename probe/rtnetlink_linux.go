package probe

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// hop1 is the kernel's answer to the question by which way a packet would leave.
type hop1 struct {
	device  uint32
	gateway netip.Addr // none: on the link, or this machine itself
	local   bool       // the address is one of this machine
}

// Sizes of linux/netlink.h, linux/rtnetlink.h and linux/neighbour.h.
const (
	nlHeader   = 16 // sizeof(struct nlmsghdr)
	nlFixed    = 12 // sizeof(struct rtmsg), and of struct ndmsg
	nlAttr     = 4  // sizeof(struct rtattr)
	nlReplyMax = 4 << 10
)

// routeOf asks the kernel by which way a packet to a would leave (RTM_GETROUTE).
// zone is the interface that a's zone names, or 0.
func routeOf(a netip.Addr, zone uint32) (hop1, bool) {
	a = a.Unmap().WithZone("")
	q := newMessage(unix.RTM_GETROUTE, []byte{family(a), uint8(a.BitLen()), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	q = attribute(q, unix.RTA_DST, a.AsSlice())
	if zone != 0 {
		q = attribute(q, unix.RTA_OIF, binary.NativeEndian.AppendUint32(nil, zone))
	}
	reply, err := converse(q, unix.RTM_NEWROUTE)
	if err != nil {
		return hop1{}, false
	}
	return parseRoute(reply)
}

// neighbourState asks the kernel what it knows of a neighbour (RTM_GETNEIGH,
// which answers for one since Linux 5.0): a NUD state of linux/neighbour.h. The
// error is ENOENT if it knows nothing.
func neighbourState(a netip.Addr, device uint32) (uint16, error) {
	a = a.Unmap().WithZone("")
	head := append([]byte{family(a), 0, 0, 0}, binary.NativeEndian.AppendUint32(nil, device)...)
	q := attribute(newMessage(unix.RTM_GETNEIGH, append(head, 0, 0, 0, 0)), unix.NDA_DST, a.AsSlice())
	reply, err := converse(q, unix.RTM_NEWNEIGH)
	if err == nil && len(reply) < nlFixed {
		err = unix.EBADMSG
	}
	if err != nil {
		return 0, err
	}
	return binary.NativeEndian.Uint16(reply[8:]), nil
}

func family(a netip.Addr) uint8 {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// newMessage begins a message; its length is set when it is sent.
func newMessage(kind uint16, fixed []byte) []byte {
	b := make([]byte, nlHeader, 64)
	binary.NativeEndian.PutUint16(b[4:], kind)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST)
	binary.NativeEndian.PutUint32(b[8:], 1)
	return append(b, fixed...)
}

// attribute appends one whose value fills whole words, as all of ours do.
func attribute(b []byte, kind uint16, value []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(nlAttr+len(value)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	return append(b, value...)
}

// converse sends a question and returns the answer without its header. The
// kernel answers before sendto(2) returns, so that nothing waits.
func converse(q []byte, want uint16) ([]byte, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	binary.NativeEndian.PutUint32(q, uint32(len(q)))
	if err := unix.Sendto(fd, q, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, err
	}
	reply := make([]byte, nlReplyMax)
	n, _, err := unix.Recvfrom(fd, reply, unix.MSG_DONTWAIT)
	if err != nil {
		return nil, err
	}
	return parseReply(reply[:n], want)
}

// parseReply returns what stands behind the header of a message of this type, or the
// error that came instead (struct nlmsgerr).
func parseReply(b []byte, want uint16) ([]byte, error) {
	if len(b) < nlHeader {
		return nil, unix.EBADMSG
	}
	n := binary.NativeEndian.Uint32(b)
	if n < nlHeader || uint64(n) > uint64(len(b)) {
		return nil, unix.EBADMSG
	}
	body := b[nlHeader:n]
	switch kind := binary.NativeEndian.Uint16(b[4:]); {
	case kind == want:
		return body, nil
	case kind == unix.NLMSG_ERROR && len(body) >= 4:
		if no := -int32(binary.NativeEndian.Uint32(body)); no > 0 {
			return nil, syscall.Errno(no)
		}
	}
	return nil, unix.EBADMSG
}

// parseRoute reads struct rtmsg and its attributes.
func parseRoute(b []byte) (hop1, bool) {
	if len(b) < nlFixed {
		return hop1{}, false
	}
	h := hop1{local: b[7] == unix.RTN_LOCAL}
	for b = b[nlFixed:]; len(b) >= nlAttr; {
		n := int(binary.NativeEndian.Uint16(b))
		if n < nlAttr || n > len(b) {
			break
		}
		value := b[nlAttr:n]
		switch binary.NativeEndian.Uint16(b[2:]) {
		case unix.RTA_OIF:
			if len(value) >= 4 {
				h.device = binary.NativeEndian.Uint32(value)
			}
		case unix.RTA_GATEWAY:
			h.gateway, _ = netip.AddrFromSlice(value)
		case unix.RTA_VIA: // struct rtvia: a gateway of the other family
			if len(value) >= 2 {
				h.gateway, _ = netip.AddrFromSlice(value[2:])
			}
		}
		b = b[min((n+3)&^3, len(b)):]
	}
	return h, true
}

// deviceName is the interface's name, or its number where it has none any more.
func (s *socket) deviceName(index uint32) string {
	ifr, err := unix.NewIfreq("")
	if err == nil {
		ifr.SetUint32(index)
		if unix.IoctlIfreq(s.fd, unix.SIOCGIFNAME, ifr) == nil {
			return ifr.Name()
		}
	}
	return strconv.FormatUint(uint64(index), 10)
}
