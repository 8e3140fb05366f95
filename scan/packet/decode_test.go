package packet

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/gopacket/layers"

	"onmux/probe"
	"onmux/probe/request"
)

func TestDecodeTCP(t *testing.T) {
	forEachPath(t, func(t *testing.T, w *fixture) {
		for range 50 {
			a := w.ask(417, probe.TCP)
			r := w.expect("a SYN-ACK", w.tcp(a, nil), Valid, a, probe.SynAck)
			all := OptMSS | OptWindowScale | OptSACK | OptTimestamps
			if r.Kind != KindTCP || r.State != probe.Open || r.From != a.Addr || r.FromPort != 417 || r.Flags != SYN|ACK ||
				r.Window != 65160 ||
				r.Options != all || r.MSS != 1460 || r.Echo != a.clock || !r.Sure ||
				r.Payload != nil ||
				(r.MAC == testHop) != (w.Framing == Ethernet) {
				t.Errorf("%+v", r)
			}
			if res := r.Result(); res.Confidence != probe.High || res.Responder.IsValid() || res.Doubts != nil ||
				res.State != probe.Open ||
				res.TTL != testTTL {
				t.Errorf("%+v", res)
			}
			r = w.expect(
				"a RST",
				w.tcp(a, func(l *layers.TCP) { l.SYN, l.RST, l.Window, l.Options = false, true, 0, nil }),
				Valid,
				a,
				probe.Reset,
			)
			res := r.Result()
			if r.State != probe.Closed || r.Options != 0 || res.Confidence != probe.High || res.Doubts != nil {
				t.Errorf("%+v", r)
			}
			w.expect(
				"a RST that forgets the one",
				w.tcp(a, func(l *layers.TCP) { l.SYN, l.RST, l.Ack = false, true, a.seq }),
				Valid,
				a,
				probe.Reset,
			)
		}
	})
}

func TestDecodeRefusesTCP(t *testing.T) {
	forEachPath(t, func(t *testing.T, w *fixture) {
		a := w.ask(417, probe.TCP)
		for what, c := range map[string]struct {
			want   Validity
			change func(*layers.TCP)
		}{
			"a SYN-ACK of another number":    {Forged, func(l *layers.TCP) { l.Ack++ }},
			"a SYN-ACK that forgets the one": {Forged, func(l *layers.TCP) { l.Ack-- }},
			"a RST of another number":        {Forged, func(l *layers.TCP) { l.SYN, l.RST, l.Ack = false, true, a.seq+2 }},
			"all flags": {Forged,
				func(l *layers.TCP) { l.FIN, l.RST, l.PSH, l.URG = true, true, true, true }},
			"a SYN-ACK that is a RST": {Forged, func(l *layers.TCP) { l.RST = true }},
			"a SYN-ACK that is a FIN": {Forged, func(l *layers.TCP) { l.FIN = true }},
			"a RST that is a FIN": {Forged,
				func(l *layers.TCP) { l.SYN, l.RST, l.FIN = false, true, true }},
			"an answer from another port":     {Forged, func(l *layers.TCP) { l.SrcPort = 418 }},
			"a RST that acknowledges nothing": {Foreign, func(l *layers.TCP) { l.SYN, l.ACK, l.RST = false, false, true }},
			"a SYN":                           {Foreign, func(l *layers.TCP) { l.ACK = false }},
			"data":                            {Foreign, func(l *layers.TCP) { l.SYN = false }},
			"an answer to a port below": {Foreign,
				func(l *layers.TCP) { l.DstPort = layers.TCPPort(testTCP.First - 1) }},
			"an answer to a port above": {Foreign,
				func(l *layers.TCP) { l.DstPort = layers.TCPPort(testTCP.Last() + 1) }},
			"an answer to a source port of UDP": {Foreign, func(l *layers.TCP) { l.DstPort = layers.TCPPort(testUDP.First) }},
		} {
			w.expect(what, w.tcp(a, c.change), c.want, a, 0)
		}
		b := a
		b.Addr = randomAddr(w.Src)
		w.expect("an answer from another address", w.tcp(b, nil), Forged, a, 0)
	})
}

func TestDecodeUDP(t *testing.T) {
	forEachPath(t, func(t *testing.T, w *fixture) {
		for range 50 {
			a := w.ask(53, probe.UDP)
			r := w.expect("an answer", w.udp(a, 53, "y"), Valid, a, probe.UDPResponse)
			if r.Kind != KindUDP || r.State != probe.Open || r.FromPort != 53 || string(r.Payload) != "y" || r.Sure {
				t.Errorf("%+v", r)
			}
			r = w.expect("an empty answer", w.udp(a, 53, ""), Valid, a, probe.UDPResponse)
			if len(r.Payload) != 0 {
				t.Errorf("%+v", r)
			}
			wrong := a
			wrong.from = testUDP.First + (a.from-testUDP.First+1)%uint16(testUDP.Count())
			w.expect("an answer to another of our ports", w.udp(wrong, 53, ""), Forged, a, 0)
			wrong.from = testUDP.Last() + 1
			w.expect("an answer to a port that is not ours", w.udp(wrong, 53, ""), Foreign, a, 0)

			// A try for which 417 is asked for a file may be answered from there.
			for a = w.ask(69, probe.UDP); request.RepliesFromNewPort(417, a.try); a = w.ask(69, probe.UDP) {
			}
			r = w.expect("TFTP from a port of its own", w.udp(a, 0xfff0, "\x00\x05\x00\x01"), Valid, a, probe.UDPResponse)
			if r.FromPort != 0xfff0 {
				t.Errorf("%+v", r)
			}
			w.expect("from such a port, but no TFTP", w.udp(a, 0xfff0, "\x00\x07\x00\x01"), Forged, a, 0)
			w.expect("from such a port, and nothing", w.udp(a, 0xfff0, ""), Forged, a, 0)
		}
	})
}

// A port of which nothing is known is asked for a file too, in its turn.
func TestDecodeFilesOfAnyPort(t *testing.T) {
	forEachPath(t, func(t *testing.T, w *fixture) {
		const refusal = "\x00\x05\x00\x01"
		w.d = NewDecoder(w.Framing, w.c, []probe.Port{{Number: 417, Proto: probe.UDP}})
		a := w.ask(417, probe.UDP)
		for ; !request.RepliesFromNewPort(417, a.try); a = w.ask(417, probe.UDP) {
			w.expect("TFTP that was not asked", w.udp(a, 0xfff0, refusal), Forged, a, 0)
		}
		w.expect("TFTP from a port of its own", w.udp(a, 0xfff0, refusal), Valid, a, probe.UDPResponse)
		w.expect("from such a port, but no TFTP", w.udp(a, 0xfff0, "\x00\x07\x00\x01"), Forged, a, 0)
	})
}

// Where TFTP's own port is asked too, the number of the try shows which of them is
// answered.
func TestDecodeFilesOfSeveralPorts(t *testing.T) {
	forEachPath(t, func(t *testing.T, w *fixture) {
		const refusal = "\x00\x05\x00\x01"
		ports := []probe.Port{{Number: 69, Proto: probe.UDP}, {Number: 417, Proto: probe.UDP}}
		var err error
		if w.b, err = NewBuilder(w.Path, w.c, ports); err != nil {
			t.Fatal(err)
		}
		w.d = NewDecoder(w.Framing, w.c, ports)
		for range 50 {
			a := w.ask(417, probe.UDP)
			for ; !request.RepliesFromNewPort(417, a.try); a = w.ask(417, probe.UDP) {
			}
			w.expect("TFTP on 417", w.udp(a, 0xfff0, refusal), Valid, a, probe.UDPResponse)
			for ; a.Port != 69 || a.try != 1; a = w.ask(69, probe.UDP) {
			}
			w.expect("TFTP on 69", w.udp(a, 0xfff0, refusal), Valid, a, probe.UDPResponse)
			c := w.c.of(w.Src.AsSlice(), a.Addr.AsSlice(), 417, probe.UDP)
			if _, fits := testUDP.try(c, a.from); !fits {
				w.expect("TFTP on 69, from a port that is asked", w.udp(a, 417, refusal), Valid, a, probe.UDPResponse)
			}
		}
	})
}

// The protocol of a service proves more than a port: its answer returns the
// number of the question, which is of the cookie.
func TestDecodeUDPStamps(t *testing.T) {
	forEachPath(t, func(t *testing.T, w *fixture) {
		for _, c := range []struct {
			port uint16
			at   int
		}{{53, 0}, {111, 0}, {137, 0}, {5353, 0}, {5683, 2}, {11211, 0}, {2049, 0}} {
			ports := []probe.Port{{Number: c.port, Proto: probe.UDP}}
			var err error
			if w.b, err = NewBuilder(w.Path, w.c, ports); err != nil {
				t.Fatal(err)
			}
			w.d = NewDecoder(w.Framing, w.c, ports)
			a := w.ask(c.port, probe.UDP)
			payload := a.ip[w.header()+8:]
			if r := w.expect("an echo", w.udp(a, c.port, string(payload)), Valid, a, probe.UDPResponse); !r.Sure {
				t.Errorf("%d: not sure of %+v", c.port, r)
			}
			other := slices.Clone(payload)
			other[c.at] ^= 1
			for _, lie := range []string{string(other), string(payload[:c.at+1]), "", "o"} {
				if r := w.expect("another number", w.udp(a, c.port, lie), Valid, a, probe.UDPResponse); r.Sure {
					t.Errorf("%d: sure of %+v", c.port, r)
				}
			}
		}
	})
}

// Of those that guess, one in Width gets through; none does by another's answer.
func TestDecodeUDPGuesses(t *testing.T) {
	w := newFixture(t, Path{Framing: RawIP, Src: testSrc4})
	w.unsummed = true
	a := w.ask(53, probe.UDP)
	frame := w.udp(a, 53, "")
	right := 0
	for range 20000 {
		binary.BigEndian.PutUint32(frame[12:], rand.Uint32())
		resum(frame)
		if _, f := w.decode(frame); f == Valid {
			right++
		}
	}
	if most := 20000/testUDP.Width + 200; right > most {
		t.Errorf("%d of 20000 lies were believed, want about %d", right, 20000/testUDP.Width)
	}
}

func TestDecodeICMP(t *testing.T) {
	router := map[int]netip.Addr{32: netip.MustParseAddr("198.51.100.1"), 128: netip.MustParseAddr("2001:db8:ffff::1")}
	forEachPath(t, func(t *testing.T, w *fixture) {
		by := router[w.Src.BitLen()]
		for _, proto := range probe.Protos() {
			for _, from := range []string{"target", "router"} {
				a := w.ask(417, proto)
				sender := a.Addr
				if from == "router" {
					sender = by
				}
				for kind := range uint8(14) {
					for code := range uint8(17) {
						m := probe.ICMP{Type: kind, Code: code}
						state, reason := probe.FromICMP(a.Endpoint, sender, false, m)
						want := Valid
						if reason == probe.NoReason {
							want = Foreign
						}
						r := w.expect(fmt.Sprint(proto, m, from), w.icmp(sender, m, a.ip), want, a, reason)
						if want == Valid && (r.Kind != KindICMP || r.ICMP != m || r.State != state || r.From != sender || !r.Sure) {
							t.Errorf("%+v", r)
						}
					}
				}
				r := w.expect("a short quote", w.icmp(sender, w.unreachable(), a.ip[:w.header()+8]), Valid, a, probe.PortUnreach)
				if res := r.Result(); (res.Responder == by) != (from == "router") ||
					(res.Confidence == probe.High) != (from == "target") ||
					res.ICMP != w.unreachable() {
					t.Errorf("%+v", res)
				}
				w.expect("a quote too short", w.icmp(sender, w.unreachable(), a.ip[:w.header()+7]), Foreign, a, 0)
			}
		}
	})
}

// A quote that is not of a probe, to the last bit that it must return, is refused.
func TestDecodeRefusesQuotes(t *testing.T) {
	forEachPath(t, func(t *testing.T, w *fixture) {
		h, addrs := w.header(), 12
		if w.Src.Is6() {
			addrs = 8
		}
		for _, proto := range probe.Protos() {
			a := w.ask(417, proto)
			flip := func(what string, at int, bit byte, want Validity) {
				q := slices.Clone(a.ip)
				q[at] ^= bit
				w.expect(what, w.icmp(a.Addr, w.unreachable(), q), want, a, probe.PortUnreach)
			}
			flip("another version", 0, 0x20, Foreign)
			flip("another source", addrs, 1, Foreign)
			flip("a source port not ours", h, 0x80, Foreign)
			if proto == probe.TCP {
				for at := addrs + (h-addrs)/2; at < h; at++ {
					flip("another target", at, 1, Forged)
				}
				flip("another try's port is fine but for the try", h+3, 1, Forged)
				for at := h + 4; at < h+8; at++ {
					flip("another number", at, 0x10, Forged)
				}
			}
			if w.Src.Is4() {
				flip("options that are not there", 0, 1, Foreign)
				flip("a later fragment", 7, 1, Foreign)
				flip("another protocol", 9, 0x20, Foreign)
				flip("what routers change: TTL", 8, 0x3f, Valid)
				flip("and its checksum", 10, 0xff, Valid)
				flip("and the class", 1, 0xfc, Valid)
				flip("and the length", 2, 0xff, Valid)
			} else {
				flip("another protocol", 6, 0x20, Foreign)
				flip("what routers change: hop limit", 7, 0x3f, Valid)
			}
		}
		// Something on the way gives identifications of its own: less sure, but an answer.
		a := w.ask(417, probe.UDP)
		at := 4
		if w.Src.Is6() {
			at = 3
		}
		a.ip[at] ^= 1
		if r := w.expect("another identification", w.icmp(a.Addr, w.unreachable(), a.ip), Valid, a,
			probe.PortUnreach); r.Sure {
			t.Errorf("sure of %+v", r)
		}
	})
}

// RFC 4884: a quote padded to 128 bytes, with its length and extensions after it.
func TestDecodeICMPExtensions(t *testing.T) {
	forEachPath(t, func(t *testing.T, w *fixture) {
		a := w.ask(417, probe.TCP)
		quote := append(slices.Clone(a.ip), make([]byte, 128-len(a.ip))...)
		frame := w.icmp(a.Addr, w.unreachable(), append(quote, 0x20, 0, 0xde, 0xad, 0, 8, 1, 1, 1, 2, 3, 4))
		w.unsummed = true
		m := frame[w.linkLen()+w.header():]
		for _, length := range []byte{0, 1, 16, 32, 255} {
			m[4], m[5] = length, length
			w.expect(fmt.Sprint("a length of ", length), frame, Valid, a, probe.PortUnreach)
		}
	})
}

// A neighbor of this link is known by the zone in which it was asked.
func TestDecodeZone(t *testing.T) {
	w := newFixture(t, Path{MAC: testMAC, Src: netip.MustParseAddr("fe80::9")})
	w.d.Zone = "eth0"
	e := probe.Endpoint{Addr: netip.MustParseAddr("fe80::1%eth0"), Port: 417, Proto: probe.TCP}
	buf := make([]byte, w.b.MaxLen())
	if w.b.Put(buf, e, 3, testHop, 0) == 0 {
		t.Fatal("no probe")
	}
	tcp := buf[w.linkLen()+40:]
	a := sentProbe{Endpoint: e, try: 3, from: binary.BigEndian.Uint16(tcp), seq: binary.BigEndian.Uint32(tcp[4:])}
	a.Addr = a.Addr.WithZone("")
	r, f := w.decode(w.tcp(a, nil))
	if f != Valid || r.Endpoint != e || r.From != e.Addr || r.Src.Zone() != "eth0" || r.Result().Responder.IsValid() {
		t.Errorf("%d, %+v", f, r)
	}
}

func TestDoubts(t *testing.T) {
	w := newFixture(t, testPaths()[0])
	for _, c := range []struct {
		window  uint16
		options bool
		want    []probe.Doubt
	}{
		{1, true, nil}, {0, true, []probe.Doubt{zeroWindow}}, {1, false, []probe.Doubt{noOptions}},
		{0, false, []probe.Doubt{zeroWindow, noOptions}},
	} {
		r, _ := w.decode(w.tcp(w.ask(417, probe.TCP), func(l *layers.TCP) {
			l.Window = c.window
			if !c.options {
				l.Options = nil
			}
		}))
		res := r.Result()
		if !slices.Equal(res.Doubts, c.want) || (res.Confidence == probe.High) != (c.want == nil) {
			t.Errorf("window %d, options %t: %q, %s", c.window, c.options, res.Doubts, res.Confidence)
		}
		_ = append(res.Doubts, probe.Doubt{Kind: "of one caller"})
	}
	if len(doubts[1][0]) != 1 || doubts[1][1][1] != noOptions {
		t.Error("a caller's doubt is in everybody's")
	}
}

// TCP options that lie about their length end the list and nothing else.
func TestOptions(t *testing.T) {
	for in, want := range map[string]Options{
		"": 0, "\x00\x02\x04\x05\xb4": 0, "\x01\x01\x02\x04\x05\xb4": OptMSS, "\x02\x00": 0, "\x02\x01": 0, "\x02": 0,
		"\x02\x05\x05\xb4":     0,
		"\x02\x03\x05\x04\x02": OptSACK, "\x08\x0a\x00\x00\x00\x00\x00\x00\x00": 0, "\xfe\x02\x03\x03\x07": OptWindowScale,
	} {
		var r Reply
		if r.options([]byte(in)); r.Options != want {
			t.Errorf("%q: %b, want %b", in, r.Options, want)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, p := range testPaths()[1:5:5] {
		w := newFixture(b, p)
		tcp, udp, icmp := w.ask(417, probe.TCP), w.ask(417, probe.UDP), w.ask(417, probe.TCP)
		forged := w.tcp(tcp, func(l *layers.TCP) { l.Ack++ })
		for name, frame := range map[string][]byte{"syn-ack": w.tcp(tcp, nil), "udp": w.udp(udp, 417, "yes"),
			"icmp": w.icmp(icmp.Addr, w.unreachable(), icmp.ip), "forged": forged} {
			b.Run(name+"/"+p.testName(), func(b *testing.B) {
				r := new(Reply)
				b.ReportAllocs()
				for b.Loop() {
					if w.d.Decode(frame, w.unsummed, r) == Foreign {
						b.Fatal("no reply")
					}
				}
			})
		}
	}
}

// A scan sends and receives millions of packets: none of it is garbage.
func TestNoAllocations(t *testing.T) {
	forEachPath(t, func(t *testing.T, w *fixture) {
		w.d.Zone = "eth0"
		a := w.ask(417, probe.TCP)
		buf, r := make([]byte, w.b.MaxLen()), new(Reply)
		for what, f := range map[string]func(){
			"Put":         func() { w.b.Put(buf, a.Endpoint, a.try, testHop, 1) },
			"PutSolicit":  func() { PutSolicit(buf, w.Path, a.Addr) },
			"a SYN-ACK":   decoding(w, r, w.tcp(a, nil)),
			"an error":    decoding(w, r, w.icmp(a.Addr, w.unreachable(), a.ip)),
			"a datagram":  decoding(w, r, w.udp(w.ask(53, probe.UDP), 53, "yes")),
			"the results": func() { _ = r.Result() },
		} {
			if n := testing.AllocsPerRun(100, f); n != 0 {
				t.Errorf("%s: %v allocations", what, n)
			}
		}
	})
}

func decoding(w *fixture, r *Reply, frame []byte) func() {
	return func() { w.d.Decode(frame, w.unsummed, r) }
}
