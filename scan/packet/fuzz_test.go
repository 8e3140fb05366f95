package packet

import (
	"bytes"
	"net/netip"
	"testing"

	"golang.org/x/net/bpf"

	"onmux/probe"
)

// Whatever comes in, Decode does not panic; what it takes for an answer names an
// endpoint that was asked and a port from which that try left, so it could be
// asked again with the same bytes; and what it accepts, the kernel lets through.
func FuzzDecode(f *testing.F) {
	var fixtures []*fixture
	var vms []*bpf.VM
	for i, p := range testPaths() {
		w := newFixture(f, p)
		fixtures, vms = append(fixtures, w), append(vms, w.vm())
		tcp, udp := w.ask(417, probe.TCP), w.ask(53, probe.UDP)
		for _, frame := range [][]byte{w.tcp(tcp, nil), w.udp(udp, 53, "yes"), w.icmp(tcp.Addr, w.unreachable(), tcp.ip),
			w.icmp(udp.Addr, w.unreachable(), udp.ip)} {
			f.Add(uint8(i), frame)
		}
		buf := make([]byte, MaxNeighbor)
		f.Add(uint8(i), bytes.Clone(buf[:PutAdvertise(buf, p, p.Src.Next(), testHop)]))
	}
	f.Fuzz(func(t *testing.T, i uint8, frame []byte) {
		w := fixtures[int(i)%len(fixtures)]
		var r Reply
		validity := w.d.Decode(bytes.Clone(frame), true, &r)
		if strict := w.d.Decode(bytes.Clone(frame), false, new(Reply)); strict == Valid && validity != Valid {
			t.Error("a checksum makes an answer of it")
		}
		DecodeNeighbor(frame)
		if validity != Valid {
			return
		}
		if n, err := vms[int(i)%len(fixtures)].Run(frame); err != nil || n == 0 {
			t.Errorf("%+v does not pass the filter: %v", r, err)
		}
		r.Result()
		if r.Kind == KindNeighbor {
			if !r.MAC.unicast() || !unicast(r.From) {
				t.Errorf("%+v", r)
			}
			return
		}
		c := w.c.of(r.Src.AsSlice(), r.Endpoint.Addr.AsSlice(), r.Endpoint.Port, r.Endpoint.Proto)
		if w.c.Ports(r.Endpoint.Proto).source(c, r.Try) != r.SrcPort || !w.d.asks[r.Endpoint.Proto].has(r.Endpoint.Port) {
			t.Errorf("%+v is believed", r)
		}
		if r.State == probe.Unknown || r.Reason == probe.NoReason || r.Src == (netip.Addr{}) || r.From == (netip.Addr{}) {
			t.Errorf("%+v has no content", r)
		}
	})
}

func FuzzDecodeNeighbor(f *testing.F) {
	for _, p := range testPaths() {
		buf := make([]byte, MaxNeighbor)
		f.Add(bytes.Clone(buf[:PutAdvertise(buf, p, p.Src.Next(), testHop)]))
		f.Add(bytes.Clone(buf[:PutSolicit(buf, p, p.Src.Next())]))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		if n, ok := DecodeNeighbor(frame); ok && (!n.MAC.unicast() || !unicast(n.Target)) {
			t.Errorf("%+v", n)
		}
	})
}
