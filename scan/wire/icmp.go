package wire

import (
	"encoding/binary"

	"onmux/probe"
	"onmux/scan/ip"
	"onmux/scan/verdict"
)

// icmp takes in an error that quotes a packet of a flow: RFC 792, RFC 4443. The quoted
// packet has at least eight bytes of the transport, with TCP's sequence number.
func (t *tracker) icmp(q *ip.Packet) {
	b := q.Body
	if len(b) < 8 {
		return
	}
	m := probe.ICMP{Type: b[0], Code: b[1]}
	if q.Src.Is4() != (q.Proto == ip.ProtoICMP) {
		return
	}
	if q.Src.Is4() && m.Type != 3 && m.Type != 11 || q.Src.Is6() && m.Type != 1 && m.Type != 3 {
		return
	}
	var quoted ip.Packet
	if !quoted.Read(b[8:]) || quoted.Offset > 0 || len(quoted.Body) < 8 || quoted.Src != q.Dst {
		return
	}
	proto := probe.TCP
	switch quoted.Proto {
	case ip.ProtoTCP:
	case ip.ProtoUDP:
		proto = probe.UDP
	default:
		return
	}
	from, to := binary.BigEndian.Uint16(quoted.Body), binary.BigEndian.Uint16(quoted.Body[2:])
	if !t.ports[proto].has(to) {
		return
	}
	key, fromB := keyOf(placeOf(quoted.Src, from), placeOf(quoted.Dst, to), proto)
	f := t.flows.find(&key)
	isQuestion := f != nil && f.direction(fromB) == sent && f.asked > 0
	if isQuestion && proto == probe.TCP {
		isQuestion = f.half[sent].is(hasInitial) && binary.BigEndian.Uint32(quoted.Body[4:]) == f.half[sent].initial
	}
	if !isQuestion {
		t.count.Stray++
		return
	}
	t.matched = true
	e := probe.Endpoint{Addr: quoted.Dst, Port: to, Proto: proto}
	_, reason := probe.FromICMP(e, q.Src, q.Src == quoted.Src, m)
	k, ok := verdict.ClassOf(proto, reason, q.Src == quoted.Dst)
	if !ok || reason == probe.LocalError {
		return
	}
	before := t.ends.at(f.endpoint).cell.Class()
	f.icmp = m
	if q.Src == quoted.Dst {
		f.measure(t.now)
	}
	t.answered(f, k)
	if end := t.ends.at(f.endpoint); end.cell.Class() == k && before != k {
		end.icmp, end.ttl = m, q.TTL
		if q.Src != quoted.Dst && k != verdict.NoNeighbor {
			end.responder = q.Src.As16()
		} else if f.rtt > 0 {
			end.rtt = f.rtt
		}
	}
	t.announcer.announce(f)
}
