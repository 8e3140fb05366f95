package local

import (
	"net/netip"

	"onmux/probe"
)

// socket is one socket of this machine at a wanted port, as a source tells it.
type socket struct {
	proto    probe.Proto
	local    netip.AddrPort
	peer     netip.AddrPort // of a connected one
	state    Word           // Listening, Bound or Connected
	timeWait bool           // a remainder of a connection, held by the kernel alone
	family   string         // "ipv4", "ipv6" (v6-only) or "dual"; "" if the source does not tell
	device   string         // SO_BINDTODEVICE
	backlog  *Backlog       // of a listening TCP socket
	uid      *uint32        // nil if the source does not tell
	inode    uint64         // 0 if there is none, or the source does not tell
	pid      int            // its process, where the source tells it rather than an inode
}

// at reports the port that the socket holds or uses.
func (s socket) at() probe.Port { return probe.Port{Number: s.local.Port(), Proto: s.proto} }

// serves reports whether the socket takes traffic of a family that was asked
// for: a dual-stack socket takes both.
func (s socket) serves(v4, v6 bool) bool {
	if s.local.Addr().Is4() {
		return v4
	}
	return v6 || v4 && s.family == "dual"
}

// record is the socket as reports tell it.
func (s socket) record(owners []Owner) Listener {
	l := Listener{
		Proto: s.proto, Address: s.local.Addr(), Port: s.local.Port(), Family: s.family, State: s.state,
		Reach: reach(s.local.Addr()), Device: s.device, Backlog: s.backlog, UID: s.uid, NetNS: "host",
		Inode: s.inode, Owners: owners,
	}
	if s.peer.IsValid() {
		l.Peer = s.peer.String()
	}
	return l
}
