package control

import (
	"math"
	"slices"
)

// gone is the share of hosts that may not answer again although nothing is wrong.
const gone = 0.1

// suspect is addresses of a group of which none has answered up to the end of a pass since the
// mark from: silence since then counts only if a control answers after the mark until.
type suspect struct {
	Range
	group       int
	from, until Mark
	rare        bool // chance makes no such gap
	silent      int  // control probes in a row that were not answered
}

func (s *suspect) has(group int, address uint64) bool {
	return s.group == group && address >= s.Lo && address < s.Hi
}

func (s *suspect) void(to Mark) Void {
	return Void{Interval: Interval{s.from, to}, Range: s.Range, Group: s.group, Sure: s.rare}
}

// suspect takes in the gaps of passes up to one that has ended at a mark, and returns what is
// void of them.
func (c *controls) suspect(gaps []Gap, end Mark) (voids []Void) {
	for _, g := range gaps {
		for group := range c.Paths {
			n := c.within(g.Range, group)
			if n == 0 || g.Chance+float64(n)*math.Log(gone) > -failThreshold {
				continue // that none answers would be chance
			}
			s := suspect{Range: g.Range, group: group, from: Mark{1, g.From, c.begun.At}, until: end, rare: g.Rare}
			if g.Open {
				c.suspects = append(c.suspects, s)
				c.trouble = c.trouble || g.Rare
				continue
			}
			voids = append(voids, s.void(Mark{1, g.To, end.At}))
		}
	}
	return voids
}

// isSuspect reports whether the controls of a block are in addresses that are suspected.
func (c *controls) isSuspect(p *part) bool {
	return p.kind == Direct && p.Range != (Range{}) &&
		slices.ContainsFunc(c.suspects, func(s suspect) bool { return s.has(p.group, p.Lo) })
}

// clear takes in what became of a control probe to a suspected address. With the first answer
// the path to it works again, or if loss explains the silence until then has always worked.
func (c *controls) clear(f *flight) (voids []Void) {
	group, address := c.Group(f.index), c.address(f.index)
	loss := max(usualLoss, 1-c.group(group, Direct).usual.raw())
	kept := c.suspects[:0]
	for _, s := range c.suspects {
		switch {
		case !s.has(group, address) || f.at.before(s.until):
		case !f.answered:
			s.silent++
		default:
			if s.rare || math.Pow(loss, float64(s.silent)) <= falseGap {
				voids = append(voids, s.void(f.at))
			}
			continue
		}
		kept = append(kept, s)
	}
	c.suspects = kept
	return voids
}

// lose gives up what is still suspected.
func (c *controls) lose(now Mark) (voids []Void) {
	for _, s := range c.suspects {
		v := s.void(now)
		v.Sure, v.Lost = true, true
		voids = append(voids, v)
	}
	c.suspects = nil
	return voids
}
