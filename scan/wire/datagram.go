package wire

import (
	"encoding/binary"
	"net/netip"

	"onmux/probe"
	"onmux/scan/ip"
	"onmux/scan/verdict"
)

// udp takes in a datagram, and reports whether it is to or from one of the ports.
func (t *tracker) udp(q *ip.Packet) bool {
	b := q.Body
	if len(b) < 8 {
		t.count.Malformed++
		return false
	}
	from, to := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	set := &t.ports[probe.UDP]
	fromServer, toServer := set.has(from), set.has(to)
	if !fromServer && !toServer {
		return false
	}
	size := int(binary.BigEndian.Uint16(b[4:]))
	if size == 0 && q.Size > 0xffff || q.Unsized { // a jumbogram, or not yet segmented
		size = q.Size
	}
	if size < 8 || size > q.Size {
		t.count.Malformed++
		return true
	}
	if isShared(q.Dst) {
		t.count.Shared++
		return true
	}
	key, fromB := keyOf(placeOf(q.Src, from), placeOf(q.Dst, to), probe.UDP)
	f := t.flows.find(&key)
	if f == nil {
		if !toServer {
			t.count.Stray++ // nobody asked, as far as the capture shows
			return true
		}
		if f = t.begin(&key, fromB); f == nil {
			return true
		}
	}
	dir := f.direction(fromB)
	if !t.passes(f, dir, size-8) {
		return true
	}
	if dir == sent {
		t.asks(f)
	} else if f.cell.Class() != verdict.UDPResponse {
		f.measure(t.now)
		t.answered(f, verdict.UDPResponse)
		t.ends.at(f.endpoint).reached(f, q.TTL)
		t.announcer.announce(f)
	}
	if data := b[8:min(size, len(b))]; len(data) > 0 && !f.is(noStream) {
		t.services.datagram(f, dir, data, t.now)
	}
	return true
}

// isShared reports whether more than one host may answer what is sent to a.
func isShared(a netip.Addr) bool {
	return a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255})
}
