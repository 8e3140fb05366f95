package report_test

import (
	"io"
	"net/netip"
	"runtime"
	"slices"
	"testing"

	"onmux/probe"
	. "onmux/report"
	. "onmux/report/record"
)

// streaming are the formats that can write a report without keeping it. The
// others need all of it: JUnit counts come first, and nmap's hosts stand
// together.
func streaming() []string {
	return slices.DeleteFunc(Formats(), func(f string) bool { return f == "junit" || f == "nmap-xml" || f == "html" })
}

// TestFlatMemory holds what a format keeps after a few findings against what it
// keeps after many.
func TestFlatMemory(t *testing.T) {
	const few, many = 10_000, 80_000
	for _, format := range streaming() {
		t.Run(format, func(t *testing.T) {
			h, err := New(format, io.Discard, Options{})
			if err != nil {
				t.Fatal(err)
			}
			h.Start(Start{Schema: Schema, Command: "scan"})
			e := probe.Endpoint{Addr: netip.MustParseAddr("10.0.0.0"), Port: 417, Proto: probe.TCP}
			var before uint64
			for n := range many {
				if n == few {
					before = heap()
				}
				e.Addr = e.Addr.Next()
				// Every second is open, so that no two of the dull ones are neighbors.
				r := probe.Result{Endpoint: e, State: probe.Closed, Reason: probe.Reset, Tries: 1}
				if n%2 == 0 {
					r.State, r.Reason = probe.Open, probe.SynAck
				}
				if err := Write(h, r); err != nil {
					t.Fatal(err)
				}
			}
			if after := heap(); after > before+(7<<16) {
				t.Errorf("%d bytes more after %d more findings", after-before, many-few)
			}
			h.End(End{Complete: true})
		})
	}
}

// heap is what is in use once the garbage is gone, in bytes.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
