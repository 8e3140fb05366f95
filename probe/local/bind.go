package local

import (
	"fmt"

	"onmux/probe"
	"onmux/probe/local/socket"
	"onmux/probe/ports"
)

// settings are the rules about binding ports, and what IPv6 adds to them.
type settings struct {
	ports.Settings
	ipv6 string // why binding to an IPv6 address fails; "" if it does not
}

// obstacles says what stands in the way of binding a port on which nothing
// listens, or soon may: what the machine's settings and the sockets seen there
// prove, and no more. Whether a bind succeeds is known only by trying. A port is
// shared with a connection where both set SO_REUSEADDR, as the sockets do that a
// server accepted (inet_csk_bind_conflict in net/ipv4/inet_connection_sock.c).
func (s settings) obstacles(port probe.Port, word Word, count socket.Counts) []string {
	if word == Listening || word == Unknown {
		return nil
	}
	var said []string
	if s.UnprivilegedFrom != nil && int(port.Number) < *s.UnprivilegedFrom && s.Privileged != nil && !*s.Privileged {
		said = append(said, fmt.Sprintf("root or CAP_NET_BIND_SERVICE is needed below %d, and you have neither", *s.UnprivilegedFrom))
	}
	if word == Bound {
		said = append(said, "the socket that holds it has to be closed first, unless both share it (SO_REUSEADDR, SO_REUSEPORT)")
	}
	switch live := count[socket.Connected] > 0; {
	case live && port.Proto == probe.UDP:
		said = append(said, "a connected socket uses the number: it has to be closed first")
	case live:
		said = append(said, "a connection uses the number: a server that does not set SO_REUSEADDR is refused, and so is one that does if the connection's own end did not")
	}
	if count[socket.TimeWait] > 0 {
		said = append(said, "what remains of a connection may be in the way until it ends, within a minute, of a server that does not set SO_REUSEADDR")
	}
	if s.Ephemeral != nil && s.Ephemeral.Has(port.Number) && s.ReservedKnown &&
		!s.IsReserved(port.Number) {
		said = append(said, fmt.Sprintf("connections take their own ports from %d-%d, so one may come first; net.ipv4.ip_local_reserved_ports keeps a port out of that", s.Ephemeral.First, s.Ephemeral.Last))
	}
	if s.ipv6 != "" {
		said = append(said, s.ipv6)
	}
	return said
}
