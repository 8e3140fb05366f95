package compact_test

import (
	"math/rand/v2"
	"net/netip"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"onmux/probe"
	"onmux/probe/nettest/race"
	. "onmux/report/compact"
	"onmux/report/record"
	"onmux/scan"
)

var addresses = []netip.Addr{
	{}, netip.MustParseAddr("0.0.0.0"), netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("255.255.255.255"),
	netip.MustParseAddr("::"), netip.MustParseAddr("::ffff:10.0.0.1"), netip.MustParseAddr("2001:db8::1"),
	netip.MustParseAddr("2001:db8::1:0:0:0:1"), netip.MustParseAddr("fe80::1"), netip.MustParseAddr("fe80::1%eth0"),
	netip.MustParseAddr("fe80::1%eth1"), netip.MustParseAddr("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
}

// randomEndpoint is one of few or, now and then, one with details of its own.
func randomEndpoint(dice *rand.Rand) probe.Result {
	r := probe.Result{State: probe.States()[dice.IntN(6)], Reason: probe.Reason(dice.IntN(5)), TTL: uint8(dice.IntN(3))}
	r.Addr = addresses[dice.IntN(len(addresses))]
	r.Port, r.Proto = uint16(dice.IntN(4)), probe.Protos()[dice.IntN(2)]
	r.RTT = probe.Millis(dice.IntN(3) * 1234567)
	switch dice.IntN(8) {
	case 0:
		r.Notes, r.Error = []string{"a", "b\xff"}, "no \xfe UTF-8"
	case 1:
		r.Notes, r.Error = []string{"a", "b\xfe"}, "no \xff UTF-8"
	case 2:
		r.Host, r.Responder, r.ICMP = "name.example", addresses[dice.IntN(len(addresses))], probe.ICMP{Type: 3}
	case 3:
		r.Service = &probe.Service{Name: "ssh", Banner: strings.Repeat("<\u202e\ufffd>", dice.IntN(500))}
		r.Evidence = []string{time.Duration(dice.Int64()).String()}
	}
	return r
}

func randomRange(dice *rand.Rand) scan.Range {
	a := randomEndpoint(dice)
	r := record.Single(a)
	switch dice.IntN(3) {
	case 0:
		r.Last, r.Count = addresses[dice.IntN(len(addresses))], dice.Uint64()
	case 1:
		for range dice.IntN(4) {
			if next := r.Last.Next(); next.IsValid() {
				r.Last, r.Count = next, r.Count+1
			}
		}
	}
	return r
}

// TestStoreKeepsEverything: what was added comes back as it was, whatever it is, and in
// the orders of netip.Addr and of ports.
func TestStoreKeepsEverything(t *testing.T) {
	dice := rand.New(rand.NewPCG(3, 14))
	for round := range 5 {
		var s Store
		var want []Item
		for range dice.IntN(10_000 / race.Nth) {
			if dice.IntN(2) == 0 {
				r := randomEndpoint(dice)
				want = append(want, Item{Result: r, Last: r.Addr, Count: 1, Single: true})
				if err := s.Endpoint(r); err != nil {
					t.Fatal(err)
				}
				continue
			}
			r := randomRange(dice)
			want = append(want, Item{Result: record.At(r, r.First), Last: r.Last, Count: r.Count})
			if err := s.Range(r); err != nil {
				t.Fatal(err)
			}
		}
		for i, w := range want {
			got, err := s.At(uint32(i))
			if err != nil || !reflect.DeepEqual(got, w) {
				t.Fatalf("round %d, item %d: %v\n%+v\nwant\n%+v", round, i, err, got, w)
			}
		}
		byPort := order(want, func(a, b Item) int {
			if c := record.ComparePorts(port(a), port(b)); c != 0 {
				return c
			}
			return a.Addr.Compare(b.Addr)
		})
		if got := s.ByPort(); !slices.Equal(got, byPort) {
			t.Fatalf("round %d: by port %v, want %v", round, got, byPort)
		}
		byAddress := order(want, func(a, b Item) int {
			if c := a.Addr.Compare(b.Addr); c != 0 {
				return c
			}
			if a.Proto != b.Proto {
				return int(a.Proto) - int(b.Proto)
			}
			return int(a.Port) - int(b.Port)
		})
		if got := s.ByAddress(); !slices.Equal(got, byAddress) {
			t.Fatalf("round %d: by address %v, want %v", round, got, byAddress)
		}
		s.Close()
	}
}

func port(i Item) probe.Port { return probe.Port{Number: i.Port, Proto: i.Proto} }

func order(items []Item, compare func(a, b Item) int) []uint32 {
	out := make([]uint32, len(items))
	for i := range out {
		out[i] = uint32(i)
	}
	slices.SortStableFunc(out, func(i, j uint32) int { return compare(items[i], items[j]) })
	return out
}

// TestWeakStandsFirst: a weak endpoint stands before others of its port, whenever it came.
func TestWeakStandsFirst(t *testing.T) {
	var s Store
	one := probe.Result{Endpoint: probe.Endpoint{Addr: addresses[2], Port: 1, Proto: probe.TCP}}
	for _, add := range []func(probe.Result) error{s.Endpoint, s.Weak, s.Endpoint} {
		if err := add(one); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.ByAddress(); !slices.Equal(got, []uint32{1, 0, 2}) {
		t.Errorf("order %v", got)
	}
}

// TestMergeIsSorted: stores together are in the order that they have in one.
func TestMergeIsSorted(t *testing.T) {
	dice := rand.New(rand.NewPCG(2, 71))
	for range 200 / race.Nth {
		stores := make([]*Store, 1+dice.IntN(5))
		for i := range stores {
			stores[i] = new(Store)
		}
		var one Store
		for range dice.IntN(50) {
			r := randomEndpoint(dice)
			one.Endpoint(r)
			stores[dice.IntN(len(stores))].Endpoint(r)
		}
		var got, want []probe.Endpoint
		for s, i := range Merge(stores) {
			item, err := s.At(i)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, item.Endpoint)
		}
		for _, i := range one.ByPort() {
			item, _ := one.At(i)
			want = append(want, item.Endpoint)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("merged %v, want %v", got, want)
		}
	}
}

// TestSpool: text comes back from memory and from the file, also where none can be written.
func TestSpool(t *testing.T) {
	for _, dir := range []string{t.TempDir(), "/nowhere/at/all"} {
		t.Setenv("TMPDIR", dir)
		t.Setenv("TMP", dir)
		var s Spool
		var at []int64
		text := func(i int) string { return strings.Repeat(string(rune('a'+i%26)), i*100) }
		for i := range 500 {
			at = append(at, s.Append([]byte(text(i))))
		}
		for i := range at {
			got := make([]byte, len(text(i)))
			if err := s.Read(got, at[i]); err != nil || string(got) != text(i) {
				t.Fatalf("in %s: piece %d: %v", dir, i, err)
			}
		}
		s.Close()
	}
}

// heap is how many bytes what fill makes takes, for each of n records.
func heap(n int, fill func() any) float64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	kept := fill()
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(kept)
	return (float64(after.HeapAlloc) - float64(before.HeapAlloc)) / float64(n)
}

func fill(n int, own bool) func() any {
	return func() any {
		dice := rand.New(rand.NewPCG(1, 1))
		s := new(Store)
		a := netip.MustParseAddr("10.0.0.0")
		for range n {
			r := probe.Result{Endpoint: probe.Endpoint{Addr: a, Port: 417, Proto: probe.TCP}, State: probe.Closed,
				Reason: probe.Reset, RTT: probe.Millis(dice.IntN(1e7)), TTL: uint8(dice.IntN(4)), Confidence: probe.High}
			if own {
				r.Service = &probe.Service{Name: "ssh", Banner: strings.Repeat("x", 200) + a.String()}
			}
			s.Endpoint(r)
			a = a.Next()
		}
		return s
	}
}

// TestStoreIsSmall: endpoints take little memory, whether they are alike or have each a
// banner of their own.
func TestStoreIsSmall(t *testing.T) {
	const n = 60_000 // of the text, 4 MiB stay in memory
	if got := heap(n, fill(n, false)); got > 48 {
		t.Errorf("%.0f bytes for one of many that are alike", got)
	}
	if got := heap(n, fill(n, true)); got > 200 {
		t.Errorf("%.0f bytes for one with a banner of its own", got)
	}
}

func BenchmarkStore(b *testing.B) {
	for name, own := range map[string]bool{"alike": false, "own": true} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			bytes := heap(b.N, fill(b.N, own))
			b.ReportMetric(bytes, "kept-B/record")
		})
	}
}
