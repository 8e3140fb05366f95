package farend

import (
	"encoding/binary"
	"net/netip"
	"time"

	"onmux/probe"
	"onmux/probe/traceroute"
)

// hopSize is the length in bytes of a hop in a message: address, microseconds, and reason.
const hopSize = 16 + 4 + 1

// AppendPath appends the answer to a question for a path, which has the hops behind their number.
func (k Key) AppendPath(b []byte, m Message, path []probe.Hop) []byte {
	at := len(b)
	path = path[:min(len(path), traceroute.MaxHops)]
	m.Kind = PathAnswer
	b = k.Append(b, m, Size+1+len(path)*hopSize)
	p := b[at:]
	p[Size] = byte(len(path))
	for i, h := range path {
		to := p[Size+1+i*hopSize:]
		if h.Address.IsValid() {
			room := h.Address.As16()
			copy(to, room[:])
		}
		binary.BigEndian.PutUint32(to[16:], uint32(min(time.Duration(h.RTT).Microseconds(), 1<<32-1)))
		to[20] = byte(h.Reason)
	}
	copy(p[atCode:], k.code(p))
	return b
}

// parsePath reads the hops of a message that was parsed.
func parsePath(b []byte) []probe.Hop {
	if len(b) <= Size || len(b) < Size+1+int(b[Size])*hopSize {
		return nil
	}
	var path []probe.Hop
	for i := range int(b[Size]) {
		from := b[Size+1+i*hopSize:]
		h := probe.Hop{Hop: i + 1, Reason: probe.Reason(from[20])}
		if a := netip.AddrFrom16([16]byte(from[:16])).Unmap(); !a.IsUnspecified() {
			h.Address = a
		}
		h.RTT = probe.Millis(time.Duration(binary.BigEndian.Uint32(from[16:])) * time.Microsecond)
		path = append(path, h)
	}
	return path
}
