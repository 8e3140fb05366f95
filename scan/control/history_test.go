package control

import (
	"math"
	"math/rand/v2"
	"testing"
)

// historyOf is the history of a scan of addresses in random order, of which answers selects
// those that answer.
func historyOf(r *rand.Rand, addresses uint64, answers func(index, pos uint64) bool) History {
	h := NewHistory(&Layout{Addresses: addresses}, addresses)
	for pos, index := range r.Perm(int(addresses)) {
		h.Add(uint64(index), uint64(pos), 1)
		if answers(uint64(index), uint64(pos)) {
			h.Answer(uint64(index), uint64(pos))
		}
	}
	return h
}

// TestHistory: where a part of the addresses does not answer for a part of the time, there is
// a gap of both, and where hosts answer or not by themselves, hardly ever one.
func TestHistory(t *testing.T) {
	const addresses, scans = 4096, 100
	for _, share := range []float64{0.01, 0.1, 0.5, 0.9, 1} {
		rare := 0
		for seed := range uint64(scans) {
			r := rand.New(rand.NewPCG(seed, 0))
			h := historyOf(r, addresses, func(uint64, uint64) bool { return r.Float64() < share })
			for _, g := range h.Gaps() {
				if g.Rare {
					rare++
				}
			}
		}
		if rare > scans/20 { // falseGap is 1 %
			t.Errorf("%v answer: %d gaps in %d scans", share, rare, scans)
		}
	}
	for _, lost := range []struct{ lo, hi, from, to uint64 }{
		{0, addresses, 1000, 1200}, {0, addresses, 3800, addresses}, {0, 2048, 500, 1000}, {1024, 1152, 1000, addresses},
		{64, 128, 1500, addresses}, {3584, addresses, 0, 1000},
	} {
		r := rand.New(rand.NewPCG(1, 1))
		h := historyOf(r, addresses, func(index, pos uint64) bool {
			return r.Float64() < 0.75 && (index < lost.lo || index >= lost.hi || pos < lost.from || pos >= lost.to)
		})
		found := false
		for _, g := range h.Gaps() {
			found = found || g.Rare && g.Lo == lost.lo && g.Hi == lost.hi && g.From <= lost.from && g.To >= lost.to &&
				g.To-g.From <= lost.to-lost.from+8*addresses/slots && g.Open == (lost.to == addresses)
			if g.Rare && (g.Hi <= lost.lo || g.Lo >= lost.hi) {
				t.Errorf("%v: gap %+v", lost, g)
			}
		}
		if !found {
			t.Errorf("%v: not found", lost)
		}
		if again := h.Gaps(); len(again) > 0 {
			t.Errorf("%v: found again, with nothing new: %v", lost, again)
		}
	}
}

// TestFalseGapsEnd: silence that chance has made is asked again, and then believed.
func TestFalseGapsEnd(t *testing.T) {
	h := historyOf(rand.New(rand.NewPCG(0, 0)), 64, func(_, pos uint64) bool { return pos < 32 })
	for i := range maxRare + 2 {
		gaps := h.Gaps()
		if rare := len(gaps) > 0 && gaps[0].Rare; rare != (i < maxRare) {
			t.Errorf("the %d. time: %+v", i+1, gaps)
		}
		for index := range uint64(64) { // the silent are asked again, in vain
			h.Add(index, 60, -1)
			h.Add(index, 60, 1)
		}
	}
}

func TestChance(t *testing.T) {
	for _, c := range []struct{ silent, answered, all, want float64 }{
		{1, 1, 2, 0.5}, {2, 2, 4, 1. / 6}, {3, 0, 9, 1}, {5, 5, 9, 0}, {4, 9, 16, 35. / 1820},
	} {
		if got := math.Exp(logChance(c.silent, c.answered, c.all)); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
