package local

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"

	"onmux/probe"
)

// The layout of struct inet_diag_req_v2 and struct inet_diag_msg, and the
// attributes that are read (linux/inet_diag.h).
const (
	diagReqLen   = 56
	diagMsgLen   = 72
	diagMemInfo  = 7  // INET_DIAG_SKMEMINFO, which has to be asked for
	diagSkV6Only = 11 // INET_DIAG_SKV6ONLY
	diagCgroupID = 21 // INET_DIAG_CGROUP_ID, from Linux 5.9: the inode of the directory
)

// The states of sockets (net/tcp_states.h). A UDP socket is TCP_ESTABLISHED
// once it is connected, and TCP_CLOSE before.
const (
	tcpEstablished = 1
	tcpTimeWait    = 6
	tcpClose       = 7
	tcpListen      = 10
	tcpNewSynRecv  = 12
	tcpBound       = 13 // TCP_BOUND_INACTIVE: asked for; told as TCP_CLOSE
)

// allStates asks for sockets in every state. Kernels before 6.8 ignore the bit
// for those that are only bound.
const allStates = 1<<(tcpBound+1) - 2

// tcpDiagGetSock is TCPDIAG_GETSOCK, by which TCP sockets were asked for before
// there was SOCK_DIAG_BY_FAMILY. It alone tells both families in one dump.
const tcpDiagGetSock = 18

// diagRequestBoth is a netlink message with a struct inet_diag_req that asks for
// TCP sockets of both families, as diagRequest does for one.
func diagRequestBoth(seq uint32, port uint16, states uint32) []byte {
	b := make([]byte, unix.NLMSG_HDRLEN+60)
	h, r := b[:unix.NLMSG_HDRLEN], b[unix.NLMSG_HDRLEN:]
	binary.NativeEndian.PutUint32(h[0:], uint32(len(b)))
	binary.NativeEndian.PutUint16(h[4:], tcpDiagGetSock)
	binary.NativeEndian.PutUint16(h[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	binary.NativeEndian.PutUint32(h[8:], seq)
	r[3] = 1 << (diagMemInfo - 1)
	binary.BigEndian.PutUint16(r[4:], port)
	binary.NativeEndian.PutUint32(r[52:], states)
	return b
}

// diagRequest is a netlink message with a struct inet_diag_req_v2 that asks for
// a dump of one protocol and family, of one port unless it is 0, and of sockets
// in some states (1 << tcp…).
func diagRequest(seq uint32, proto probe.Proto, family uint8, port uint16, states uint32) []byte {
	b := make([]byte, unix.NLMSG_HDRLEN+diagReqLen)
	h, r := b[:unix.NLMSG_HDRLEN], b[unix.NLMSG_HDRLEN:]
	binary.NativeEndian.PutUint32(h[0:], uint32(len(b)))
	binary.NativeEndian.PutUint16(h[4:], unix.SOCK_DIAG_BY_FAMILY)
	binary.NativeEndian.PutUint16(h[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	binary.NativeEndian.PutUint32(h[8:], seq)
	r[0] = family
	r[1] = unix.IPPROTO_TCP
	if proto == probe.UDP {
		r[1] = unix.IPPROTO_UDP
	}
	r[2] = 1 << (diagMemInfo - 1)
	binary.NativeEndian.PutUint32(r[4:], states)
	binary.BigEndian.PutUint16(r[8:], port)
	return b
}

// errMalformed is said of an answer that is not laid out as linux/netlink.h and
// linux/inet_diag.h have it. Nothing may be concluded from it.
var errMalformed = errors.New("the kernel's answer is malformed")

// progress is how far a dump is after a datagram.
type progress struct {
	done    bool // this was the last one
	changed bool // the kernel says that sockets changed meanwhile (NLM_F_DUMP_INTR)
}

// parseDump reads one datagram of a dump of sockets: each message is a struct
// inet_diag_msg with attributes. Nothing in b is trusted or kept.
func parseDump(b []byte, seq uint32, proto probe.Proto, see func(socket)) (progress, error) {
	return messages(b, seq, func(kind uint16, body []byte) error {
		if kind != unix.SOCK_DIAG_BY_FAMILY && kind != tcpDiagGetSock {
			return nil
		}
		s, err := parseSocket(body, proto)
		if err == nil {
			see(s)
		}
		return err
	})
}

// messages walks the netlink messages in one datagram of a dump (struct nlmsghdr,
// linux/netlink.h) and shows the body of each that is neither end nor error.
// Messages with another sequence number answer other questions and are skipped.
func messages(b []byte, seq uint32, see func(kind uint16, body []byte) error) (progress, error) {
	var p progress
	for len(b) > 0 {
		if len(b) < unix.NLMSG_HDRLEN {
			return p, fmt.Errorf("%w: %d bytes are no netlink header", errMalformed, len(b))
		}
		size := uint64(binary.NativeEndian.Uint32(b))
		if size < unix.NLMSG_HDRLEN || size > uint64(len(b)) {
			return p, fmt.Errorf("%w: a netlink message of %d bytes in %d", errMalformed, size, len(b))
		}
		kind, flags := binary.NativeEndian.Uint16(b[4:]), binary.NativeEndian.Uint16(b[6:])
		ours := binary.NativeEndian.Uint32(b[8:]) == seq
		body := b[unix.NLMSG_HDRLEN:size]
		b = b[min(align4(int(size)), len(b)):]
		if !ours {
			continue
		}
		p.changed = p.changed || flags&unix.NLM_F_DUMP_INTR != 0
		if kind == unix.NLMSG_DONE || kind == unix.NLMSG_ERROR {
			p.done = true
			return p, status(kind, body)
		}
		if err := see(kind, body); err != nil {
			return p, err
		}
	}
	return p, nil
}

// status reads what NLMSG_DONE and NLMSG_ERROR start with: a negative errno, or
// 0. An error without one is still an error.
func status(kind uint16, body []byte) error {
	if len(body) < 4 {
		if kind == unix.NLMSG_DONE {
			return nil
		}
		return fmt.Errorf("%w: an error of %d bytes", errMalformed, len(body))
	}
	code := int32(binary.NativeEndian.Uint32(body))
	switch {
	case code < 0 && code > -4096:
		return syscall.Errno(-code)
	case code < 0 || kind == unix.NLMSG_ERROR: // 0 acknowledges what nobody wanted acknowledged
		return fmt.Errorf("%w: error %d", errMalformed, code)
	}
	return nil
}

// parseSocket reads a struct inet_diag_msg and its attributes.
func parseSocket(b []byte, proto probe.Proto) (socket, error) {
	if len(b) < diagMsgLen {
		return socket{}, fmt.Errorf("%w: a socket of %d bytes", errMalformed, len(b))
	}
	raw, err := diagAddr(b[0], b[8:24])
	if err != nil {
		return socket{}, err
	}
	peer, _ := diagAddr(b[0], b[24:40])
	word := func(at int) uint32 { return binary.NativeEndian.Uint32(b[at:]) }
	s := socket{
		proto:  proto,
		local:  netip.AddrPortFrom(raw.Unmap(), binary.BigEndian.Uint16(b[4:])),
		state:  stateOf(proto, b[1]),
		index:  word(40),
		cookie: uint64(word(44)) | uint64(word(48))<<32,
		uid:    word(64),
		owned:  true,
		inode:  uint64(word(68)),
	}
	s.family = familyOf(raw, v6Only(b[diagMsgLen:]))
	s.holder = s.inode
	if id := attribute(b[diagMsgLen:], diagCgroupID); len(id) == 8 {
		s.cgroup = binary.NativeEndian.Uint64(id)
	}
	switch s.state {
	case listening:
		limit, drops, told := parseMemInfo(attribute(b[diagMsgLen:], diagMemInfo))
		s.drops = uint64(drops)
		if proto == probe.TCP {
			s.backlog, s.queued = Backlog{Used: word(56), Limit: word(60)}, true
		} else if told {
			s.received, s.buffered = Buffer{Used: word(56), Limit: limit}, true
		}
	case connected:
		s.peer = netip.AddrPortFrom(peer.Unmap(), binary.BigEndian.Uint16(b[6:]))
	case timeWait:
		s.uid, s.owned = 0, false // told as 0, whoever it was
	}
	return s, nil
}

func stateOf(proto probe.Proto, s uint8) state {
	switch {
	case proto == probe.TCP && s == tcpListen, proto == probe.UDP && s == tcpClose:
		return listening
	case proto == probe.TCP && (s == tcpClose || s == tcpBound):
		return bound
	case proto == probe.TCP && s == tcpTimeWait:
		return timeWait
	}
	return connected
}

// diagAddr reads an address of 16 bytes, of which IPv4 uses the first 4.
func diagAddr(family uint8, b []byte) (netip.Addr, error) {
	switch family {
	case unix.AF_INET:
		return netip.AddrFrom4([4]byte(b)), nil
	case unix.AF_INET6:
		return netip.AddrFrom16([16]byte(b)), nil
	}
	return netip.Addr{}, fmt.Errorf("%w: a socket of address family %d", errMalformed, family)
}

// parseMemInfo reads INET_DIAG_SKMEMINFO: numbers of 32 bits in the order of
// SK_MEMINFO_RCVBUF and the others (linux/sock_diag.h). Kernels before 4.7 do not
// tell drops.
func parseMemInfo(b []byte) (limit, drops uint32, told bool) {
	const rcvbuf, dropped = 1, 8
	if told = len(b) >= 4*(rcvbuf+1); told {
		limit = binary.NativeEndian.Uint32(b[4*rcvbuf:])
	}
	if len(b) >= 4*(dropped+1) {
		drops = binary.NativeEndian.Uint32(b[4*dropped:])
	}
	return limit, drops, told
}

// v6Only reads INET_DIAG_SKV6ONLY: "ipv6" or "dual", and "" if it is not there.
func v6Only(b []byte) string {
	switch only := attribute(b, diagSkV6Only); {
	case len(only) == 0:
		return ""
	case only[0] != 0:
		return "ipv6"
	}
	return "dual"
}

// attribute is the value of the first netlink attribute of a kind (struct
// nlattr); nil if it is not there.
func attribute(b []byte, kind uint16) []byte {
	for len(b) >= unix.NLA_HDRLEN {
		size := int(binary.NativeEndian.Uint16(b))
		if size < unix.NLA_HDRLEN || size > len(b) {
			return nil
		}
		if binary.NativeEndian.Uint16(b[2:]) == kind {
			return b[unix.NLA_HDRLEN:size]
		}
		b = b[min(align4(size), len(b)):]
	}
	return nil
}

// align4 is where the netlink message or attribute after one of n bytes starts.
func align4(n int) int { return (n + 3) &^ 3 }
