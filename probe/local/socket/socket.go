package socket

import (
	"net/netip"
	"time"

	"onmux/probe"
)

// State is what a socket does with its port.
type State uint8

// The states, the strongest first: what one of them uses makes the verdict.
const (
	Listening State = iota // accepts connections, or datagrams from any peer
	Bound                  // holds the port and accepts nothing
	Connected              // one end of a connection
	TimeWait               // what remains of a connection; no process owns it (RFC 9293, section 3.6.1)
	states
)

// Socket is one socket as a source reports it; what the source does not report is
// zero.
type Socket struct {
	Proto  probe.Proto
	Local  netip.AddrPort // IPv4-mapped addresses unmapped, zone kept
	Peer   netip.AddrPort // of a connected socket
	Family string         // Listener.Family
	State  State
	Device Device // that it is bound to
	Queue  Queue  // of one that listens
	Drops  uint64
	// of a connection: the peer has closed it, and the process that holds it has not
	CloseWait bool
	TimeWait  time.Duration // of what remains of a connection: for how long
	UID       uint32
	HasUID    bool   // UID is known
	Cgroup    uint64 // in which it was made: the inode of its directory; 0 if not known
	Inode     uint64
	cookie    uint64 // the kernel's own name for the socket
	Holder    uint64 // by which owner.Find identifies it: the inode, on other systems than Linux the process
	NetNS     uint64 // identifies its network namespace, if that is not the caller's (owner.NSID)
}

// inFamilies reports whether the socket belongs to one of the families of a query.
// A dual-stack one belongs to both; so may one whose family is not known.
func (s Socket) inFamilies(q Query) bool {
	switch s.Family {
	case "ipv4":
		return q.IPv4
	case "ipv6":
		return q.IPv6
	}
	return q.IPv4 || q.IPv6
}

// familyOf is the family of the connections and datagrams that a socket at an
// address accepts; the address is not yet unmapped. wildcard is the family of an
// IPv6 socket at the unspecified address: "ipv6", "dual" or "" if not known.
func familyOf(raw netip.Addr, wildcard string) string {
	switch {
	case raw.Is4(), raw.Is4In6():
		return "ipv4"
	case !raw.IsUnspecified():
		return "ipv6"
	}
	return wildcard
}

// Port is the local port.
func (s Socket) Port() probe.Port { return probe.Port{Number: s.Local.Port(), Proto: s.Proto} }

// Device is a network device.
type Device struct {
	Name     string // or its number if it is gone; "" if it is the zone of a link-local address
	Loopback bool
	index    uint32 // 0: none
}

// Queue is what waits for the process: in TCP's accept queue, in connections, or in
// UDP's receive buffer, in bytes.
type Queue struct {
	Used, Limit uint32
	Known       bool
}

// Backlog is a listening TCP socket's accept queue.
type Backlog struct {
	Used  uint32 `json:"used"`
	Limit uint32 `json:"limit"`
}

// Buffer is a UDP socket's receive buffer, in bytes as the kernel counts them:
// with what it keeps beside the datagrams.
type Buffer struct {
	Used  uint32 `json:"used"`
	Limit uint32 `json:"limit"`
}
