package wire

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"onmux/probe"
	"onmux/probe/traffic"
	"onmux/scan/packet"
)

// forEachFamily runs a test with a scene of IPv4 and one of IPv6.
func forEachFamily(t *testing.T, f func(*testing.T, *scene)) {
	for name, addresses := range families {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, newScene(t, addresses))
		})
	}
}

// expect compares the state and the reason of the only endpoint, and of its only flow.
func (s *scene) expect(state probe.State, reason probe.Reason) (probe.Result, Flow) {
	s.Helper()
	got := s.watch()
	r := got.one(s)
	if r.State != state || r.Reason != reason || r.Addr != s.server || r.Port != 417 {
		s.Errorf("%s is %s (%s), want %s (%s)", r.Endpoint, r.State, r.Reason, state, reason)
	}
	if (r.State == probe.Unknown) != (len(r.Facts) > 0) {
		s.Errorf("%s with the facts %+v", r.State, r.Facts)
	}
	if len(got.flows) != 1 {
		s.Fatalf("%d flows", len(got.flows))
	}
	f := got.flows[0]
	if f.Client != s.client || f.Endpoint != r.Endpoint || f.State != state || f.Reason != reason {
		s.Errorf("flow %+v", f)
	}
	return r, f
}

func TestAccepted(t *testing.T) {
	t.Parallel()
	forEachFamily(t, func(t *testing.T, s *scene) {
		s.accept(4000)
		c, e := s.places(4000)
		s.put(s.tcp(c, e, packet.ACK, 1001, 5001, "question"))
		s.put(s.tcp(e, c, packet.ACK, 5001, 1009, "the answer"))
		s.put(s.tcp(c, e, packet.ACK|packet.FIN, 1009, 5011, ""))
		s.put(s.tcp(e, c, packet.ACK|packet.FIN, 5011, 1010, ""))
		s.put(s.tcp(c, e, packet.ACK, 1010, 5012, ""))
		r, f := s.expect(probe.Open, probe.SynAck)
		ms := probe.Millis(time.Millisecond)
		if r.RTT != ms || r.TTL != 64 || r.Confidence != probe.High || r.Tries != 1 || len(r.Doubts) != 0 {
			t.Errorf("%+v", r)
		}
		want := traffic.Totals{First: moment(start + millis), Last: moment(start + 8*millis), Clients: 1, Connections: 1,
			Answered: 1, Sent: traffic.Volume{Packets: 5, Bytes: 8}, Received: traffic.Volume{Packets: 3, Bytes: 10}}
		if *r.Traffic != want {
			t.Errorf("%+v, want %+v", *r.Traffic, want)
		}
		if f.ClientPort != 4000 || f.RTT != ms || f.ClientRTT != ms || f.End != Closed || f.Sent != want.Sent ||
			f.Received != want.Received || f.First != want.First || f.Last != want.Last {
			t.Errorf("%+v", f)
		}
	})
}

func TestRefused(t *testing.T) {
	t.Parallel()
	forEachFamily(t, func(t *testing.T, s *scene) {
		s.syn(4000)
		c, e := s.places(4000)
		s.put(s.tcp(e, c, packet.RST|packet.ACK, 0, 1001, ""))
		r, _ := s.expect(probe.Closed, probe.Reset)
		if r.Traffic.Refused != 1 || r.RTT == 0 {
			t.Errorf("%+v", r.Traffic)
		}
	})
}

// A RST that answers nothing, or something else, changes nothing.
func TestStray(t *testing.T) {
	t.Parallel()
	forEachFamily(t, func(t *testing.T, s *scene) {
		c, e := s.places(4000)
		s.put(s.tcp(e, c, packet.RST|packet.ACK, 0, 1001, "")) // before anybody asked
		s.syn(4000)
		s.put(s.tcp(e, c, packet.RST|packet.ACK, 0, 77, ""))
		s.put(s.tcp(e, c, packet.RST, 0, 1001, ""))
		s.put(s.tcp(e, c, packet.SYN|packet.ACK, 5000, 77, ""))
		s.put(s.udp(e, c, "nobody asked"))
		s.pause()
		s.expect(probe.Filtered, probe.NoResponse)
		if got := s.watch().outcome; got.Stray != 5 {
			t.Errorf("%d strays", got.Stray)
		}
	})
}

func TestSilence(t *testing.T) {
	t.Parallel()
	forEachFamily(t, func(t *testing.T, s *scene) {
		s.syn(4000)
		s.syn(4000)
		s.pause()
		r, f := s.expect(probe.Filtered, probe.NoResponse)
		if r.Tries != 2 || r.Traffic.Silent != 1 || f.Tries != 2 || f.Sent.Repeated != 1 || r.Confidence != "" {
			t.Errorf("%+v %+v", r, f)
		}
	})
	forEachFamily(t, func(t *testing.T, s *scene) {
		s.syn(4000)
		s.syn(4000)
		s.expect(probe.Unknown, probe.NoReason) // the capture ends too early
	})
	forEachFamily(t, func(t *testing.T, s *scene) {
		c, e := s.places(4000)
		s.put(s.udp(c, e, "question"))
		s.pause()
		s.expect(probe.OpenFiltered, probe.NoResponse)
	})
}

func TestDatagrams(t *testing.T) {
	t.Parallel()
	forEachFamily(t, func(t *testing.T, s *scene) {
		c, e := s.places(4000)
		s.put(s.udp(c, e, "question"))
		s.put(s.udp(e, c, "answer"))
		r, f := s.expect(probe.Open, probe.UDPResponse)
		if r.RTT == 0 || f.Sent.Bytes != 8 || f.Received.Bytes != 6 || r.Service == nil || r.Service.Name != "unknown" {
			t.Errorf("%+v %+v", r, f)
		}
	})
}

// TestErrors: each ICMP error means what it means to a probe, from the endpoint and from a
// router, to TCP and UDP.
func TestErrors(t *testing.T) {
	t.Parallel()
	forEachFamily(t, func(t *testing.T, base *scene) {
		kinds := []uint8{1, 3}
		if base.client.Is4() {
			kinds = []uint8{3, 11}
		}
		for _, kind := range kinds {
			for code := range uint8(17) {
				for _, from := range []netip.Addr{base.server, base.router} {
					for _, proto := range probe.Protos() {
						m := probe.ICMP{Type: kind, Code: code}
						t.Run(fmt.Sprint(m, from, proto), func(t *testing.T) { errorCase(t, base.family, m, from, proto) })
					}
				}
			}
		}
	})
}

func errorCase(t *testing.T, f family, m probe.ICMP, from netip.Addr, proto probe.Proto) {
	s := newScene(t, f)
	c, e := s.places(4000)
	var asked []byte
	if proto == probe.TCP {
		asked = s.syn(4000)
	} else {
		asked = s.udp(c, e, "question")
		s.put(asked)
	}
	s.put(s.icmp(from, m, asked))
	s.pause()
	want := probe.Endpoint{Addr: s.server, Port: 417, Proto: proto}
	state, reason := probe.FromICMP(want, from, false, m)
	if reason == probe.NoReason {
		state, reason = probe.Verdict(proto, probe.NoResponse, false), probe.NoResponse
		s.expect(state, reason)
		return
	}
	if state == probe.Unknown { // of TCP: nothing that a probe could be answered by
		return
	}
	r, _ := s.expect(state, reason)
	if r.ICMP != m || r.Responder.IsValid() != (from != s.server) || r.Responder.IsValid() && r.Responder != from {
		t.Errorf("%+v", r)
	}
}

// An error about another connection, or a forged one, changes nothing.
func TestForgedError(t *testing.T) {
	t.Parallel()
	forEachFamily(t, func(t *testing.T, s *scene) {
		s.syn(4000)
		c, e := s.places(4000)
		other, _ := s.places(4001)
		m := probe.ICMP{Type: 3, Code: 13}
		if s.client.Is6() {
			m = probe.ICMP{Type: 1, Code: 1}
		}
		s.put(s.icmp(s.router, m, s.tcp(c, e, packet.SYN, 999, 0, "")))
		s.put(s.icmp(s.router, m, s.tcp(other, e, packet.SYN, 1000, 0, "")))
		s.put(s.icmp(s.router, m, s.tcp(e, c, packet.SYN, 1000, 0, "")))
		s.pause()
		s.expect(probe.Filtered, probe.NoResponse)
	})
}

// TestNoNeighbor: the client's own machine reports that nobody has the address.
func TestNoNeighbor(t *testing.T) {
	t.Parallel()
	forEachFamily(t, func(t *testing.T, s *scene) {
		asked := s.syn(4000)
		m := probe.ICMP{Type: 3, Code: 1}
		if s.client.Is6() {
			m = probe.ICMP{Type: 1, Code: 3}
		}
		s.put(s.icmp(s.client, m, asked))
		s.expect(probe.Unreachable, probe.NoNeighbor)
	})
}

// TestOneDirection: where only the client's packets pass, its going on shows the answer,
// and silence shows nothing.
func TestOneDirection(t *testing.T) {
	t.Parallel()
	forEachFamily(t, func(t *testing.T, s *scene) {
		c, e := s.places(4000)
		s.syn(4000)
		s.put(s.tcp(c, e, packet.ACK, 1001, 5001, ""))
		s.put(s.tcp(c, e, packet.ACK, 1001, 5001, "question"))
		s.server = s.server.Next()
		s.syn(4001)
		s.pause()
		got := s.watch()
		if len(got.endpoints) != 2 || got.endpoints[0].State != probe.Open || got.endpoints[0].Reason != probe.NoReason ||
			got.endpoints[0].Confidence != probe.Medium || got.endpoints[1].State != probe.Unknown ||
			len(got.endpoints[1].Facts) == 0 {
			t.Fatalf("%+v", got.endpoints)
		}
		if d := got.endpoints[0].Doubts; len(d) != 1 || d[0].Kind != probe.DoubtNotCaptured {
			t.Errorf("%+v", d)
		}
	})
}

// TestMidway: a connection that began before the capture.
func TestMidway(t *testing.T) {
	t.Parallel()
	forEachFamily(t, func(t *testing.T, s *scene) {
		c, e := s.places(50000)
		s.put(s.tcp(e, c, packet.ACK, 90, 70, "SSH-2.0-not the beginning\r\n"))
		s.put(s.tcp(c, e, packet.ACK, 70, 117, "data"))
		r, f := s.expect(probe.Open, probe.NoReason)
		if len(r.Doubts) != 1 || r.Doubts[0].Kind != probe.DoubtBeganBefore || r.Service != nil || f.ClientPort != 50000 ||
			f.Tries != 0 {
			t.Errorf("%+v %+v", r, f)
		}
	})
}

// A port that a client uses is not one that is offered.
func TestPortOfClient(t *testing.T) {
	t.Parallel()
	forEachFamily(t, func(t *testing.T, s *scene) {
		c, e := netip.AddrPortFrom(s.client, 417), netip.AddrPortFrom(s.server, 80)
		s.put(s.tcp(c, e, packet.SYN, 1, 0, ""))
		s.put(s.tcp(e, c, packet.SYN|packet.ACK, 5, 2, ""))
		s.put(s.udp(c, netip.AddrPortFrom(s.server, 53), "question"))
		if got := s.watch(); len(got.endpoints)+len(got.flows) != 0 {
			t.Errorf("%+v", got)
		}
	})
}

// TestSequence counts what was sent again, and only that.
func TestSequence(t *testing.T) {
	t.Parallel()
	forEachFamily(t, func(t *testing.T, s *scene) {
		s.accept(4000)
		c, e := s.places(4000)
		data := func(seq uint32, text string) { s.put(s.tcp(c, e, packet.ACK, seq, 5001, text)) }
		data(1001, "0123456789")
		data(1001, "0123456789") // again
		data(1021, "abcdefghij") // after a gap
		data(1011, "ABCDEFGHIJ") // which it fills, out of order
		data(1030, "j")          // keeps the connection alive
		data(1026, "fghijKLMNO") // again, with more
		data(1036, "")           // an acknowledgment
		data(1031, "KLMNO")      // again
		_, f := s.expect(probe.Open, probe.SynAck)
		if f.Sent.Repeated != 3 || f.Sent.Bytes != 56 || f.Sent.Packets != 10 {
			t.Errorf("%+v", f.Sent)
		}
	})
}

// TestReusedPort: another connection between the same ports is another connection.
func TestReusedPort(t *testing.T) {
	t.Parallel()
	forEachFamily(t, func(t *testing.T, s *scene) {
		s.accept(4000)
		c, e := s.places(4000)
		s.put(s.tcp(c, e, packet.RST|packet.ACK, 1001, 5001, ""))
		s.put(s.tcp(c, e, packet.SYN, 90000, 0, ""))
		s.put(s.tcp(e, c, packet.RST|packet.ACK, 0, 90001, ""))
		got := s.watch()
		r := got.one(t)
		if r.State != probe.Open || r.Traffic.Connections != 2 || r.Traffic.Answered != 1 || r.Traffic.Refused != 1 ||
			len(got.flows) != 2 || got.flows[0].ClientPort != 4000 || got.flows[1].State != probe.Closed ||
			len(r.Doubts) != 1 || r.Doubts[0].Kind != probe.DoubtContradicted {
			t.Errorf("%+v\n%+v", r, got.flows)
		}
		if got.outcome.Folded != 0 {
			t.Error("flows were folded for lack of room")
		}
	})
}

// TestCopies: what passes again on another interface of the machine does not count.
func TestCopies(t *testing.T) {
	t.Parallel()
	forEachFamily(t, func(t *testing.T, s *scene) {
		s.accept(4000)
		var doubled []int
		for i := range s.packets {
			doubled = append(doubled, i)
		}
		packets := s.packets
		s.packets = nil
		for _, i := range doubled {
			for via := range uint32(3) {
				p := packets[i]
				p.Via = via
				s.packets = append(s.packets, p)
			}
		}
		_, f := s.expect(probe.Open, probe.SynAck)
		if f.Sent.Packets != 2 || f.Received.Packets != 1 || f.Sent.Repeated+f.Received.Repeated != 0 || f.Tries != 1 ||
			f.RTT == 0 {
			t.Errorf("%+v", f)
		}
		if n := s.watch().outcome.Copies; n != 6 {
			t.Errorf("%d copies", n)
		}
	})
}

// TestRanges: neighbors of which the same is known are one record, with their flows.
func TestRanges(t *testing.T) {
	t.Parallel()
	forEachFamily(t, func(t *testing.T, s *scene) {
		first := s.server
		for i := range 20 {
			s.syn(uint16(4000 + i))
			if c, e := s.places(uint16(4000 + i)); i == 9 {
				s.put(s.tcp(e, c, packet.SYN|packet.ACK, 5000, 1001, ""))
			}
			s.server = s.server.Next()
		}
		s.pause()
		got := s.watch()
		if len(got.ranges) != 2 || len(got.endpoints) != 1 || len(got.flows) != 20 || got.ranges[0].First != first ||
			got.ranges[0].Count != 9 || got.ranges[1].Count != 10 || got.ranges[0].State != probe.Filtered {
			t.Errorf("%+v %+v", got.ranges, got.endpoints)
		}
	})
}
