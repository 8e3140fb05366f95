package scan_test

import (
	"encoding/binary"
	"net/netip"

	"onmux/probe"
	"onmux/scan/simnet"
)

// deed is what a host, or who stands before it, does when it is asked for the
// n-th time (1 …).
type deed func(q simnet.Query, n int) [][]byte

// fact is one row of the ground truth: what a host does and what is to be told
// of it. A protocol without a reason is not asked. It holds for both families
// unless it names one.
type fact struct {
	name     string
	family   int // 4, 6 or 0 for both
	deed     deed
	tcp, udp probe.Reason
	self     bool // a port-unreach is the host's own word
	tries    int  // after how many tries, if not 1, or 2 for silence
	forged   int  // packets for each question that prove nothing
	disputed int  // answers to each question that contradict another

	// note is a part of what is told of the TCP port, socketNote says that it is
	// told with sockets too.
	note       string
	socketNote bool
	behind     bool // it is told if the reset comes in time, and else a contradiction

	// With sockets the kernel judges, and sees less or something else: what is
	// told then, where it differs.
	socketTCP, socketUDP probe.Reason
	packets              bool // not asked with sockets: what comes of it there is a race
}

var (
	synAck = simnet.Segment{Flags: simnet.SYN | simnet.ACK, Window: 64240, Options: []byte{2, 4, 5, 0xb4}}
	refuse = simnet.Segment{Flags: simnet.RST | simnet.ACK}
)

// open answers a question as a server does.
func open(q simnet.Query) []byte {
	if q.Proto == probe.TCP {
		return q.TCP(synAck)
	}
	return q.UDP(q.To, []byte("here"))
}

// closed refuses as a host without a server does.
func closed(q simnet.Query) []byte {
	if q.Proto == probe.TCP {
		return q.TCP(refuse)
	}
	if q.To.Addr().Is4() {
		return q.ICMP(q.To.Addr(), 3, 3, q.Packet)
	}
	return q.ICMP(q.To.Addr(), 1, 4, q.Packet)
}

// gateway is a router near a host.
func gateway(q simnet.Query) netip.Addr {
	b := q.To.Addr().AsSlice()
	b[len(b)-1], b[len(b)-2] = 254, 255
	a, _ := netip.AddrFromSlice(b)
	return a
}

func always(f ...func(simnet.Query) []byte) deed {
	return func(q simnet.Query, _ int) (all [][]byte) {
		for _, f := range f {
			all = append(all, f(q))
		}
		return all
	}
}

// routed has the router send an ICMP error.
func routed(kind, code byte) func(simnet.Query) []byte {
	return func(q simnet.Query) []byte { return q.ICMP(gateway(q), kind, code, q.Packet) }
}

// segment has the host send a segment; to UDP it says nothing.
func segment(s simnet.Segment) func(simnet.Query) []byte {
	return func(q simnet.Query) []byte {
		if q.Proto == probe.UDP {
			return nil
		}
		return q.TCP(s)
	}
}

// misquote has the router refuse a packet in which bytes of the transport were
// changed.
func misquote(at int) func(simnet.Query) []byte {
	return func(q simnet.Query) []byte {
		lie := append([]byte(nil), q.Packet...)
		kind, code, header := byte(3), byte(13), 20
		if q.To.Addr().Is6() {
			kind, code, header = 1, 1, 40
		}
		lie[header+at] ^= 0x55
		return q.ICMP(gateway(q), kind, code, lie)
	}
}

// extended is a refusal with eight bytes of the transport, filled up to 128, and
// a structure of RFC 4884 behind it.
func extended(q simnet.Query) []byte {
	quote := make([]byte, 128, 136)
	copy(quote, q.Packet[:28])
	b := q.ICMP(gateway(q), 3, 13, append(quote, "\x20\x00\x00\x00\x00\x04\x01\x01"...))
	b[20+5] = 128 / 4
	sum := binary.BigEndian.Uint16(b[22:]) // RFC 1624: the new word was zero
	was := uint32(^sum) + 128/4
	binary.BigEndian.PutUint16(b[22:], ^uint16(was+was>>16))
	return b
}

// hopByHop puts n empty extension headers in front of an answer.
func hopByHop(n int) func(simnet.Query) []byte {
	return func(q simnet.Query) []byte {
		b := open(q)
		next := b[6]
		out := append([]byte(nil), b[:40]...)
		for i := range n {
			kind := byte(60) // destination options may come again
			if i == n-1 {
				kind = next
			}
			out = append(out, kind, 0, 1, 4, 0, 0, 0, 0)
		}
		out[6] = 60
		binary.BigEndian.PutUint16(out[4:], uint16(len(b)-40+8*n))
		return append(out, b[40:]...)
	}
}

const none = probe.NoResponse

// facts is the ground truth.
func facts() []fact {
	all := []fact{
		{name: "silent", deed: always(), tcp: none, udp: none},
		{name: "open", deed: always(open), tcp: probe.SynAck, udp: probe.UDPResponse},
		{name: "closed", deed: always(closed), tcp: probe.Reset, udp: probe.PortUnreach, self: true},
		{name: "three times", deed: always(open, open, open), tcp: probe.SynAck, udp: probe.UDPResponse},
		{name: "the first is lost", tries: 2, tcp: probe.SynAck, udp: probe.UDPResponse, deed: func(q simnet.Query, n int) [][]byte {
			if n == 1 {
				return nil
			}
			return [][]byte{open(q)}
		}},

		// What proves nothing changes nothing, and is counted.
		{name: "SYN-ACK of another SYN", deed: always(segment(simnet.Segment{Flags: simnet.SYN | simnet.ACK, Ahead: 1})), tcp: none, forged: 1},
		{name: "RST of another SYN", deed: always(segment(simnet.Segment{Flags: simnet.RST | simnet.ACK, Ahead: 77})), tcp: none, forged: 1},
		{name: "forged, then true", deed: always(segment(simnet.Segment{Flags: simnet.RST | simnet.ACK, Ahead: 77}), open), tcp: probe.SynAck, forged: 1},
		{name: "RST without ACK", deed: always(segment(simnet.Segment{Flags: simnet.RST})), tcp: none},
		{name: "ACK alone", deed: always(segment(simnet.Segment{Flags: simnet.ACK})), tcp: none},
		{name: "another port answers", udp: none, forged: 1, deed: always(func(q simnet.Query) []byte {
			return q.UDP(netip.AddrPortFrom(q.To.Addr(), 418), []byte("here"))
		})},
		{name: "a stranger answers", udp: none, forged: 1, deed: always(func(q simnet.Query) []byte {
			return q.UDP(netip.AddrPortFrom(gateway(q), 418), []byte("here"))
		})},
		{name: "quotes another sequence number", deed: always(misquote(4)), tcp: none, forged: 1},
		{name: "quotes another source port", deed: always(misquote(0)), tcp: none, udp: none},
		{name: "quotes another destination port", deed: always(misquote(3)), tcp: none, udp: none, forged: 1},

		{name: "ICMP, then open", family: 4, packets: true, deed: always(routed(3, 1), open), tcp: probe.SynAck, udp: probe.UDPResponse, disputed: 1},
		{name: "eight bytes and extensions", family: 4, deed: always(extended), tcp: probe.AdminProhibited, udp: probe.AdminProhibited},
		{name: "cut short", family: 4, deed: always(func(q simnet.Query) []byte { return q.ICMP(gateway(q), 3, 13, q.Packet[:20]) }), tcp: none, udp: none},
		{name: "an extension header", family: 6, deed: always(hopByHop(1)), tcp: probe.SynAck, udp: probe.UDPResponse},
		{name: "a hundred extension headers", family: 6, deed: always(hopByHop(100)), tcp: none, udp: none, socketTCP: probe.SynAck, socketUDP: probe.UDPResponse},
	}
	return append(append(all, hostFacts()...), icmpFacts()...)
}
