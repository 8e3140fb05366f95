package raw_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/nettest"
	"onmux/scan"
	"onmux/scan/engine"
	"onmux/scan/link"
	"onmux/scan/packet"
	"onmux/scan/raw"
	"onmux/scan/scantest"
	"onmux/scan/target"
)

// silentNet is a gateway in another namespace whose link takes every frame and answers
// nothing, and a route to 10.128.0.0/9 behind it.
func silentNet(t testing.TB) {
	t.Helper()
	h := nettest.NewHost(t)
	l, err := netlink.LinkByName(h.Device)
	if err != nil {
		t.Fatal(err)
	}
	gateway := h.Addr4.Next().AsSlice()
	_, dst, _ := net.ParseCIDR("10.128.0.0/9")
	err = errors.Join(
		netlink.NeighSet(&netlink.Neigh{LinkIndex: l.Attrs().Index, Family: unix.AF_INET, State: netlink.NUD_PERMANENT,
			IP: gateway, HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, 2}}),
		netlink.RouteAdd(&netlink.Route{LinkIndex: l.Attrs().Index, Dst: dst, Gw: gateway}))
	if err != nil {
		t.Fatal(err)
	}
	nettest.Eventually(t, "the link is up", func() bool {
		l, err := netlink.LinkByName(h.Device)
		return err == nil && l.Attrs().RawFlags&unix.IFF_LOWER_UP != 0
	})
}

const silent = "10.128.0.0/11" // 2,097,152 addresses

// bare sends the frame of one probe n times from so many threads, and does nothing
// else: what this machine is capable of.
func bare(t testing.TB, n, threads int) time.Duration {
	t.Helper()
	to := probe.Endpoint{Addr: netip.MustParseAddr("10.128.4.17"), Port: tcp417.Number, Proto: tcp417.Proto}
	table, err := link.Routes(
		t.Context(),
		link.RouteConfig{Runs: maps.All(map[netip.Addr]netip.Addr{to.Addr: to.Addr}), Ports: []probe.Port{tcp417}},
	)
	if err != nil {
		t.Fatal(err)
	}
	r := table.Routes()[0]
	cookies, err := packet.NewCookies([16]byte{}, packet.Ports{First: 40000, Tries: 1, Width: 1}, packet.Ports{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := packet.NewBuilder(
		packet.Path{Framing: packet.Ethernet, MAC: r.Device.MAC, Src: r.Src, MTU: r.MTU},
		cookies,
		[]probe.Port{tcp417},
	)
	if err != nil {
		t.Fatal(err)
	}
	frame := make([]byte, b.MaxLen())
	frame = frame[:b.Put(frame, to, 1, packet.MAC{2, 0, 0, 0, 0, 2}, 0)]
	start := time.Now()
	ended := make(chan error, threads)
	for range threads {
		go func() { ended <- bareLoop(r.Device, frame, n/threads) }()
	}
	for range threads {
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	}
	return time.Since(start)
}

func bareLoop(device *link.Device, frame []byte, n int) error {
	s, err := link.OpenFrames(device, len(frame))
	if err != nil {
		return err
	}
	defer s.Close()
	for written := 0; n > 0; {
		for s.Room() != nil {
			if written < link.Batch { // the batch keeps what was written into it
				copy(s.Room(), frame)
				written++
			}
			s.Add(len(frame), netip.Addr{}, 0)
		}
		sent, err := s.Flush()
		if err != nil {
			return err
		}
		n -= sent
	}
	return nil
}

// busy is the processor time that this process has taken.
func busy(t testing.TB) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkBare is the bare loop for itself.
func BenchmarkBare(b *testing.B) {
	silentNet(b)
	const n = 1 << 21
	for _, threads := range []int{1, 2} {
		b.Run(fmt.Sprintf("threads=%d", threads), func(b *testing.B) {
			for b.Loop() {
				bare(b, n, threads)
			}
			b.ReportMetric(float64(b.N)*n/b.Elapsed().Seconds(), "packets/s")
		})
	}
}

// BenchmarkRawSilent asks two million addresses that do not answer, once, beside
// the bare loop in the same run, with as many threads: "%ofbare" is the share of
// its rate, "%ofbare-cpu" the same by processor time, which other load on the machine disturbs less.
func BenchmarkRawSilent(b *testing.B) {
	silentNet(b)
	plan := scantest.NewPlan(b, []probe.Port{tcp417}, silent)
	var bares, sweeps, bareBusy, sweepBusy time.Duration
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		before := busy(b)
		bares += bare(b, int(plan.Len()), min(runtime.GOMAXPROCS(0), 2))
		bareBusy += busy(b) - before
		e := newRaw(b, raw.Config{Targets: plan, Tries: 1, NoTimestamps: true})
		b.StartTimer()
		start, before := time.Now(), busy(b)
		s := scantest.Run(
			b.Context(),
			scan.Config{Plan: plan, Engine: e, Rate: math.Inf(1), Retries: 0, Timeout: time.Millisecond},
		)
		sweeps += time.Since(start)
		sweepBusy += busy(b) - before
		if s.Err != nil || s.States["filtered"] != plan.Len() {
			b.Fatal(s.Err, s.Summary)
		}
	}
	b.ReportMetric(float64(b.N)*float64(plan.Len())/bares.Seconds(), "bare/s")
	b.ReportMetric(float64(b.N)*float64(plan.Len())/sweeps.Seconds(), "probes/s")
	b.ReportMetric(100*bares.Seconds()/sweeps.Seconds(), "%ofbare")
	b.ReportMetric(100*bareBusy.Seconds()/sweepBusy.Seconds(), "%ofbare-cpu")
}

// sendBatch fills a batch from the i-th endpoint on, sends it, and returns the next i.
func sendBatch(b *testing.B, e *raw.Engine, plan *target.Plan, batch []engine.Probe, i uint64) uint64 {
	for k := range batch {
		batch[k] = engine.Probe{Index: i, Endpoint: plan.At(i), Try: 1, Wait: time.Second}
		i = (i + 7919) % plan.Len()
	}
	if n, err := e.Send(b.Context(), batch); err != nil {
		b.Fatal(n, err)
	}
	return i
}

// BenchmarkRawSend sends batches as the sweep does, and nothing else.
func BenchmarkRawSend(b *testing.B) {
	silentNet(b)
	plan := scantest.NewPlan(b, []probe.Port{tcp417}, silent)
	e := newRaw(b, raw.Config{Targets: plan, Tries: 1})
	defer e.Close()
	batch := make([]engine.Probe, 256)
	i := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		i = sendBatch(b, e, plan, batch, i)
	}
	b.ReportMetric(float64(b.N*len(batch))/b.Elapsed().Seconds(), "probes/s")
}

// BenchmarkRawRefused asks hosts that refuse and receives all answers, a batch at a time:
// what a probe and its reply take together, allocations included.
func BenchmarkRawRefused(b *testing.B) {
	h := nettest.NewReadyHost(b)
	h.Setup(b, nettest.Route("10.150.0.0/16", "lo", unix.RTN_LOCAL, netip.Addr{}))
	if err := nettest.Route("10.150.0.0/16", h.Device, 0, h.Addr4)(); err != nil {
		b.Fatal(err)
	}
	plan := scantest.NewPlan(b, []probe.Port{tcp417}, "10.150.0.0/16")
	e := newRaw(b, raw.Config{Targets: plan, Tries: 1})
	defer e.Close()
	batch, answers := make([]engine.Probe, 256), make([]engine.Answer, 256)
	i := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		i = sendBatch(b, e, plan, batch, i)
		for received := 0; received < len(batch); {
			n, err := e.Receive(context.Background(), answers)
			if err != nil {
				b.Fatal(err)
			}
			received += n
		}
	}
	b.ReportMetric(float64(b.N*len(batch))/b.Elapsed().Seconds(), "replies/s")
}
