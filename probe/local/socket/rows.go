package socket

import (
	"net/netip"
	"strings"

	"onmux/probe"
)

// row is one socket as systems other than Linux list it, in the terms of
// netstat(1) and lsof(8).
type row struct {
	proto       probe.Proto // 0 if it is neither TCP nor UDP
	v6          bool
	local, peer string // addresses; "" and "*" are unspecified
	port, from  uint32 // the port of local, and of peer
	status      string // "LISTEN", "ESTABLISHED", …; "" or "NONE" for UDP
	pid         int32
}

// socket converts a row; false if it is no TCP or UDP socket at a port.
func (r row) socket() (Socket, bool) {
	raw, ok := r.addr(r.local)
	if !ok || r.proto == 0 || r.port == 0 || r.port > 65535 || r.from > 65535 {
		return Socket{}, false
	}
	s := Socket{
		Proto: r.proto, Local: netip.AddrPortFrom(raw.Unmap(), uint16(r.port)),
		Family: familyOf(raw, ""), State: r.state(),
	}
	if r.pid > 0 {
		s.Holder = uint64(r.pid)
	}
	if peer, ok := r.addr(r.peer); ok && s.State == Connected && r.from != 0 {
		s.Peer = netip.AddrPortFrom(peer.Unmap(), uint16(r.from))
		s.CloseWait = strings.EqualFold(r.status, "CLOSE_WAIT")
	}
	return s, true
}

func (r row) state() State {
	if r.proto == probe.UDP {
		if r.from == 0 {
			return Listening
		}
		return Connected
	}
	switch strings.ToUpper(r.status) {
	case "LISTEN":
		return Listening
	case "CLOSED", "CLOSE", "BOUND", "IDLE":
		return Bound
	case "TIME_WAIT":
		return TimeWait
	}
	return Connected
}

func (r row) addr(text string) (netip.Addr, bool) {
	text = strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")
	if text == "" || text == "*" {
		if r.v6 {
			return netip.IPv6Unspecified(), true
		}
		return netip.IPv4Unspecified(), true
	}
	a, err := netip.ParseAddr(text)
	return a, err == nil
}
