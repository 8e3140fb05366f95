package verdict

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"onmux/scan/engine"
)

func TestLossOfKnownTallies(t *testing.T) {
	for _, tt := range []struct {
		answered  []uint64 // at try 1, 2, …
		p, missed float64
		ok        bool
	}{
		{nil, 0, 0, false},
		{[]uint64{0, 0}, 0, 0, false},
		{[]uint64{100}, 0, 0, false}, // one try shows nothing
		{[]uint64{100, 0}, 0, 0, true},
		{[]uint64{900, 90}, 0.1, 10, true}, // of 1000, each try loses a tenth
		{[]uint64{900, 90, 9}, 0.1, 1, true},
		{[]uint64{500, 250, 125}, 0.5, 125, true},
		{[]uint64{0, 1}, maxLoss, 499, true}, // next to nothing comes back
		{[]uint64{1, 1, 1, 1}, maxLoss, 998, true},
	} {
		var c Tally
		copy(c[1:], tt.answered)
		p, missed, ok := c.Loss(len(tt.answered))
		if ok != tt.ok || math.Abs(p-tt.p) > 1e-9 || math.Abs(missed-tt.missed) > max(tt.missed/100, 1e-6) {
			t.Errorf("%v: loss %v, missed %v, %v; want %v, %v, %v", tt.answered, p, missed, ok, tt.p, tt.missed, tt.ok)
		}
	}
}

func TestLossOfAll(t *testing.T) {
	var c Tally
	if _, ok := c.LossOfAll(); ok {
		t.Error("nobody answered, and the loss is known")
	}
	c[1], c[2] = 8, 2
	if p, ok := c.LossOfAll(); !ok || math.Abs(p-2.0/12) > 1e-12 {
		t.Errorf("2 of 12 attempts were lost, measured %v", p)
	}
}

// TestMeanTryGrows holds what the bisection rests on.
func TestMeanTryGrows(t *testing.T) {
	for tries := 2; tries <= engine.MaxTries; tries++ {
		last := 1.0
		for p := 0.001; p <= maxLoss; p += 0.001 {
			m := meanTry(p, tries)
			if m <= last || m > float64(tries+1)/2 {
				t.Fatalf("%d tries: the mean is %v at a loss of %v, %v before", tries, m, p, last)
			}
			last = m
			if got := solveLoss(m, tries); math.Abs(got-p) > 1e-6 {
				t.Fatalf("%d tries: a loss of %v is solved as %v", tries, p, got)
			}
		}
	}
}

// TestLossBoundHolds simulates passes over hosts that all answer, as Run makes
// them, and compares what is missed in the end with the bound.
func TestLossBoundHolds(t *testing.T) {
	const hosts, runs, retries = 16384, 40, engine.MaxTries - 1
	for _, p := range []float64{0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4} {
		t.Run(fmt.Sprint(p), func(t *testing.T) {
			random := rand.New(rand.NewPCG(417, uint64(p*1000)))
			missed, tries := 0, 0
			for range runs {
				left, k := simulate(random, p, hosts, retries)
				missed += left
				tries += k
			}
			mean := float64(missed) / runs
			// A sum of rare events is Poisson: five standard deviations.
			if limit := DefaultBound + 5*math.Sqrt(DefaultBound/runs); mean > limit {
				t.Errorf("%.2f hosts were missed on average, the bound is %v", mean, DefaultBound)
			}
			t.Logf("missed %.2f of %d in %.1f passes on average", mean, hosts, float64(tries)/runs)
		})
	}
}

func simulate(random *rand.Rand, p float64, left, retries int) (missed, tries int) {
	var c Tally
	for tries <= retries {
		tries++
		for range left {
			if random.Float64() >= p {
				c[tries]++
			}
		}
		left -= int(c[tries])
		if left == 0 {
			break
		}
		if _, missed, ok := c.Loss(tries); tries > 1 && (!ok || missed < DefaultBound) {
			break
		}
	}
	return left, tries
}
