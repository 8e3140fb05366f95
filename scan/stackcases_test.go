package scan_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"onmux/probe"
	"onmux/scan"
	"onmux/scan/engine"
	"onmux/scan/scantest"
	"onmux/scan/simnet"
)

// The options of RFC 7323 and RFC 2018, and some that are none.
var (
	allOptions    = []byte{2, 4, 5, 0xb4, 4, 2, 1, 3, 3, 7, 0, 0}
	brokenOptions = []byte{3, 0, 2, 40, 8, 1, 0xff, 0xff}
)

// eachOf has a host answer the protocols in different ways; nil is silence.
func eachOf(tcp, udp func(simnet.Query) []byte) func(simnet.Query) []byte {
	return func(q simnet.Query) []byte {
		if f := map[probe.Proto]func(simnet.Query) []byte{probe.TCP: tcp, probe.UDP: udp}[q.Proto]; f != nil {
			return f(q)
		}
		return nil
	}
}

// sendsDatagram has the host answer with a datagram.
func sendsDatagram(payload []byte) func(simnet.Query) []byte {
	return eachOf(nil, func(q simnet.Query) []byte { return q.UDP(q.To, payload) })
}

// once has a host answer the first probe only.
func once(f ...func(simnet.Query) []byte) responder {
	return func(q simnet.Query, n int) [][]byte {
		if n > 1 {
			return nil
		}
		return always(f...)(q, n)
	}
}

// stackCases are the ways in which stacks, and what imitates one, answer: RFC 9293
// sections 3.5.2 and 3.10.7.3, and RFC 768.
func stackCases() []hostCase {
	syn := func(flags byte, window uint16, options ...byte) responder {
		return always(segment(simnet.Segment{Flags: flags, Window: window, Options: options}))
	}
	return []hostCase{
		{
			name:    "no options",
			respond: syn(simnet.SYN|simnet.ACK, 1024),
			tcp:     probe.SynAck,
			note:    string(probe.DoubtNoOptions),
		},
		{
			name:       "zero window",
			respond:    syn(simnet.SYN|simnet.ACK, 0, 2, 4, 5, 0xb4),
			tcp:        probe.SynAck,
			note:       string(probe.DoubtZeroWindow),
			socketNote: true,
		},
		{
			name:       "zero window, no options",
			respond:    syn(simnet.SYN|simnet.ACK, 0),
			tcp:        probe.SynAck,
			note:       string(probe.DoubtZeroWindow),
			socketNote: true,
		},
		{name: "all options", respond: syn(simnet.SYN|simnet.ACK, 1, allOptions...), tcp: probe.SynAck},
		{
			name:    "broken options",
			respond: syn(simnet.SYN|simnet.ACK, 512, brokenOptions...),
			tcp:     probe.SynAck,
			note:    string(probe.DoubtNoOptions),
		},
		{
			name:    "SYN-ACK with other flags",
			respond: syn(simnet.SYN|simnet.ACK|ece|psh, 512, allOptions...),
			tcp:     probe.SynAck,
		},
		{name: "SYN-ACK, then silence", respond: once(segment(synAck)), once: true, tcp: probe.SynAck},
		{
			name:    "SYN-ACK, then RST",
			respond: always(segment(synAck), segment(simnet.Segment{Flags: simnet.RST | simnet.ACK, AfterSynAck: true})),
			tcp:     probe.SynAck,
			note:    string(probe.DoubtResetFollowed), resetFollows: true,
		},
		{
			name:    "SYN-ACK, then RST of no connection",
			respond: always(segment(synAck), segment(refuse)),
			tcp:     probe.SynAck,
			note:    string(probe.DoubtResetFollowed), resetFollows: true,
		},
		{
			name:           "RST, then SYN-ACK",
			respond:        always(segment(refuse), segment(synAck)),
			tcp:            probe.SynAck,
			socketTCP:      probe.Reset,
			contradictions: 1,
		},
		{
			name:    "RST, then silence",
			respond: once(closed),
			once:    true,
			tcp:     probe.Reset,
			udp:     probe.PortUnreach,
			self:    true,
		},
		{name: "RST three times", respond: always(segment(refuse), segment(refuse), segment(refuse)), tcp: probe.Reset},
		{name: "all flags", respond: syn(0x3f, 0), tcp: none, forged: 1, socketTCP: probe.Reset},
		{
			name:      "RST and SYN",
			respond:   syn(simnet.RST|simnet.SYN|simnet.ACK, 0),
			tcp:       none,
			forged:    1,
			socketTCP: probe.Reset,
		},
		{name: "RST and FIN", respond: syn(simnet.RST|fin|simnet.ACK, 0), tcp: none, forged: 1, socketTCP: probe.Reset},
		{
			name:      "SYN-ACK and FIN",
			respond:   syn(simnet.SYN|fin|simnet.ACK, 512, allOptions...),
			tcp:       none,
			forged:    1,
			socketTCP: probe.SynAck,
		},
		{
			name:      "the RST acknowledges nothing new",
			respond:   always(segment(simnet.Segment{Flags: simnet.RST | simnet.ACK, AckOffset: ^uint32(0)})),
			tcp:       probe.Reset,
			socketTCP: none,
		},
		{name: "the second SYN is refused", tries: 2, tcp: probe.Reset, respond: func(q simnet.Query, n int) [][]byte {
			if n == 1 || q.Proto == probe.UDP {
				return nil
			}
			return [][]byte{closed(q)}
		}},
		{name: "a SYN of its own", respond: syn(simnet.SYN, 512, allOptions...), tcp: none},
		{name: "FIN and ACK", respond: syn(fin|simnet.ACK, 512), tcp: none},
		{name: "no flags", respond: syn(0, 512), tcp: none},

		{name: "an empty datagram", respond: always(sendsDatagram(nil)), udp: probe.UDPResponse},
		{name: "a large datagram", respond: always(sendsDatagram(make([]byte, 1400))), udp: probe.UDPResponse},
		{
			name:    "the question comes back",
			udp:     probe.UDPResponse,
			respond: always(eachOf(nil, func(q simnet.Query) []byte { return q.UDP(q.To, q.Payload) })),
		},
		{
			name:           "a datagram, then a refusal",
			respond:        always(eachOf(nil, open), eachOf(nil, closed)),
			udp:            probe.UDPResponse,
			contradictions: 1,
		},
		{
			name:           "a refusal, then a datagram",
			packets:        true,
			respond:        always(eachOf(nil, closed), eachOf(nil, open)),
			udp:            probe.UDPResponse,
			contradictions: 1,
		},
		{name: "refused by itself and by a router", packets: true, udp: probe.PortUnreach, self: true, contradictions: 1,
			respond: always(eachOf(nil, closed), eachOf(nil, routed(3, 3)), eachOf(nil, routed(1, 4)))},
		{name: "another address of it answers", udp: none, respond: always(eachOf(nil, func(q simnet.Query) []byte {
			return q.UDP(netip.AddrPortFrom(gateway(q), q.To.Port()), []byte("here"))
		})), forged: 1},
	}
}

// checksumCases are answers that were damaged on the way, and answers to a try that
// was not sent.
func checksumCases() []hostCase {
	return []hostCase{
		{name: "a wrong checksum", respond: always(damaged(open)), tcp: none, udp: none, forged: 1},
		{name: "a refusal with a wrong checksum", respond: always(damaged(closed)), tcp: none, udp: none, forged: 1},
		{
			name:    "a router's error with a wrong checksum",
			family:  4,
			respond: always(damaged(routed(3, 1))),
			tcp:     none,
			udp:     none,
			forged:  1,
		},
		{
			name:    "a wrong checksum, then a right one",
			respond: always(damaged(closed), open),
			tcp:     probe.SynAck,
			udp:     probe.UDPResponse,
			forged:  1,
		},
		{name: "a wrong header", family: 4, respond: always(wrongHeader(open)), tcp: none, udp: none, forged: 1},
		{
			name:    "a refusal with a wrong header",
			family:  4,
			respond: always(wrongHeader(closed)),
			tcp:     none,
			udp:     none,
			forged:  1,
		},
		{name: "a long datagram, damaged", respond: always(damaged(sendsDatagram(make([]byte, 1400)))), udp: none, forged: 1},
		{name: "no checksum", family: 4, respond: always(withoutChecksum), udp: probe.UDPResponse},
		{name: "no checksum", family: 6, respond: always(withoutChecksum), udp: none, forged: 1},
		{
			name:    "an answer to a later try",
			respond: always(toLaterTry(open)),
			tcp:     none,
			udp:     none,
		},
		{
			name:    "a refusal of a later try, then silence",
			respond: once(toLaterTry(closed)),
			tcp:     none,
		},
	}
}

// transportOf is what follows the IP header, of the usual length.
func transportOf(b []byte) []byte {
	if b[0]>>4 == 4 {
		return b[20:]
	}
	return b[40:]
}

// damaged inverts a bit of the last byte of an answer, and where that is a pad byte
// or part of a quoted packet, the checksum is wrong all the same.
func damaged(f func(simnet.Query) []byte) func(simnet.Query) []byte {
	return func(q simnet.Query) []byte {
		b := f(q)
		if len(b) > 0 {
			b[len(b)-1] ^= 1
		}
		return b
	}
}

// wrongHeader makes the TTL of an answer one that its checksum does not cover.
func wrongHeader(f func(simnet.Query) []byte) func(simnet.Query) []byte {
	return func(q simnet.Query) []byte {
		b := f(q)
		b[8]--
		return b
	}
}

// withoutChecksum is a datagram without a checksum.
func withoutChecksum(q simnet.Query) []byte {
	if q.Proto == probe.TCP {
		return nil
	}
	b := open(q)
	copy(transportOf(b)[6:], "\x00\x00")
	return b
}

// toLaterTry answers to the source port of a try that is never sent.
func toLaterTry(f func(simnet.Query) []byte) func(simnet.Query) []byte {
	return func(q simnet.Query) []byte {
		later := uint16(5)
		if q.Proto == probe.UDP {
			later *= 16 // ports of each try
		}
		at := netip.AddrPortFrom(q.From.Addr(), q.From.Port()+later)
		q.Packet = append([]byte(nil), q.Packet...)
		binary.BigEndian.PutUint16(transportOf(q.Packet), at.Port())
		q.From = at
		return f(q)
	}
}

// More flags of TCP, RFC 9293 section 3.1 and RFC 3168.
const fin, psh, ece = 1, 8, 64

// TestTruthContradictions has both answers of a contradiction reported in words that
// differ.
func TestTruthContradictions(t *testing.T) {
	for name, want := range map[string]string{
		"RST, then SYN-ACK":                 "10.92.1.1:417/tcp reset, then syn-ack",
		"refused by itself and by a router": "10.92.1.1:417/udp port-unreach, then port-unreach from another host",
	} {
		synctest.Test(t, func(t *testing.T) {
			all := stackCases()
			i := slices.IndexFunc(all, func(f hostCase) bool { return f.name == name })
			w := newTestNet(all[i:i+1], netip.MustParseAddr("10.92.1.1"), netip.MustParseAddr("fd92::101"))
			plan := scantest.NewPlan(t, both, "10.92.1.1")
			s := scantest.Run(t.Context(), scan.Config{Plan: plan, Engine: newPacketEngine(t, w, plan)})
			s.RequireComplete(t)
			n := noted(s.Coverage, scan.CoverContradictions)
			if n.Count != 1 ||
				fmt.Sprintf("%s %s, then %s", n.Examples[0].Endpoint, n.Examples[0].First, n.Examples[0].Then) != want {
				t.Errorf("%s: coverage %+v, want %q", name, s.Coverage, want)
			}
		})
	}
}

// TestTruthLateReset has a host reset its SYN-ACK late, when that of another host
// has just come: that is a contradiction of the first, and no doubt of the second.
func TestTruthLateReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := synScript{newScript(nil)}
		done := make(chan struct{})
		e.send = func(s *script, _ context.Context, batch []engine.Probe) (int, error) {
			asked := slices.Clone(batch)
			go func() {
				defer close(done)
				s.deliver(asked[0], probe.SynAck)
				time.Sleep(300 * time.Millisecond)
				s.deliver(asked[1], probe.SynAck)
				s.deliver(asked[0], probe.Reset)
			}()
			return len(batch), nil
		}
		s := scantest.Run(
			t.Context(),
			scan.Config{Plan: scantest.NewPlan(t, []probe.Port{tcp417}, "192.0.2.1-2"), Engine: e, All: true},
		)
		<-done
		s.RequireComplete(t)
		for at, r := range s.Results(t) {
			if r.State != probe.Open || len(r.Notes) > 0 {
				t.Errorf("%v is %v, notes %q", at, r.State, r.Notes)
			}
		}
		if s.Contradictions != 1 {
			t.Errorf("%d contradictions: %+v", s.Contradictions, s.Coverage)
		}
	})
}
