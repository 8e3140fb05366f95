package scan_test

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"onmux/probe"
	"onmux/scan/simnet"
)

// responder is what a host, or a device before it, sends when it is asked for the
// n-th time (1 …).
type responder func(q simnet.Query, n int) [][]byte

// hostCase is one row of the truth table: what a host does and what is to be
// reported of it. A protocol without a reason is not asked. It holds for both
// families unless it names one.
type hostCase struct {
	name           string
	family         int // 4, 6 or 0 for both
	respond        responder
	tcp, udp       probe.Reason
	self           bool // the host itself sends the port-unreach
	tries          int  // after how many tries, if not 1, or 2 for silence
	forged         int  // packets for each probe that prove nothing
	contradictions int  // answers to each probe that contradict another

	// note is a part of a note on the TCP port, socketNote is set if it is reported
	// with sockets too.
	note         string
	socketNote   bool
	resetFollows bool // the note is there if the reset comes in time, and else a contradiction

	// With sockets the kernel decides, and sees less or something else: the reason
	// then, where it differs.
	socketTCP, socketUDP probe.Reason
	packets              bool // not asked with sockets: the result there is a race
	once                 bool // the first probe alone is answered
}

var (
	synAck = simnet.Segment{Flags: simnet.SYN | simnet.ACK, Window: 64240, Options: []byte{2, 4, 5, 0xb4}}
	refuse = simnet.Segment{Flags: simnet.RST | simnet.ACK}
)

// open answers a probe as a server does.
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

func always(f ...func(simnet.Query) []byte) responder {
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

// segment has the host send a segment; to UDP it sends nothing.
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
func misquoted(at int) func(simnet.Query) []byte {
	return func(q simnet.Query) []byte {
		forged := append([]byte(nil), q.Packet...)
		kind, code, header := byte(3), byte(13), 20
		if q.To.Addr().Is6() {
			kind, code, header = 1, 1, 40
		}
		forged[header+at] ^= 0x55
		return q.ICMP(gateway(q), kind, code, forged)
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

// hostCases is the truth table.
func hostCases() []hostCase {
	all := []hostCase{
		{name: "silent", respond: always(), tcp: none, udp: none},
		{name: "open", respond: always(open), tcp: probe.SynAck, udp: probe.UDPResponse},
		{name: "closed", respond: always(closed), tcp: probe.Reset, udp: probe.PortUnreach, self: true},
		{name: "three times", respond: always(open, open, open), tcp: probe.SynAck, udp: probe.UDPResponse},
		{
			name:  "the first is lost",
			tries: 2,
			tcp:   probe.SynAck,
			udp:   probe.UDPResponse,
			respond: func(q simnet.Query, n int) [][]byte {
				if n == 1 {
					return nil
				}
				return [][]byte{open(q)}
			},
		},

		// What proves nothing changes nothing, and is counted.
		{
			name:    "SYN-ACK of another SYN",
			respond: always(segment(simnet.Segment{Flags: simnet.SYN | simnet.ACK, AckOffset: 1})),
			tcp:     none,
			forged:  1,
		},
		{
			name:    "RST of another SYN",
			respond: always(segment(simnet.Segment{Flags: simnet.RST | simnet.ACK, AckOffset: 77})),
			tcp:     none,
			forged:  1,
		},
		{
			name:    "forged, then true",
			respond: always(segment(simnet.Segment{Flags: simnet.RST | simnet.ACK, AckOffset: 77}), open),
			tcp:     probe.SynAck,
			forged:  1,
		},
		{name: "RST without ACK", respond: always(segment(simnet.Segment{Flags: simnet.RST})), tcp: none},
		{name: "ACK alone", respond: always(segment(simnet.Segment{Flags: simnet.ACK})), tcp: none},
		{name: "another port answers", udp: none, forged: 1, respond: always(func(q simnet.Query) []byte {
			return q.UDP(netip.AddrPortFrom(q.To.Addr(), 418), []byte("here"))
		})},
		{name: "another host answers", udp: none, forged: 1, respond: always(func(q simnet.Query) []byte {
			return q.UDP(netip.AddrPortFrom(gateway(q), 418), []byte("here"))
		})},
		{name: "quotes another sequence number", respond: always(misquoted(4)), tcp: none, forged: 1},
		{name: "quotes another source port", respond: always(misquoted(0)), tcp: none, udp: none},
		{name: "quotes another destination port", respond: always(misquoted(3)), tcp: none, udp: none, forged: 1},

		{
			name:           "ICMP, then open",
			family:         4,
			packets:        true,
			respond:        always(routed(3, 1), open),
			tcp:            probe.SynAck,
			udp:            probe.UDPResponse,
			contradictions: 1,
		},
		{
			name:    "eight bytes and extensions",
			family:  4,
			respond: always(extended),
			tcp:     probe.AdminProhibited,
			udp:     probe.AdminProhibited,
		},
		{
			name:    "cut short",
			family:  4,
			respond: always(func(q simnet.Query) []byte { return q.ICMP(gateway(q), 3, 13, q.Packet[:20]) }),
			tcp:     none,
			udp:     none,
		},
		{name: "an extension header", family: 6, respond: always(hopByHop(1)), tcp: probe.SynAck, udp: probe.UDPResponse},
		{
			name:      "a hundred extension headers",
			family:    6,
			respond:   always(hopByHop(100)),
			tcp:       none,
			udp:       none,
			socketTCP: probe.SynAck,
			socketUDP: probe.UDPResponse,
		},
	}
	return slices.Concat(all, stackCases(), checksumCases(), icmpCases())
}
