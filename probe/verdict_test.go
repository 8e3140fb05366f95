package probe_test

import (
	"encoding/json"
	"errors"
	"net/netip"
	"testing"
	"time"

	"onmux/probe"
)

func TestVerdict(t *testing.T) {
	both := func(s probe.State) [4]probe.State { return [4]probe.State{s, s, s, s} }
	for r, want := range map[probe.Reason][4]probe.State{ // TCP target, TCP other, UDP target, UDP other
		probe.NoReason:        both(probe.Unknown),
		probe.NoResponse:      {probe.Filtered, probe.Filtered, probe.OpenFiltered, probe.OpenFiltered},
		probe.SynAck:          {probe.Open, probe.Open, probe.Unknown, probe.Unknown},
		probe.Reset:           {probe.Closed, probe.Closed, probe.Unknown, probe.Unknown},
		probe.UDPResponse:     {probe.Unknown, probe.Unknown, probe.Open, probe.Open},
		probe.PortUnreach:     {probe.Filtered, probe.Filtered, probe.Closed, probe.Filtered},
		probe.HostUnreach:     both(probe.Unreachable),
		probe.NetUnreach:      both(probe.Unreachable),
		probe.ProtoUnreach:    both(probe.Unreachable),
		probe.AdminProhibited: both(probe.Filtered),
		probe.HostProhibited:  both(probe.Filtered),
		probe.NetProhibited:   both(probe.Filtered),
		probe.TimeExceeded:    both(probe.Unreachable),
		probe.NoNeighbor:      both(probe.Unreachable),
		probe.LocalError:      both(probe.Unknown),
		probe.LocalError + 1:  both(probe.Unknown),
	} {
		got := [4]probe.State{probe.Verdict(probe.TCP, r, true), probe.Verdict(probe.TCP, r, false),
			probe.Verdict(probe.UDP, r, true), probe.Verdict(probe.UDP, r, false)}
		if got != want {
			t.Errorf("%q: %v, want %v", r, got, want)
		}
	}
	if s := probe.Verdict(0, probe.NoResponse, true); s != probe.Unknown {
		t.Errorf("silence over no protocol: %s", s)
	}
}

func TestFromICMP(t *testing.T) {
	const no = probe.NoReason
	v4, v6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("fe80::1%eth0")
	router4, router6 := netip.MustParseAddr("192.0.2.254"), netip.MustParseAddr("fe80::fe")
	v4codes := []probe.Reason{probe.NetUnreach, probe.HostUnreach, probe.ProtoUnreach, probe.PortUnreach, no, no,
		probe.NetUnreach, probe.HostUnreach, probe.HostUnreach, probe.NetProhibited, probe.HostProhibited,
		probe.NetUnreach, probe.HostUnreach, probe.AdminProhibited, probe.AdminProhibited, probe.AdminProhibited}
	v6codes := []probe.Reason{probe.NetUnreach, probe.AdminProhibited, probe.NetUnreach, probe.HostUnreach,
		probe.PortUnreach, probe.AdminProhibited, probe.NetProhibited}
	want := func(v6 bool, m probe.ICMP) probe.Reason {
		unreachable, exceeded, codes := uint8(3), uint8(11), v4codes
		if v6 {
			unreachable, exceeded, codes = 1, 3, v6codes
		}
		switch {
		case m.Type == exceeded && m.Code == 0:
			return probe.TimeExceeded
		case m.Type == unreachable && int(m.Code) < len(codes):
			return codes[m.Code]
		}
		return no
	}
	for kind := range 256 { // every message there can be
		for code := range 256 {
			m := probe.ICMP{Type: uint8(kind), Code: uint8(code)}
			for _, proto := range probe.Protos() {
				for i, tt := range []struct {
					to, from netip.Addr
					v6       bool
				}{{v4, v4, false}, {v4, router4, false}, {v6, v6.WithZone("2"), true}, {v6, router6, true},
					{netip.AddrFrom16(v4.As16()), v4, false}} {
					r := want(tt.v6, m)
					e := probe.Endpoint{Addr: tt.to, Port: 417, Proto: proto}
					gotState, got := probe.FromICMP(e, tt.from, false, m)
					if got != r || gotState != probe.Verdict(proto, r, i%2 == 0) {
						t.Fatalf("%s, %v from %s: %s %s, want %s", e, m, tt.from, gotState, got, r)
					}
					self := r
					switch {
					case i%2 == 0 || r == probe.TimeExceeded || r == probe.NoReason:
					case r == probe.HostUnreach:
						self = probe.NoNeighbor
					default:
						self = probe.LocalError
					}
					if _, got := probe.FromICMP(e, tt.from, true, m); got != self {
						t.Fatalf("%s, %v from ourselves: %s, want %s", e, m, got, self)
					}
				}
			}
		}
	}
}

// Whatever a message claims, an ICMP error never makes a port open, and only
// the target itself can close one.
func FuzzFromICMP(f *testing.F) {
	f.Add([]byte{192, 0, 2, 1}, []byte{192, 0, 2, 1}, uint8(2), false, uint8(3), uint8(3))
	f.Add(make([]byte, 16), []byte{}, uint8(1), true, uint8(1), uint8(3))
	f.Fuzz(func(t *testing.T, to, from []byte, proto uint8, self bool, kind, code uint8) {
		target, _ := netip.AddrFromSlice(to)
		sender, _ := netip.AddrFromSlice(from)
		e := probe.Endpoint{Addr: target, Port: 417, Proto: probe.Proto(proto)}
		s, r := probe.FromICMP(e, sender, self, probe.ICMP{Type: kind, Code: code})
		if s == probe.Open || s == probe.OpenFiltered || s == probe.Closed &&
			(target.Unmap() != sender.Unmap() || r != probe.PortUnreach) {
			t.Errorf("%s: %d/%d from %s: %s %s", e, kind, code, sender, s, r)
		}
		if (r == probe.NoReason || r == probe.LocalError) != (s == probe.Unknown) && e.Proto == probe.TCP {
			t.Errorf("state %s, reason %s", s, r)
		}
	})
}

// A time comes back from a document as it was written.
func TestMillisComeBack(t *testing.T) {
	for us := range 20000 {
		want := probe.Millis(time.Duration(us) * time.Microsecond)
		b, err := want.MarshalJSON()
		var got probe.Millis
		if err := errors.Join(err, got.UnmarshalJSON(b)); err != nil || got != want {
			t.Fatalf("%s: %v, %v", b, time.Duration(got), err)
		}
	}
	for m, want := range map[probe.Millis]string{0: "{}", 499: "{}", 500: `{"min_ms":0.001}`} {
		b, err := json.Marshal(struct {
			Min probe.Millis `json:"min_ms,omitzero"`
		}{m})
		if err != nil || string(b) != want {
			t.Errorf("%d ns: %s, %v; want %s", int64(m), b, err, want)
		}
	}
}
