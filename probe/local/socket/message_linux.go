package socket

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/netlink"
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
	tcpCloseWait   = 8
	tcpListen      = 10
	tcpNewSynRecv  = 12
	tcpBound       = 13 // TCP_BOUND_INACTIVE: asked for; reported as TCP_CLOSE
)

// AllStates is for sockets in every state. Kernels before 6.8 ignore the bit
// for those that are only bound.
const AllStates = 1<<(tcpBound+1) - 2

// Some states of sockets, as masks.
const (
	ListenStates    = 1 << tcpListen
	ConnectedStates = AllStates &^ (1<<tcpListen | 1<<tcpBound) // in which a socket has a peer

	// HeldStates are those in which a socket holds a port: of TCP that listen and
	// that are bound, of UDP that are not connected. The kernel then does not list
	// the connections.
	HeldStates = 1<<tcpListen | 1<<tcpBound | 1<<tcpClose
)

// tcpDiagGetSock is TCPDIAG_GETSOCK, by which TCP sockets were requested before
// there was SOCK_DIAG_BY_FAMILY. It alone lists both families in one dump.
const tcpDiagGetSock = 18

// dumpRequest is which sockets the kernel is asked for.
type dumpRequest struct {
	proto  probe.Proto
	family uint8  // of TCP AF_UNSPEC is both
	port   uint16 // local; 0: all. The kernel does not filter those that are only bound by it.
	peer   uint16 // its port; 0: all
	states uint32 // 1 << tcp...
	brief  bool   // without what memory they use
}

// message is the request as the kernel takes it: a struct inet_diag_req for TCP sockets of both
// families, else a struct inet_diag_req_v2.
func (d dumpRequest) message() *netlink.Request {
	extensions := byte(1 << (diagMemInfo - 1))
	if d.brief {
		extensions = 0
	}
	if d.family == unix.AF_UNSPEC {
		r := make([]byte, 60)
		r[3] = extensions
		binary.BigEndian.PutUint16(r[4:], d.port)
		binary.NativeEndian.PutUint32(r[52:], d.states)
		return netlink.NewRequest(tcpDiagGetSock, r)
	}
	r := make([]byte, diagReqLen)
	r[0] = d.family
	r[1] = unix.IPPROTO_TCP
	if d.proto == probe.UDP {
		r[1] = unix.IPPROTO_UDP
	}
	r[2] = extensions
	binary.NativeEndian.PutUint32(r[4:], d.states)
	binary.BigEndian.PutUint16(r[8:], d.port)
	binary.BigEndian.PutUint16(r[10:], d.peer)
	return netlink.NewRequest(unix.SOCK_DIAG_BY_FAMILY, r)
}

// parseSocket reads a struct inet_diag_msg and its attributes.
func parseSocket(b []byte, proto probe.Proto) (Socket, error) {
	if len(b) < diagMsgLen {
		return Socket{}, fmt.Errorf("%w: a socket of %d bytes", netlink.ErrMalformed, len(b))
	}
	raw, err := diagAddr(b[0], b[8:24])
	if err != nil {
		return Socket{}, err
	}
	peer, _ := diagAddr(b[0], b[24:40])
	word := func(at int) uint32 { return binary.NativeEndian.Uint32(b[at:]) }
	s := Socket{
		Proto:  proto,
		Local:  netip.AddrPortFrom(raw.Unmap(), binary.BigEndian.Uint16(b[4:])),
		State:  stateOf(proto, b[1]),
		Device: Device{index: word(40)},
		cookie: uint64(word(44)) | uint64(word(48))<<32,
		UID:    word(64),
		HasUID: true,
		Inode:  uint64(word(68)),
	}
	s.Family = familyOf(raw, v6Only(b[diagMsgLen:]))
	s.Holder = s.Inode
	if id := netlink.Attribute(b[diagMsgLen:], diagCgroupID); len(id) == 8 {
		s.Cgroup = binary.NativeEndian.Uint64(id)
	}
	switch s.State {
	case Listening:
		limit, drops, known := parseMemInfo(netlink.Attribute(b[diagMsgLen:], diagMemInfo))
		s.Drops = uint64(drops)
		if proto == probe.TCP {
			s.Queue = Queue{word(56), word(60), true}
		} else if known {
			s.Queue = Queue{word(56), limit, true}
		}
	case Connected:
		s.Peer = netip.AddrPortFrom(peer.Unmap(), binary.BigEndian.Uint16(b[6:]))
		s.CloseWait = proto == probe.TCP && b[1] == tcpCloseWait
	case TimeWait:
		s.UID, s.HasUID = 0, false                              // reported as 0, whatever it was
		s.TimeWait = time.Duration(word(52)) * time.Millisecond // idiag_expires
	}
	return s, nil
}

func stateOf(proto probe.Proto, s uint8) State {
	switch {
	case proto == probe.TCP && s == tcpListen, proto == probe.UDP && s == tcpClose:
		return Listening
	case proto == probe.TCP && (s == tcpClose || s == tcpBound):
		return Bound
	case proto == probe.TCP && s == tcpTimeWait:
		return TimeWait
	}
	return Connected
}

// diagAddr reads an address of 16 bytes, of which IPv4 uses the first 4.
func diagAddr(family uint8, b []byte) (netip.Addr, error) {
	switch family {
	case unix.AF_INET:
		return netip.AddrFrom4([4]byte(b)), nil
	case unix.AF_INET6:
		return netip.AddrFrom16([16]byte(b)), nil
	}
	return netip.Addr{}, fmt.Errorf("%w: a socket of address family %d", netlink.ErrMalformed, family)
}

// parseMemInfo reads INET_DIAG_SKMEMINFO: numbers of 32 bits in the order of
// SK_MEMINFO_RCVBUF and the others (linux/sock_diag.h). Kernels before 4.7 do not
// count drops.
func parseMemInfo(b []byte) (limit, drops uint32, known bool) {
	const rcvbuf, dropped = 1, 8
	if known = len(b) >= 4*(rcvbuf+1); known {
		limit = binary.NativeEndian.Uint32(b[4*rcvbuf:])
	}
	if len(b) >= 4*(dropped+1) {
		drops = binary.NativeEndian.Uint32(b[4*dropped:])
	}
	return limit, drops, known
}

// v6Only reads INET_DIAG_SKV6ONLY: "ipv6" or "dual", and "" if it is not there.
func v6Only(b []byte) string {
	switch only := netlink.Attribute(b, diagSkV6Only); {
	case len(only) == 0:
		return ""
	case only[0] != 0:
		return "ipv6"
	}
	return "dual"
}
