package local_test

import (
	"fmt"
	"net"
	"testing"

	"onmux/probe"
	. "onmux/probe/local"
	"onmux/probe/nettest"
)

func BenchmarkTrace(b *testing.B) {
	h := nettest.NewHost(b)
	for _, n := range []uint16{0, 1, 100} {
		b.Run(fmt.Sprintf("listeners=%d", n), func(b *testing.B) {
			if err := h.Do(func() error {
				r := Request{IPv4: true, Trace: true}
				for i := range max(n, 1) {
					r.Ports = append(r.Ports, probe.Port{Number: 2000 + i, Proto: probe.TCP})
				}
				for i := range n {
					l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", 2000+i))
					if err != nil {
						return err
					}
					defer l.Close()
					go func() {
						for c, err := l.Accept(); err == nil; c, err = l.Accept() {
							c.Close()
						}
					}()
				}
				for b.Loop() {
					if _, err := checked(b.Context(), r); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				b.Fatal(err)
			}
		})
	}
}
