package scan_test

import (
	"context"
	"fmt"
	"io"
	"math"
	"sync"
	"testing"

	"onmux/probe"
	"onmux/scan"
	"onmux/scan/connect"
	"onmux/scan/engine"
	"onmux/scan/scantest"
)

// nothing is an engine that costs nothing: it answers every probe, or none.
type nothing struct {
	answer chan []engine.Answer // buffers on their way to Receive
	free   chan []engine.Answer
	reason probe.Reason
	closed chan struct{}
	once   sync.Once
}

func newNothing(reason probe.Reason) *nothing {
	n := &nothing{
		answer: make(chan []engine.Answer, 8),
		free:   make(chan []engine.Answer, 8),
		reason: reason,
		closed: make(chan struct{}),
	}
	for range cap(n.free) {
		n.free <- make([]engine.Answer, 256)
	}
	return n
}

func (n *nothing) Methods() map[probe.Proto]string { return nil }
func (n *nothing) Pending() int                    { return 0 }
func (n *nothing) Close() error                    { n.once.Do(func() { close(n.closed) }); return nil }

func (n *nothing) Send(_ context.Context, batch []engine.Probe) (int, error) {
	if n.reason != probe.NoReason {
		buf := (<-n.free)[:len(batch)]
		for i, p := range batch {
			buf[i] = engine.Answer{Index: p.Index, Try: p.Try}
			buf[i].Reason = n.reason
		}
		n.answer <- buf
	}
	return len(batch), nil
}

func (n *nothing) Receive(_ context.Context, buf []engine.Answer) (int, error) {
	take := func(got []engine.Answer) (int, error) {
		k := copy(buf, got)
		n.free <- got[:cap(got)]
		return k, nil
	}
	select {
	case got := <-n.answer:
		return take(got)
	case <-n.closed:
	}
	select {
	case got := <-n.answer:
		return take(got)
	default:
		return 0, io.EOF
	}
}

// BenchmarkSweep is the scan's own cost for each probe, with order, table and
// everything else, over 2^24 endpoints; "closed" adds that of an answer.
func BenchmarkSweep(b *testing.B) {
	for _, bench := range []struct {
		name   string
		reason probe.Reason
	}{{"silent", probe.NoReason}, {"closed", probe.Reset}} {
		b.Run(bench.name, func(b *testing.B) {
			plan := scantest.NewPlan(b, []probe.Port{tcp417}, "10.0.0.0/8")
			b.ReportAllocs()
			for b.Loop() {
				o, err := scan.Run(b.Context(), scan.Config{
					Plan: plan, Engine: newNothing(bench.reason), Rate: math.Inf(1),
				}, func(scan.Finding) error { return nil })
				if err != nil || o.Targets != plan.Len() {
					b.Fatal(err, o)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(plan.Len()), "ns/probe")
		})
	}
}

// BenchmarkConnectRefused is how fast the engine without privileges is refused
// on loopback.
func BenchmarkConnectRefused(b *testing.B) {
	plan := scantest.NewPlan(b, both, "127.1.0.0/17")
	for b.Loop() {
		o, err := scan.Run(b.Context(), scan.Config{
			Plan: plan, Engine: connect.New(connect.Config{}), Rate: math.Inf(1), Retries: 1,
		}, func(scan.Finding) error { return nil })
		if err != nil || o.States["closed"] != plan.Len() {
			b.Fatal(err, fmt.Sprint(o))
		}
	}
	b.ReportMetric(float64(plan.Len())*float64(b.N)/b.Elapsed().Seconds(), "probes/s")
}
