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
	// errorEvery is the longest time between two errors of a limit that is looked for: Linux
	// sends one a second to each peer. After so long without any the path may have failed.
	errorEvery = 3 * time.Second

	// minGaps is in how many times between two errors control probes must be silent: in one
	// the path may have failed for a short time.
	minGaps = 2

	// minSilent is how many control probes must be silent in a row, even of a single host.
	minSilent = 2
	maxHeld   = 64

	// sampleSize is how many controls of an area are asked together to test for a limit.
	sampleSize = 8

	// sampleRounds is how often, a second apart: what a limit allows at once may have been saved
	// up before the first.
	sampleRounds = 3
	sampleEvery  = 50 * time.Millisecond // how often it is looked whether they may be asked

	// usualLoss is the loss that is expected where no other control shows it, and unlikely
	// how rarely chance may be taken for a limit.
	usualLoss  = 0.1
	lossMargin = 1.5
	unlikely   = 1e-3
)

// decides reports whether a part of a group shows by itself that its path has failed. Beside
// controls that answer by themselves, silence of ICMP errors shows a limit.
func (b *panel) decides(p *part) bool {
	return p.kind == Direct || b.group(p.group, Direct).seen == 0
}

// limit is what is known of a limit of ICMP errors. Errors that come show that the path
// works, and silence between them that there is a limit: a path that fails is silent once,
// and one whose errors are limited again and again.
type limit struct {
	on      bool // silence decides nothing
	off     bool // a sample has answered
	tested  bool // by a sample
	sample  tally
	rounds  int        // of the sample
	asked   time.Time  // when the last was
	last    time.Time  // when an error was last sent
	pending int        // silent control probes since then
	gaps    int        // times between two errors in which some were
	between tally      // control probes of those times, and those that were answered
	doubt   bool       // some silence of those times is not in held yet
	held    []Interval // that is void if there is no limit
	sure    bool       // some of held is since the path had failed
}

// sent takes in that an error was sent at a time, by one of so many hosts.
func (l *limit) sent(at time.Time, hosts float64) {
	if l.pending > 0 && at.Sub(l.last) < errorEvery {
		l.gaps++
		l.between.asked += float64(l.pending)
		l.doubt = l.doubt || float64(l.pending) >= min(someSilent, max(hosts, minSilent))
	}
	l.pending = 0
	if at.After(l.last) {
		l.last = at
	}
	sampled := at.After(l.asked) && at.Sub(l.asked) < errorEvery && l.sample.silentBeyond(usualLoss)
	if !l.off && (sampled || l.gaps >= minGaps && l.between.silentBeyond(usualLoss)) {
		l.on, l.held = true, nil
	}
}

// sampled takes in an outcome of a sample.
func (l *limit) sampled(answered bool, loss float64, alive bool) {
	l.sample.add(answered)
	switch {
	case l.on:
	case l.sample.asked >= sampleSize && l.sample.answered == l.sample.asked:
		l.off = true
	case alive && l.sample.silentBeyond(loss):
		l.on, l.held = true, nil
	}
}

// observe takes in an outcome of a control probe. Where errors are limited, silence shows
// nothing, and while that is not known, only that of a whole group.
func (p *part) observe(f *flight, loaded bool) Change {
	l, isArea := &p.limit, p.parent != nil
	switch {
	case p.kind == Direct || l.off:
		return p.Outcome(f.at, f.answered, loaded)
	case f.answered:
		from := p.settled
		l.between.add(true)
		if l.sent(f.at.At, p.hosts); l.doubt && !l.on && p.State() == Works {
			l.hold(Interval{from, f.at})
		}
		if l.doubt = false; l.on || isArea {
			p.settled, p.state = f.at, Works
			return Change{}
		}
	case l.on || isArea:
		return Change{}
	case p.State() == Works && f.at.At.Sub(l.last) < errorEvery:
		l.pending++
		return Change{}
	}
	change := p.Outcome(f.at, f.answered, loaded)
	if change.Void != (Interval{}) {
		l.hold(change.Void)
		l.sure = l.sure || change.Sure
	}
	return Change{}
}

// hold keeps an interval until it is known whether there is a limit.
func (l *limit) hold(v Interval) {
	if n := len(l.held); n > 0 && (l.held[n-1].To == v.From || n >= maxHeld) {
		l.held[n-1].To = v.To
		return
	}
	l.held = append(l.held, v)
}

// testable reports whether controls of an area are to be sampled: not where enough were, and
// all answered, or it is known that there is a limit.
func (p *part) testable(loss float64) bool {
	l := &p.limit
	return p.kind != Direct && !l.on && !l.off && !l.tested && l.rounds < sampleRounds &&
		(l.sample.asked < sampleSize || l.sample.answered < l.sample.asked && !l.sample.silentBeyond(loss))
}

// usualLoss is the loss that explains silence of ICMP errors in a group: the highest that
// what is known of its other controls allows, and the scan's own loss, with a margin.
func (c *controls) usualLoss(group int) float64 {
	direct := c.group(group, Direct)
	if known := direct.usual.plus(direct.recent); known.asked > 0 {
		return max(usualLoss, min(1-known.share(), c.loss*lossMargin))
	}
	return usualLoss
}

// sampled chooses controls of each area whose ICMP errors may be limited, to be asked at
// once, so many at most: endpoints that do not refuse again show a limit. more reports that there is an area
// whose sample is not complete.
func (c *controls) sampled(now time.Time, most int) (out []Control, more bool) {
	for _, a := range c.order {
		loss := c.usualLoss(a.group)
		if !a.testable(loss) || a.parent.limit.sample.silentBeyond(loss) {
			continue
		}
		more = true
		size := min(sampleSize, len(a.members))
		if now.Sub(a.limit.asked) < hostEvery || a.countDue(now) < size || len(out)+size > most {
			continue
		}
		a.limit.asked = now
		a.limit.rounds++
		for range size {
			picked := a.due(now).ask(now)
			picked.sample = true
			out = append(out, picked)
		}
	}
	return out, more
}

// sampleOutcome takes in what became of a control probe of a sample.
func (c *controls) sampleOutcome(a *part, answered bool) {
	g, loss, beside := a.parent, c.usualLoss(a.group), !c.decides(a)
	a.limit.sampled(answered, loss, beside)
	g.limit.sampled(answered, loss, beside || g.limit.sample.answered > 0)
}

// countDue is how many members may be asked now; none while others of a sample are on
// their way.
func (p *part) countDue(now time.Time) (n int) {
	for i := range p.members {
		switch m := &p.members[i]; {
		case m.out:
			return 0
		case now.Sub(m.asked) >= hostEvery:
			n++
		}
	}
	return n
}

// judgeSamples finds the parts whose samples show a limit, and what is void of the others.
func (c *controls) judgeSamples() (voids []Void) {
	for i := range c.groups {
		g := &c.groups[i]
		if g.kind == Direct {
			continue
		}
		alive, loss := !c.decides(g) || g.limit.sample.answered > 0, c.usualLoss(g.group)
		g.limit.judge(alive, loss)
		voids = append(voids, g.release(false)...)
		for _, a := range c.order {
			if a.parent == g {
				a.limit.judge(alive, loss)
				voids = append(voids, a.release(g.limit.on)...)
			}
		}
	}
	return voids
}

// judge decides by a sample whether there is a limit. alive means that somebody answered.
func (l *limit) judge(alive bool, loss float64) {
	if !alive {
		return
	}
	l.on = l.on || l.sample.silentBeyond(loss)
	l.tested = l.tested || l.sample.asked > 0
	l.off = !l.on && (l.off || l.sample.asked >= sampleSize)
	l.sample, l.rounds = tally{}, 0
}

// release is what was held of a part that has no limit, as its group has if within.
func (p *part) release(within bool) (voids []Void) {
	l := &p.limit
	if !l.on && (l.off || !within) {
		for _, v := range l.held {
			voids = append(voids, p.void(v, 0, l.sure))
		}
	}
	l.held, l.sure = nil, false
	return voids
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
// again together, and once more if not all answer. loss is that of the scan's own probes, 1
// if it is not known. The error is that of Scan.Ask.
func (w *Watch) FindLimits(ctx context.Context, loss float64) error {
	w.mu.Lock()
	w.controls.loss = loss
	w.mu.Unlock()
	w.pause(time.Now())
	defer w.pause(time.Time{})
	for spent := time.Duration(0); spent < (sampleRounds+1)*hostEvery; spent += sampleEvery {
		picks, more := w.sample(time.Now())
		if !more {
			break
		}
		if len(picks) == 0 {
			w.scan.Sleep(ctx, sampleEvery) // each control may be asked a second after the last time
		}
		if err := w.ask(ctx, picks, time.Now()); err != nil {
			return err
		}
		if err := w.await(ctx); err != nil {
			return nil
		}
	}
	w.mu.Lock()
	s := settled{voids: w.controls.judgeSamples()}
	w.mu.Unlock()
	w.apply(s)
	return nil
}

// sample chooses controls whose ICMP errors may be limited.
func (w *Watch) sample(now time.Time) (picks []Control, more bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.controls.sampled(now, engine.MaxBatch)
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
	n := int(c.Layout.areas())
	l := Limits{layout: &c.Layout, areas: make([]bool, c.Paths*n*int(kinds))}
	for i := range l.areas {
		at := place{group: i / int(kinds) / n, number: i / int(kinds), kind: Kind(i % int(kinds))}
		a, g := c.parts[at], c.group(at.group, at.kind)
		l.areas[i] = g.limit.on && (a == nil || !a.limit.off) || a != nil && a.limit.on
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
