package control

import (
	"math"
	"math/bits"
)

const (
	// blockSize is how many addresses a block has at least, and maxBlocks how many blocks
	// there are at most.
	blockSize = 32
	maxBlocks = 512

	slots = 64 // that the order is divided into, at most

	// falseGap is how likely a network without a fault has a gap by chance. Then what is
	// silent in it is asked once more.
	falseGap = 0.01

	// maxRare is how often the silent endpoints of a block are asked again for that: chance
	// leaves them silent, and a path that fails again and again does not.
	maxRare = 2
)

// History has at which positions of the order the endpoints of each block of addresses
// answered their first try. The order is random, so that those that answer are spread over
// it evenly unless the path fails at times: the answers of the scan itself are controls.
// It is not safe for concurrent use.
type History struct {
	layout *Layout
	length uint64 // of the order
	shift  int    // a slot has so many positions, as a power of two
	blocks []series
}

// series are the endpoints whose first try was made in each slot.
type series struct {
	slots   [slots]struct{ asked, answered int32 }
	changed bool // since the last Gaps
	rare    int  // how often it had a gap that chance makes next to never
}

// NewHistory is the history of a scan whose order has so many positions.
func NewHistory(l *Layout, length uint64) History {
	shift := max(bits.Len64(max(length, 1)-1)-bits.Len(slots-1), 0)
	return History{layout: l, length: length, shift: shift, blocks: make([]series, l.blocks())}
}

func (h *History) slot(pos uint64) uint64 { return pos >> h.shift }

// Add takes in that the first try of an endpoint was made, or if asked is -1 taken back.
func (h *History) Add(index, pos uint64, asked int32) {
	s := &h.blocks[h.layout.block(index)]
	s.slots[h.slot(pos)].asked += asked
	s.changed = s.changed || asked > 0
}

// Answer takes in that an endpoint answered its first try.
func (h *History) Answer(index, pos uint64) {
	h.blocks[h.layout.block(index)].slots[h.slot(pos)].answered++
}

// A Gap is a part of the order in which nobody of a range of addresses answered, although
// some would have.
type Gap struct {
	Range
	From, To uint64  // positions
	Silent   float64 // endpoints in it
	Missed   float64 // of those, how many would have answered as others did
	Chance   float64 // the logarithm of the probability that chance makes one as large
	Rare     bool    // that is next to none
	Open     bool    // nobody has answered after it
}

// Gaps are those that chance makes next to never, in ranges as large as possible, and the last
// of a range if it is larger than usual; of a block, if at least one endpoint would have
// answered in it. They are looked for where first tries were made since the last call.
func (h *History) Gaps() (out []Gap) {
	nodes := 2*len(h.blocks) - 1
	var look func(first, end int)
	look = func(first, end int) {
		sum := h.sum(first, end)
		if !sum.changed {
			return
		}
		gaps := sum.gaps(math.Log(falseGap / float64(nodes)))
		at := h.layout.rangeOf(first, end, h.layout.blocks())
		rare := false
		for _, g := range gaps {
			g.Range, g.From, g.To = at, h.position(g.From), h.position(g.To)
			g.Rare = g.Rare && sum.rare < maxRare
			rare = rare || g.Rare
			if g.Rare || g.Open && (end-first == 1 || g.Chance < math.Log(falseGap)) {
				out = append(out, g)
			}
		}
		if rare {
			for i := range h.blocks[first:end] {
				h.blocks[first+i].rare++
			}
			return
		}
		if mid := (first + end) / 2; mid > first {
			look(first, mid)
			look(mid, end)
		}
	}
	look(0, len(h.blocks))
	for i := range h.blocks {
		h.blocks[i].changed = false
	}
	return out
}

// position is the first of a slot; the length, of one after the last.
func (h *History) position(slot uint64) uint64 {
	if slot > (h.length-1)>>h.shift {
		return h.length
	}
	return slot << h.shift
}

func (h *History) sum(first, end int) (sum series) {
	for i := range h.blocks[first:end] {
		b := &h.blocks[first+i]
		sum.changed, sum.rare = sum.changed || b.changed, max(sum.rare, b.rare)
		for j, n := range b.slots {
			sum.slots[j].asked += n.asked
			sum.slots[j].answered += n.answered
		}
	}
	return sum
}

// gaps are the slots of gaps that are more rare than exp(rare), or if there is none the last
// gap.
func (s *series) gaps(rare float64) (out []Gap) {
	var asked, answered float64
	for _, n := range s.slots {
		asked += float64(max(n.asked, n.answered))
		answered += float64(n.answered)
	}
	if answered == 0 {
		return nil
	}
	for from := 0; from < slots; from++ {
		silent, to := 0.0, from
		for ; to < slots && s.slots[to].answered == 0; to++ {
			silent += float64(s.slots[to].asked)
		}
		if to == from {
			continue
		}
		g := Gap{
			From: uint64(max(from-1, 0)), To: uint64(min(to+1, slots)),
			Silent: silent, Missed: silent * answered / asked, Open: to == slots,
		}
		places := 1.0
		if !g.Open {
			places = slots
		}
		g.Chance = logChance(silent, answered, asked) + math.Log(2*places) // of two kinds
		g.Rare = g.Chance < rare
		if g.Rare || g.Open && g.Missed >= 1 && len(out) == 0 {
			out = append(out, g)
		}
		from = to
	}
	return out
}

// logChance is the logarithm of the probability that none of n endpoints answers, if of all
// asked so many do: hypergeometric.
func logChance(n, answered, all float64) float64 {
	if n > all-answered {
		return math.Inf(-1)
	}
	lg := func(x float64) float64 { y, _ := math.Lgamma(x + 1); return y }
	return lg(all-n) - lg(all-n-answered) - lg(all) + lg(all-answered)
}
