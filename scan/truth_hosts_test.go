package scan_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"onmux/probe"
	"onmux/scan"
	"onmux/scan/engine"
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

// says has the host answer with a datagram.
func says(payload []byte) func(simnet.Query) []byte {
	return eachOf(nil, func(q simnet.Query) []byte { return q.UDP(q.To, payload) })
}

// once has a host answer the first question only.
func once(f ...func(simnet.Query) []byte) deed {
	return func(q simnet.Query, n int) [][]byte {
		if n > 1 {
			return nil
		}
		return always(f...)(q, n)
	}
}

// hostFacts are the ways in which stacks, and who plays one, answer: RFC 9293
// sections 3.5.2 and 3.10.7.3, and RFC 768.
func hostFacts() []fact {
	syn := func(flags byte, window uint16, options ...byte) deed {
		return always(segment(simnet.Segment{Flags: flags, Window: window, Options: options}))
	}
	return []fact{
		{name: "no options", deed: syn(simnet.SYN|simnet.ACK, 1024), tcp: probe.SynAck, note: "without a single TCP option"},
		{name: "zero window", deed: syn(simnet.SYN|simnet.ACK, 0, 2, 4, 5, 0xb4), tcp: probe.SynAck, note: probe.NoteZeroWindow, socketNote: true},
		{name: "zero window, no options", deed: syn(simnet.SYN|simnet.ACK, 0), tcp: probe.SynAck, note: probe.NoteZeroWindow, socketNote: true},
		{name: "all options", deed: syn(simnet.SYN|simnet.ACK, 1, allOptions...), tcp: probe.SynAck},
		{name: "broken options", deed: syn(simnet.SYN|simnet.ACK, 512, brokenOptions...), tcp: probe.SynAck, note: "without a single TCP option"},
		{name: "SYN-ACK with other flags", deed: syn(simnet.SYN|simnet.ACK|ece|psh, 512, allOptions...), tcp: probe.SynAck},
		{name: "SYN-ACK, then silence", deed: once(segment(synAck)), tcp: probe.SynAck},
		{name: "SYN-ACK, then RST", deed: always(segment(synAck), segment(simnet.Segment{Flags: simnet.RST | simnet.ACK, Next: true})), tcp: probe.SynAck, note: string(probe.DoubtResetFollowed)},
		{name: "SYN-ACK, then RST of no connection", deed: always(segment(synAck), segment(refuse)), tcp: probe.SynAck, note: string(probe.DoubtResetFollowed)},
		{name: "RST, then SYN-ACK", deed: always(segment(refuse), segment(synAck)), tcp: probe.SynAck, socketTCP: probe.Reset, disputed: 1},
		{name: "RST, then silence", deed: once(closed), tcp: probe.Reset, udp: probe.PortUnreach, self: true},
		{name: "RST three times", deed: always(segment(refuse), segment(refuse), segment(refuse)), tcp: probe.Reset},
		{name: "RST with all flags", deed: syn(0x3f, 0), tcp: probe.Reset},
		{name: "RST and SYN", deed: syn(simnet.RST|simnet.SYN|simnet.ACK, 0), tcp: probe.Reset},
		{name: "the RST acknowledges nothing new", deed: always(segment(simnet.Segment{Flags: simnet.RST | simnet.ACK, Ahead: ^uint32(0)})),
			tcp: probe.Reset, socketTCP: none},
		{name: "the second SYN is refused", tries: 2, tcp: probe.Reset, deed: func(q simnet.Query, n int) [][]byte {
			if n == 1 || q.Proto == probe.UDP {
				return nil
			}
			return [][]byte{closed(q)}
		}},
		{name: "a SYN of its own", deed: syn(simnet.SYN, 512, allOptions...), tcp: none},
		{name: "FIN and ACK", deed: syn(fin|simnet.ACK, 512), tcp: none},
		{name: "no flags", deed: syn(0, 512), tcp: none},

		{name: "an empty datagram", deed: always(says(nil)), udp: probe.UDPResponse},
		{name: "a large datagram", deed: always(says(make([]byte, 1400))), udp: probe.UDPResponse},
		{name: "the question comes back", udp: probe.UDPResponse, deed: always(eachOf(nil, func(q simnet.Query) []byte { return q.UDP(q.To, q.Payload) }))},
		{name: "a datagram, then a refusal", deed: always(eachOf(nil, open), eachOf(nil, closed)), udp: probe.UDPResponse, disputed: 1},
		{name: "a refusal, then a datagram", packets: true, deed: always(eachOf(nil, closed), eachOf(nil, open)), udp: probe.UDPResponse, disputed: 1},
		{name: "refused by itself and by a router", packets: true, udp: probe.PortUnreach, self: true, disputed: 1,
			deed: always(eachOf(nil, closed), eachOf(nil, routed(3, 3)), eachOf(nil, routed(1, 4)))},
		{name: "another address of it answers", udp: none, deed: always(eachOf(nil, func(q simnet.Query) []byte {
			return q.UDP(netip.AddrPortFrom(gateway(q), q.To.Port()), []byte("here"))
		})), forged: 1},
	}
}

// More flags of TCP, RFC 9293 section 3.1 and RFC 3168.
const fin, psh, ece = 1, 8, 64

// TestTruthContradictions has both answers of a contradiction told in words that
// differ.
func TestTruthContradictions(t *testing.T) {
	for name, want := range map[string]string{
		"RST, then SYN-ACK":                 "10.92.1.1:417/tcp reset, then syn-ack",
		"refused by itself and by a router": "10.92.1.1:417/udp port-unreach, then port-unreach from another host",
	} {
		synctest.Test(t, func(t *testing.T) {
			all := hostFacts()
			i := slices.IndexFunc(all, func(f fact) bool { return f.name == name })
			w := newWorld(all[i:i+1], netip.MustParseAddr("10.92.1.1"), netip.MustParseAddr("fd92::101"))
			plan := planOf(t, both, "10.92.1.1")
			s := sweep(t.Context(), scan.Config{Plan: plan, Engine: newWire(t, w, plan)})
			s.ok(t)
			n := noted(s.Coverage, scan.CoverContradictions)
			if n.Count != 1 || fmt.Sprintf("%s %s, then %s", n.Examples[0].Endpoint, n.Examples[0].First, n.Examples[0].Then) != want {
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
				s.hear(asked[0], probe.SynAck)
				time.Sleep(300 * time.Millisecond)
				s.hear(asked[1], probe.SynAck)
				s.hear(asked[0], probe.Reset)
			}()
			return len(batch), nil
		}
		s := sweep(t.Context(), scan.Config{Plan: planOf(t, []probe.Port{tcp417}, "192.0.2.1-2"), Engine: e, All: true})
		<-done
		s.ok(t)
		for at, r := range s.told(t) {
			if r.State != probe.Open || len(r.Notes) > 0 {
				t.Errorf("%v is %v, notes %q", at, r.State, r.Notes)
			}
		}
		if s.Contradictions != 1 {
			t.Errorf("%d contradictions: %+v", s.Contradictions, s.Coverage)
		}
	})
}
