package control

import (
	"context"
	"math"
	"slices"
	"time"

	"onmux/probe"
	"onmux/scan/engine"
	"onmux/scan/verdict"
)

// ICMPBurst is how many unreachables a Linux host sends to one peer before it falls
// back to one a second (net.ipv4.icmp_ratelimit, XRLIM_BURST_FACTOR in
// net/ipv4/route.c). Others are stricter, few are more generous.
const ICMPBurst = 6

const (
	// maxLimited is how often a scan is slowed down for ICMP errors that are limited, before
	// silence beside them is taken to decide nothing.
	maxLimited = 2

	// sampleSize is how many controls of an area are asked together to test for a limit.
	sampleSize = 8

	// sampleRounds is how often, a second apart: what a limit allows at once may have been saved
	// up before the first.
	sampleRounds = 3

	// usualLoss is the loss that is expected where no other control shows it, and unlikely
	// how rarely chance may be taken for a limit.
	usualLoss = 0.1
	unlikely  = 1e-3
)

// decides reports whether a part of a group shows by itself that its path has failed. Beside
// controls that answer by themselves, silence of ICMP errors shows a limit.
func (c *controls) decides(p *part, group int) bool {
	return p.kind == Direct || c.group(group, Direct).seen == 0
}

// limit is what a change means for controls of which ICMP errors are sent. A limit that the
// pace exceeds slows the scan down at first; then silence beside it decides nothing.
func (c *controls) limit(p *part, change Change, group int) Change {
	if p.limited {
		return Change{}
	}
	direct := c.group(group, Direct)
	if p.State() == Fails && direct.seen > 0 && direct.State() == Works && direct.score == 0 {
		p.state, p.score = Works, 0
		if !p.loaded.silentBeyond(max(usualLoss, 1-direct.usual.share())) {
			p.usual, p.settled = p.loaded, direct.settled // as many are lost of all packets
			return Change{}
		}
		change = Change{Loaded: p.loaded.raw(), Rested: p.usual.share(), Pace: true, Sure: true}
		change.Void = Interval{p.settled, direct.settled}
		p.limited, p.settled = p.usual.asked < enough, direct.settled
	}
	if !change.Sure {
		return change
	}
	if p.failed >= maxLimited || change.Rested < lowShare {
		p.limited = true
	}
	if p.limited {
		p.state, p.score = Works, 0
		return Change{}
	}
	return change
}

// testable reports whether controls of an area are to be sampled: not where enough were, and
// all answered.
func (p *part) testable() bool {
	return p.kind != Direct && !p.limited && !p.tested &&
		(p.sample.asked < sampleSize || p.sample.answered < p.sample.asked)
}

// untested reports whether controls of some area are to be sampled.
func (c *controls) untested() bool {
	return slices.ContainsFunc(c.order, func(number int) bool { return c.areas[number].testable() })
}

// sampled chooses controls of each area whose ICMP errors may be limited, to be asked at
// once: endpoints that do not refuse again show a limit.
func (c *controls) sampled(now time.Time) (out []Control) {
	for _, number := range c.order {
		a := c.areas[number]
		if !a.testable() {
			continue
		}
		for n := 0; n < sampleSize && len(out) < engine.MaxBatch; n++ {
			m := a.due(now)
			if m == nil {
				break
			}
			m.flow = m.flow%engine.Flows + 1
			m.asked, m.out = now, true
			out = append(out, Control{Index: m.index, Flow: m.flow, sample: true})
		}
	}
	return out
}

// judgeSamples finds the parts whose samples show a limit.
func (c *controls) judgeSamples() {
	for i := range c.groups {
		g := &c.groups[i]
		loss := usualLoss
		if direct := c.group(i/int(kinds), Direct); direct.usual.asked >= enough {
			loss = max(loss, 1-direct.usual.share())
		}
		g.limited = g.limited || g.sample.silentBeyond(loss)
		for number, a := range c.areas {
			if a != nil && a.kind == g.kind && c.groupOf(number/int(kinds)) == i/int(kinds) {
				a.limited = a.limited || a.sample.silentBeyond(loss)
				a.tested = a.tested || a.sample.asked > 0
				a.unlimited = a.sample.asked >= sampleSize && !a.limited
				a.sample = tally{}
			}
		}
		g.sample = tally{}
	}
}

// silentBeyond reports whether more are silent than a loss explains: of n attempts of which
// each fails with probability p, a share of q fails more rarely than exp(−n·D), where D is
// the divergence of q from p (Hoeffding, "Probability Inequalities for Sums of Bounded Random
// Variables", 1963, theorem 1).
func (t *tally) silentBeyond(p float64) bool {
	q := 1 - t.raw()
	if t.asked == 0 || q <= p {
		return false
	}
	divergence := q * math.Log(q/p)
	if q < 1 {
		divergence += (1 - q) * math.Log((1-q)/(1-p))
	}
	return -t.asked*divergence < math.Log(unlikely)
}

// FindLimits tests whether ICMP errors are limited, by asking some of their endpoints
// again together, and once more if not all answer. The error is that of Scan.Ask.
func (w *Watch) FindLimits(ctx context.Context) error {
	w.pause(time.Now())
	defer w.pause(time.Time{})
	for range sampleRounds {
		w.mu.Lock()
		untested := w.controls.untested()
		w.mu.Unlock()
		if !untested {
			break
		}
		w.scan.Sleep(ctx, hostEvery) // each control may be asked then
		now := time.Now()
		w.mu.Lock()
		picks := w.controls.sampled(now)
		w.mu.Unlock()
		if err := w.ask(ctx, picks, now); err != nil {
			return err
		}
		if err := w.await(ctx); err != nil {
			return nil
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.controls.judgeSamples()
	return nil
}

// Limits are where silence decides nothing, because ICMP errors are limited there:
// whether a silent port is open, or its refusal was never sent, cannot be
// distinguished however often it is asked at that pace. The zero value has none.
type Limits struct {
	// Refused are the refusals that came nevertheless, of ports few enough to count
	// as answers. They do not measure loss.
	Refused verdict.Tally

	layout *Layout
	hosts  []uint64 // a bit for each address whose own limit was reached
	areas  []bool   // by Layout.area and kind
	own    []int    // by Layout.area: refusals beyond those that the limits of hosts allow at once
}

// Limits are those that were found so far.
func (w *Watch) Limits() Limits {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := &w.controls
	l := Limits{layout: &w.controls.Layout, areas: make([]bool, len(c.areas))}
	for number, a := range c.areas[:c.Paths*int(c.Layout.areas())*int(kinds)] {
		g := c.group(c.groupOf(number/int(kinds)), Kind(number%int(kinds)))
		l.areas[number] = g.limited && (a == nil || !a.unlimited) || a != nil && a.limited
	}
	return l
}

// LimitHost notes that an endpoint refused UDP whose host was asked on more ports than it
// refuses at once: it has a limit of its own. A network has one beside it only if its hosts
// refused fewer.
func (l *Limits) LimitHost(index uint64) {
	addr, area := l.layout.address(index), l.layout.area(index)
	if l.hosts == nil {
		l.hosts = make([]uint64, l.layout.Addresses/64+1)
		l.own = make([]int, len(l.areas)/int(kinds))
	}
	if l.hosts[addr/64]>>(addr%64)&1 == 0 {
		l.hosts[addr/64] |= 1 << (addr % 64)
		l.own[area] -= ICMPBurst
	}
	l.own[area]++
}

// Any reports whether there is a limit anywhere.
func (l *Limits) Any() bool { return l.hosts != nil || slices.Contains(l.areas, true) }

// Doubt is why silence of the endpoint at an index of the plan decides nothing, or less than
// it seems; "" if it does not.
func (l *Limits) Doubt(index uint64, p probe.Proto) probe.DoubtKind {
	addr := l.layout.address(index)
	limited := l.areas[l.layout.area(index)*int(kinds)+int(ErrorOf(p))]
	switch {
	case p == probe.TCP && limited:
		return probe.DoubtRefusalLimited
	case p == probe.TCP:
	case l.hosts != nil && l.hosts[addr/64]>>(addr%64)&1 != 0:
		return probe.DoubtHostLimits
	case limited && (l.own == nil || l.own[l.layout.area(index)] < 0):
		return probe.DoubtNetworkLimits
	}
	return ""
}
