package wire

import (
	"encoding/binary"
	"net/netip"

	"onmux/probe"
	"onmux/scan/ip"
	"onmux/scan/verdict"
)

// datagram takes in a UDP datagram, and reports whether it is to or from one of the ports.
func (w *Watch) datagram(q *ip.Packet) bool {
	b := q.Body
	if len(b) < 8 {
		w.count.Malformed++
		return false
	}
	from, to := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	set := &w.ports[probe.UDP]
	fromServer, toServer := set.has(from), set.has(to)
	if !fromServer && !toServer {
		return false
	}
	size := int(binary.BigEndian.Uint16(b[4:]))
	if size == 0 && q.Size > 0xffff || q.Unsized { // a jumbogram, or not yet segmented
		size = q.Size
	}
	if size < 8 || size > q.Size {
		w.count.Malformed++
		return true
	}
	if isShared(q.Dst) {
		w.count.Shared++
		return true
	}
	key, fromB := keyOf(placeOf(q.Src, from), placeOf(q.Dst, to), probe.UDP)
	f := w.flows.find(&key)
	if f == nil {
		if !toServer {
			w.count.Stray++ // nobody asked, as far as the capture shows
			return true
		}
		if f = w.begin(&key, fromB); f == nil {
			return true
		}
	}
	dir := sent
	if fromB != f.is(clientIsB) {
		dir = received
	}
	if w.matched = w.passes(f, dir, size-8); !w.matched {
		return true
	}
	if dir == sent {
		w.asks(f)
	} else if f.cell.Class() != verdict.UDPResponse {
		w.measure(f)
		w.answered(f, verdict.UDPResponse)
		w.reached(f, q.TTL)
		w.announce(f)
	}
	if data := b[8:min(size, len(b))]; len(data) > 0 && !f.is(noStream) {
		w.firstDatagram(f, dir, data)
	}
	return true
}

// isShared reports whether more than one host may answer what is sent to a.
func isShared(a netip.Addr) bool {
	return a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255})
}
