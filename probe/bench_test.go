package probe_test

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"onmux/probe"
	"onmux/probe/nettest"
)

func BenchmarkDo(b *testing.B) {
	nettest.Need(b)
	l, err := net.Listen("tcp", "127.0.0.1:417")
	if err != nil {
		b.Fatal(err)
	}
	nettest.Accept(b, l, func(net.Conn) {})
	lo := netip.MustParseAddr("127.0.0.1")
	for _, tt := range []struct {
		name string
		e    probe.Endpoint
		want probe.State
	}{
		{"tcp-refused", probe.Endpoint{Addr: lo, Port: 1, Proto: probe.TCP}, probe.Closed},
		{"tcp-open", probe.Endpoint{Addr: lo, Port: 417, Proto: probe.TCP}, probe.Open},
		{"udp-closed", probe.Endpoint{Addr: lo, Port: 1, Proto: probe.UDP}, probe.Closed},
	} {
		for _, m := range engines {
			b.Run(tt.name+"/"+m.name, func(b *testing.B) {
				b.ReportAllocs()
				ctx, stop := context.WithCancel(context.Background())
				defer stop()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						r, err := m.do(ctx, tt.e, probe.Options{Timeout: time.Second})
						if err != nil || r.State != tt.want {
							b.Error(r.State, r.Reason, err)
							return
						}
					}
				})
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "attempts/s")
			})
		}
	}
}

// Silence costs the runtime's poller, a timer and the context: what a sweep of
// silent networks pays for each attempt, thousands at a time.
func BenchmarkSilence(b *testing.B) {
	h := nettest.NewHost(b)
	h.Rule(b, "inet", nettest.Rule{Proto: "tcp", Port: 417, Do: nettest.Drop()})
	h.Rule(b, "inet", nettest.Rule{Proto: "udp", Port: 417, Do: nettest.Drop()})
	for _, proto := range probe.Protos() {
		for _, en := range engines {
			b.Run(proto.String()+"/"+en.name, func(b *testing.B) {
				b.ReportAllocs()
				b.SetParallelism(500)
				ctx, stop := context.WithCancel(context.Background())
				defer stop()
				e := probe.Endpoint{Addr: h.Addr4, Port: 417, Proto: proto}
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						r, err := en.do(ctx, e, probe.Options{Timeout: 5 * time.Millisecond})
						if err != nil || r.Reason != probe.NoResponse {
							b.Error(r.State, r.Reason, err)
							return
						}
					}
				})
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "attempts/s")
			})
		}
	}
}
