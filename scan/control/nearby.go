package control

import (
	"cmp"
	"math"
	"slices"
	"time"
)

const (
	// leastRun is how many controls that stand side by side must be silent, while others of
	// their area answer, until the path to their addresses is taken to have failed: a host or
	// two may go away by themselves.
	leastRun = 3

	// zoomOn is how many controls on each side of a silent one are asked at once.
	zoomOn = 2

	// lostByChance is how rarely loss alone may take as many probes in a row as those of a run.
	lostByChance = 1e-6

	maxWanted = 256 // controls that wait to be asked so
)

// region is the addresses for which a control stands that is silent while others of its area
// answer: up to the next control that answers, or half of the way to one that is silent too.
type region struct{ lo, hi uint64 } // hi is the first address behind it; 0: there is none

// byAddress has the members of an area in the order of their addresses.
func (c *controls) byAddress(a *part) []*member {
	all := make([]*member, len(a.members))
	for i := range a.members {
		all[i] = &a.members[i]
	}
	slices.SortFunc(all, func(x, y *member) int { return cmp.Compare(c.address(x.index), c.address(y.index)) })
	return all
}

// silentNow takes in that a member of an area is silent: those beside it are asked next, and
// when enough of them are silent too, they stand for a region that is lost.
func (c *controls) silentNow(a *part, m *member) {
	all := c.byAddress(a)
	at := slices.Index(all, m)
	first, end := at, at+1
	for first > 0 && all[first-1].silent > 0 {
		first--
	}
	for end < len(all) && all[end].silent > 0 {
		end++
	}
	for _, n := range all[max(first-zoomOn, 0):min(end+zoomOn, len(all))] {
		wanted := (n.silent == 0 || end-first >= leastRun) && !n.out && len(c.wanted) < maxWanted
		if wanted && !slices.Contains(c.wanted, n.index) {
			c.wanted = append(c.wanted, n.index)
		}
	}
	run, probes := all[first:end], 0
	for _, n := range run {
		probes += n.silent
	}
	var others tally
	for i, n := range all {
		if (i < first || i >= end) && n.flow > 0 {
			others.add(n.silent == 0)
		}
	}
	loss := max(1-others.share(), usualLoss)
	if len(run) < leastRun || len(run) == len(all) || float64(probes)*math.Log(loss) > math.Log(lostByChance) {
		return
	}
	for i, n := range run {
		n.gone = region{0, math.MaxUint64}
		switch {
		case i > 0:
			n.gone.lo = run[i-1].gone.hi
		case first > 0:
			n.gone.lo = c.address(all[first-1].index) + 1
		}
		switch {
		case i+1 < len(run):
			n.gone.hi = (c.address(n.index) + c.address(run[i+1].index) + 1) / 2
		case end < len(all):
			n.gone.hi = c.address(all[end].index)
		}
	}
	c.trouble = true
}

// back takes in that a member answers: what was silent in its region since it last did is
// void.
func (c *controls) back(s *settled, m *member, at Mark, group, area int) {
	if m.gone.hi > 0 {
		s.voids = append(s.voids, Void{Interval: Interval{m.last, at}, Group: group, Area: area, In: m.gone, Sure: true})
	}
	m.gone, m.last = region{}, at
}

// forget forgets regions of a part that has failed as a whole, from where on it works.
func (c *controls) forget(group, area int, to Mark) {
	for number, a := range c.areas {
		if n := number / int(kinds); a != nil && c.groupOf(n) == group && (area < 0 || n == area) {
			for i := range a.members {
				m := &a.members[i]
				if m.gone = (region{}); m.silent == 0 {
					m.last = to
				}
			}
		}
	}
}

// near chooses controls beside those that are silent, and those whose regions are lost.
func (c *controls) near(now time.Time, most int) (out []Control) {
	kept := c.wanted[:0]
	for _, index := range c.wanted {
		switch _, m := c.find(index); {
		case m == nil || m.out || m.gone.hi > 0:
		case len(out) < most && now.Sub(m.asked) >= hostEvery:
			out = append(out, m.ask(now))
			out[len(out)-1].near = true
		default:
			kept = append(kept, index)
		}
	}
	c.wanted = kept
	c.eachGone(func(m *member, _, _ int) {
		if len(out) < most && !m.out && now.Sub(m.asked) >= hostEvery {
			out = append(out, m.ask(now))
			out[len(out)-1].near = true
		}
	})
	return out
}

// eachGone calls f for each member whose region is lost.
func (c *controls) eachGone(f func(m *member, group, area int)) {
	if !c.trouble {
		return
	}
	for _, number := range c.order {
		a := c.areas[number]
		for i := range a.members {
			if m := &a.members[i]; m.gone.hi > 0 {
				f(m, c.groupOf(number/int(kinds)), number/int(kinds))
			}
		}
	}
}

// anyGone reports whether a region is lost.
func (c *controls) anyGone() (any bool) {
	c.eachGone(func(*member, int, int) { any = true })
	return any
}

// lostRegions are those that are still lost at a mark; those that stand side by side are one.
func (c *controls) lostRegions(now Mark) (voids []Void) {
	c.eachGone(func(m *member, group, area int) {
		voids = append(voids, Void{
			Interval: Interval{m.last, now}, Group: group, Area: area, In: m.gone, Sure: true, Lost: true,
		})
		m.gone = region{}
	})
	return joined(voids)
}

// joined makes one void of those of an area that stand side by side.
func joined(voids []Void) (out []Void) {
	slices.SortStableFunc(voids, func(x, y Void) int {
		return cmp.Or(cmp.Compare(x.Area, y.Area), cmp.Compare(x.In.lo, y.In.lo))
	})
	for _, v := range voids {
		if n := len(out) - 1; n >= 0 && v.In.lo > 0 && out[n].Area == v.Area && out[n].In.hi == v.In.lo {
			out[n].In.hi = v.In.hi
			if v.From.before(out[n].From) {
				out[n].From = v.From
			}
			if out[n].To.before(v.To) {
				out[n].To = v.To
			}
			continue
		}
		out = append(out, v)
	}
	return out
}

// looking reports whether controls beside silent ones are asked.
func (c *controls) looking() bool {
	return len(c.wanted) > 0 || slices.ContainsFunc(c.flights, func(f flight) bool { return f.near })
}
