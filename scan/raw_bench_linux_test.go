package scan_test

import (
	"fmt"
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
	"onmux/scan/link"
)

// darkNet is a link with a gateway that takes every frame and says nothing, and
// a route to 10.128.0.0/9 behind it.
func darkNet(t testing.TB) {
	t.Helper()
	nettest.Need(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "dark"
	v := &netlink.Veth{LinkAttrs: attrs, PeerName: "dark-end"}
	must(netlink.LinkAdd(v))
	t.Cleanup(func() { _ = netlink.LinkDel(v) })
	l, err := netlink.LinkByName("dark")
	must(err)
	end, err := netlink.LinkByName("dark-end")
	must(err)
	a, err := netlink.ParseAddr("10.8.0.1/24")
	must(err)
	must(netlink.AddrAdd(l, a))
	must(netlink.LinkSetUp(end))
	must(netlink.LinkSetUp(l))
	must(netlink.NeighSet(&netlink.Neigh{LinkIndex: l.Attrs().Index, Family: unix.AF_INET, State: netlink.NUD_PERMANENT,
		IP: net.IPv4(10, 8, 0, 2), HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, 2}}))
	_, dst, err := net.ParseCIDR("10.128.0.0/9")
	must(err)
	must(netlink.RouteAdd(&netlink.Route{LinkIndex: l.Attrs().Index, Dst: dst, Gw: net.IPv4(10, 8, 0, 2)}))
	for {
		if l, err = netlink.LinkByName("dark"); err == nil && l.Attrs().RawFlags&unix.IFF_LOWER_UP != 0 {
			return
		}
	}
}

const dark = "10.128.0.0/11" // 2,097,152 addresses

// bare sends one frame n times from so many threads, and does nothing else: what
// this machine is capable of.
func bare(t testing.TB, n, threads int) time.Duration {
	t.Helper()
	table, err := link.Routes(link.RouteConfig{Spans: []link.Span{{First: netip.MustParseAddr("10.128.0.0"), Last: netip.MustParseAddr("10.128.0.1")}}, Asks: []link.Ask{{Proto: 6, Port: 417}}})
	if err != nil {
		t.Fatal(err)
	}
	device := table.Routes()[0].Device
	start := time.Now()
	ended := make(chan error, threads)
	for range threads {
		go func() { ended <- bareLoop(device, n/threads) }()
	}
	for range threads {
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	}
	return time.Since(start)
}

func bareLoop(device *link.Device, n int) error {
	const size = 74 // a SYN with its options
	s, err := link.OpenFrames(device, size)
	if err != nil {
		return err
	}
	defer s.Close()
	for n > 0 {
		for s.Room() != nil {
			buf := s.Room()
			buf[0], buf[5], buf[12] = 2, 2, 8
			buf[14], buf[17], buf[23], buf[30] = 0x45, size-14, 6, 10
			s.Add(size, netip.Addr{}, 0)
		}
		sent, err := s.Flush()
		if err != nil {
			return err
		}
		n -= sent
	}
	return nil
}

// BenchmarkBare is the bare loop for itself.
func BenchmarkBare(b *testing.B) {
	darkNet(b)
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

// BenchmarkRawSilent asks two million addresses that say nothing, once, beside
// the bare loop in the same run; "of bare" is the share of its rate.
func BenchmarkRawSilent(b *testing.B) {
	darkNet(b)
	plan := planOf(b, []probe.Port{tcp417}, dark)
	var bares, sweeps time.Duration
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		bares += bare(b, int(plan.Len()), min(runtime.GOMAXPROCS(0), 2))
		e := raw(b, scan.RawConfig{Plan: plan, Tries: 1})
		b.StartTimer()
		start := time.Now()
		s := sweep(b.Context(), scan.Config{Plan: plan, Engine: e, Rate: math.Inf(1), Retries: 0, Timeout: time.Millisecond})
		sweeps += time.Since(start)
		if s.err != nil || s.States["filtered"] != plan.Len() {
			b.Fatal(s.err, s.Summary)
		}
	}
	b.ReportMetric(float64(b.N)*float64(plan.Len())/bares.Seconds(), "bare/s")
	b.ReportMetric(float64(b.N)*float64(plan.Len())/sweeps.Seconds(), "probes/s")
	b.ReportMetric(100*bares.Seconds()/sweeps.Seconds(), "%ofbare")
}

// BenchmarkRawSend sends batches as the sweep does, and nothing else.
func BenchmarkRawSend(b *testing.B) {
	darkNet(b)
	plan := planOf(b, []probe.Port{tcp417}, dark)
	e := raw(b, scan.RawConfig{Plan: plan, Tries: 1})
	defer e.Close()
	batch := make([]scan.Probe, 256)
	i := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		for k := range batch {
			batch[k] = scan.Probe{Index: i, Endpoint: plan.At(i), Try: 1, Wait: time.Second}
			i = (i + 7919) % plan.Len()
		}
		if n, err := e.Send(b.Context(), batch); err != nil {
			b.Fatal(n, err)
		}
	}
	b.ReportMetric(float64(b.N*len(batch))/b.Elapsed().Seconds(), "probes/s")
}
