package local

import (
	"onmux/probe"
	"onmux/probe/local/socket"
	"onmux/probe/ports"
)

// Obstacle is something in the way of binding a port, or that soon may be.
type Obstacle struct {
	Kind  ObstacleKind
	Below int        // of NeedsPrivilege: the first port that takes none
	Range ports.Span // of EphemeralPort
}

// ObstacleKind is a kind of Obstacle.
type ObstacleKind string

// The kinds.
const (
	NeedsPrivilege ObstacleKind = "privilege"    // which the caller has not
	HeldBySocket   ObstacleKind = "socket"       // that is bound and does not listen
	HeldByPeer     ObstacleKind = "connection"   // or a connected UDP socket
	HeldByTimeWait ObstacleKind = "time-wait"    // what remains of a connection
	EphemeralPort  ObstacleKind = "ephemeral"    // connections may take it
	NoIPv6         ObstacleKind = "no ipv6"      // in this kernel
	NoIPv6Address  ObstacleKind = "no address"   // of IPv6, on any interface
	NoIPv6Loopback ObstacleKind = "no loopback6" // ::1 is missing
)

// settings are the rules about binding ports, and what is missing of IPv6.
type settings struct {
	ports.Settings
	ipv6 ObstacleKind // "" if nothing is
}

// obstacles is what is in the way of binding a port on which nothing listens, or
// soon may be: what the machine's settings and the sockets seen there prove, and no
// more. Whether a bind succeeds is known only by trying. A port is shared with a
// connection where both set SO_REUSEADDR, as the sockets do that a server accepted
// (inet_csk_bind_conflict in net/ipv4/inet_connection_sock.c).
func (s settings) obstacles(port probe.Port, word Word, counts socket.Counts) []Obstacle {
	if word == Listening || word == Unknown {
		return nil
	}
	var all []Obstacle
	if below := s.below(); int(port.Number) < below && s.Privileged != nil && !*s.Privileged {
		all = append(all, Obstacle{Kind: NeedsPrivilege, Below: below})
	}
	if word == Bound {
		all = append(all, Obstacle{Kind: HeldBySocket})
	}
	if counts[socket.Connected] > 0 {
		all = append(all, Obstacle{Kind: HeldByPeer})
	}
	if counts[socket.TimeWait] > 0 {
		all = append(all, Obstacle{Kind: HeldByTimeWait})
	}
	if s.Ephemeral != nil && s.Ephemeral.Has(port.Number) && s.ReservedKnown && !s.IsReserved(port.Number) {
		all = append(all, Obstacle{Kind: EphemeralPort, Range: *s.Ephemeral})
	}
	if s.ipv6 != "" {
		all = append(all, Obstacle{Kind: s.ipv6})
	}
	return all
}

// below is the first port that needs no privilege to bind; 0 if it is not known.
func (s settings) below() int {
	if s.UnprivilegedFrom == nil {
		return 0
	}
	return *s.UnprivilegedFrom
}
