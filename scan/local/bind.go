package local

import (
	"fmt"
	"slices"

	"onmux/probe"
)

// obstacles says what stands in the way of binding a port on which nothing
// listens, or soon may: what the machine's settings and the sockets seen there
// prove, and no more. Whether a bind succeeds is known only by trying.
func (s settings) obstacles(port probe.Port, word Word, remains int) []string {
	if word == Listening || word == Unknown {
		return nil
	}
	var said []string
	if s.lowFrom != nil && int(port.Number) < *s.lowFrom && s.privileged != nil && !*s.privileged {
		said = append(said, fmt.Sprintf("root or CAP_NET_BIND_SERVICE is needed below %d, and you have neither", *s.lowFrom))
	}
	if word == Bound {
		said = append(said, "the socket that holds it has to be closed first, unless both share it (SO_REUSEADDR, SO_REUSEPORT)")
	}
	if remains > 0 {
		said = append(said, "what remains of a connection may be in the way until it ends, within a minute, of a server that does not set SO_REUSEADDR")
	}
	if s.ephemeral != nil && s.ephemeral.Has(port.Number) && s.readable &&
		!slices.ContainsFunc(s.reserved, func(r Span) bool { return r.Has(port.Number) }) {
		said = append(said, fmt.Sprintf("connections take their own ports from %d-%d, so one may come first; net.ipv4.ip_local_reserved_ports keeps a port out of that", s.ephemeral.First, s.ephemeral.Last))
	}
	if s.ipv6 != "" {
		said = append(said, s.ipv6)
	}
	return said
}
