package report_test

import (
	"io"
	"net/netip"
	"testing"
	"time"

	"onmux/probe"
	. "onmux/report"
	. "onmux/report/record"
)

// BenchmarkFormats writes findings as a scan emits them: one op is one finding.
func BenchmarkFormats(b *testing.B) {
	for _, format := range Formats() {
		b.Run(format, func(b *testing.B) {
			h, err := New(format, io.Discard, Options{})
			if err != nil {
				b.Fatal(err)
			}
			r := probe.Result{Endpoint: probe.Endpoint{Addr: netip.MustParseAddr("10.0.0.0"), Port: 417,
				Proto: probe.TCP},
				State: probe.Open, Reason: probe.SynAck, RTT: probe.Millis(123 * time.Microsecond), Tries: 1, TTL: 64,
				Confidence: probe.High,
				Details: probe.Details{Service: &probe.Service{Name: "ssh", Product: "OpenSSH", Version: "9.2p1",
					Banner: "SSH-2.0-OpenSSH_9.2p1", Probe: "wait", Rule: "ssh-openssh"}}}
			h.Start(Start{Schema: Schema, Command: "scan"})
			b.ReportAllocs()
			for b.Loop() {
				r.Addr = r.Addr.Next()
				if err := Write(h, r); err != nil {
					b.Fatal(err)
				}
			}
			h.End(End{Complete: true})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "findings/s")
		})
	}
}
