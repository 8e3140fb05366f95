package local

import (
	"net/netip"
	"strings"

	"onmux/probe"
)

// row is one socket as systems other than Linux tell of it, in the words of
// netstat(1).
type row struct {
	proto       probe.Proto
	v6          bool
	local, peer string // addresses; "*" or empty is unspecified
	port, from  uint32
	status      string // "LISTEN", "ESTABLISHED", …; "" or "NONE" for UDP
	pid         int32
}

// socket reads a row. It is false for what is no TCP or UDP socket at a port.
func (r row) socket() (socket, bool) {
	a, ok := r.addr(r.local)
	if !ok || r.proto == 0 || r.port == 0 || r.port > 65535 || r.from > 65535 {
		return socket{}, false
	}
	s := socket{proto: r.proto, local: netip.AddrPortFrom(a, uint16(r.port)), state: Connected, pid: int(r.pid)}
	if peer, ok := r.addr(r.peer); ok && r.from != 0 {
		s.peer = netip.AddrPortFrom(peer, uint16(r.from))
	}
	if a.Is4() {
		s.family = "ipv4" // whether an IPv6 socket takes IPv4 too is not told
	}
	status := strings.ToUpper(r.status)
	switch {
	case r.proto == probe.TCP && status == "LISTEN":
		s.state = Listening
	case r.proto == probe.TCP && (status == "CLOSED" || status == "CLOSE" || status == "BOUND"):
		s.state = Bound
	case r.proto == probe.UDP && !s.peer.IsValid():
		s.state = Listening
	}
	s.timeWait = status == "TIME_WAIT"
	return s, true
}

func (r row) addr(text string) (netip.Addr, bool) {
	if text == "" || text == "*" {
		if r.v6 {
			return netip.IPv6Unspecified(), true
		}
		return netip.IPv4Unspecified(), true
	}
	a, err := netip.ParseAddr(text)
	return a.Unmap(), err == nil
}
