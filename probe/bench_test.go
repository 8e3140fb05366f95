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

func BenchmarkAsk(b *testing.B) {
	nettest.Need(b)
	l, err := net.Listen("tcp", "127.0.0.1:417")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
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
		for _, m := range []struct {
			name string
			ask  func(context.Context, probe.Endpoint, probe.Options) (probe.Result, error)
		}{{"own", probe.Ask}, {"net", probe.Dial}} {
			b.Run(tt.name+"/"+m.name, func(b *testing.B) {
				b.ReportAllocs()
				ctx, stop := context.WithCancel(context.Background())
				defer stop()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						r, err := m.ask(ctx, tt.e, probe.Options{Timeout: time.Second})
						if err != nil || r.State != tt.want {
							b.Error(r, err)
							return
						}
					}
				})
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "asks/s")
			})
		}
	}
}
