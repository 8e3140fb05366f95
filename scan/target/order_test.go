package target

import (
	"fmt"
	"math"
	"testing"
)

func TestOrderIsAPermutation(t *testing.T) {
	var sizes []uint64
	for n := range uint64(300) {
		sizes = append(sizes, n)
	}
	sizes = append(sizes, 1023, 1024, 1025, 65535, 65536, 65537, 100_003)
	for _, n := range sizes {
		for seed := range uint64(4) {
			o := NewOrder(n, seed)
			seen := make([]bool, n)
			for pos := range n {
				i := o.Index(pos)
				if i >= n || seen[i] {
					t.Fatalf("n=%d seed=%d: position %d holds %d, out of range or a second time", n, seed, pos, i)
				}
				seen[i] = true
				if back := o.Position(i); back != pos {
					t.Fatalf("n=%d seed=%d: Position(Index(%d)) = %d", n, seed, pos, back)
				}
			}
		}
	}
}

// Every permutation of three elements turns up, about as often as any other,
// when the seed changes.
func TestOrderDependsOnTheSeed(t *testing.T) {
	const seeds = 6000
	seen := map[[3]uint64]int{}
	for seed := range uint64(seeds) {
		o := NewOrder(3, seed)
		seen[[3]uint64{o.Index(0), o.Index(1), o.Index(2)}]++
	}
	if len(seen) != 6 {
		t.Fatalf("%d of 6 permutations: %v", len(seen), seen)
	}
	for p, n := range seen {
		if n < seeds/6/2 || n > seeds/6*2 {
			t.Errorf("%v comes %d times of %d", p, n, seeds)
		}
	}
}

// What is asked at first is spread over all networks: of the first 4096
// positions each sixteenth of the range gets its share, low bits included, and
// neighbors in the order are hardly ever neighbors in the network.
func TestOrderSpreads(t *testing.T) {
	for _, n := range []uint64{1 << 16, 1<<16 + 1, 1 << 24, 1<<32 - 12345, 1 << 40} {
		for seed := range uint64(8) {
			o := NewOrder(n, seed)
			const take = 4096
			var high, low [16]float64
			near := 0
			last := o.Index(0)
			for pos := range uint64(take) {
				i := o.Index(pos)
				high[i/((n+15)/16)]++
				low[i%16]++
				if d := int64(i - last); pos > 0 && d >= -16 && d <= 16 {
					near++
				}
				last = i
			}
			// chi-squared with 15 degrees of freedom exceeds 50 once in 80,000
			// times; there are 80 samples, and they are the same in every run.
			if c := chi(high[:], take); c > 50 {
				t.Errorf("n=%d seed=%d: the high bits are uneven: %.1f %v", n, seed, c, high)
			}
			if c := chi(low[:], take); c > 50 {
				t.Errorf("n=%d seed=%d: the low bits are uneven: %.1f %v", n, seed, c, low)
			}
			if expected := take * 33 / float64(n); float64(near) > expected+5*math.Sqrt(expected)+1 {
				t.Errorf("n=%d seed=%d: %d of %d steps stay within 16 addresses", n, seed, near, take)
			}
		}
	}
}

func chi(counts []float64, total float64) (sum float64) {
	want := total / float64(len(counts))
	for _, c := range counts {
		sum += (c - want) * (c - want) / want
	}
	return sum
}

func TestOrderShardsPartition(t *testing.T) {
	const n = 1000
	o := NewOrder(n, 9)
	for _, shards := range []uint64{1, 2, 3, 7, 999, 1000, 1500} {
		seen := map[uint64]uint64{}
		for shard := range shards {
			for pos := shard; pos < n; pos += shards {
				i := o.Index(pos)
				if other, twice := seen[i]; twice {
					t.Fatalf("%d is in shards %d and %d of %d", i, other, shard, shards)
				}
				seen[i] = shard
				if o.Position(i)%shards != shard {
					t.Fatalf("%d does not show its shard", i)
				}
			}
		}
		if len(seen) != n {
			t.Fatalf("%d shards hold %d of %d", shards, len(seen), n)
		}
	}
}

// A scan can be resumed only as long as the same seed gives the same order:
// changing these numbers breaks every checkpoint there is.
func TestOrderIsStable(t *testing.T) {
	o := NewOrder(1_000_000, 417)
	got := fmt.Sprint(o.Index(0), o.Index(1), o.Index(2), o.Index(999_999))
	if want := "367989 676019 954213 947705"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func FuzzOrder(f *testing.F) {
	for _, n := range []uint64{0, 1, 2, 3, 255, 256, 257, 1 << 32, 1<<40 - 1, 1 << 40, 1<<63 + 1, math.MaxUint64} {
		f.Add(n, uint64(1), n/2)
		f.Add(n, uint64(417), n)
	}
	f.Fuzz(func(t *testing.T, n, seed, pos uint64) {
		o := NewOrder(n, seed)
		i := o.Index(pos)
		if o.Position(i) != pos || o.Index(o.Position(pos)) != pos {
			t.Errorf("n=%d seed=%d: position %d holds %d, which stands at %d", n, seed, pos, i, o.Position(i))
		}
		if (i < n) != (pos < n) {
			t.Errorf("n=%d seed=%d: position %d holds %d", n, seed, pos, i)
		}
	})
}

func BenchmarkOrder(b *testing.B) {
	for _, n := range []uint64{1 << 16, 1<<24 + 1, 1 << 32} { // 2^24+1 is the worst case: half the domain is walked over
		o := NewOrder(n, 417)
		b.Run(fmt.Sprintf("Index/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for pos := uint64(0); b.Loop(); pos++ {
				o.Index(pos % n)
			}
		})
		b.Run(fmt.Sprintf("Position/%d", n), func(b *testing.B) {
			for pos := uint64(0); b.Loop(); pos++ {
				o.Position(pos % n)
			}
		})
	}
}
