package simnet_test

import (
	"bytes"
	"testing"

	"onmux/probe"
	"onmux/scan/simnet"
)

// FuzzReadQuery has whatever stands on a wire read as a question, and answered in
// every way: no answer is itself a question, except a datagram.
func FuzzReadQuery(f *testing.F) {
	f.Add(
		[]byte(
			"\x45\x00\x00\x28\x00\x00\x00\x00\x40\x06\x00\x00\x0a\x00\x00\x01\x0a\x00\x00\x02" +
				"\x80\x00\x01\xa1\x00\x00\x00\x01\x00\x00\x00\x00\x50\x02\x00\x00\x00\x00\x00\x00",
		),
	)
	f.Add(
		append(
			[]byte("\x60\x00\x00\x00\x00\x09\x11\x40"),
			append(bytes.Repeat([]byte{0xfd}, 32), "\x80\x00\x01\xa1\x00\x09\x00\x00x"...)...),
	)
	f.Fuzz(func(t *testing.T, b []byte) {
		q, ok := simnet.ReadQuery(b)
		if !ok {
			return
		}
		if !q.From.IsValid() || !q.To.IsValid() || len(q.Packet) > len(b) {
			t.Fatalf("%+v", q)
		}
		for _, p := range [][]byte{
			q.TCP(simnet.Segment{Flags: simnet.SYN | simnet.ACK, Options: make([]byte, 4)}),
			q.ICMP(q.To.Addr(), 3, 3, q.Packet[:min(len(q.Packet), 1000)]),
		} {
			if _, ok := simnet.ReadQuery(p); ok {
				t.Fatalf("%x is a question", p)
			}
		}
		if len(q.Payload) > 1000 {
			return
		}
		back, ok := simnet.ReadQuery(q.UDP(q.To, q.Payload))
		if !ok || back.From != q.To || back.To != q.From || back.Proto != probe.UDP || !bytes.Equal(back.Payload, q.Payload) {
			t.Fatalf("%+v of %+v", back, q)
		}
	})
}
