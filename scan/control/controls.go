package control

import "time"

const (
	roundEvery  = 10 * time.Millisecond // the shortest time between two rounds of control probes
	hostEvery   = time.Second           // … and between two to one host
	perRound    = 2                     // control probes in a round at most: they spread over the others
	perUrgent   = 8                     // … and in one while the scan pauses
	forSuspects = 2                     // of the budget
	perPart     = 3                     // … of a part that has not failed

	// grace is what the receiver gets to take in what has come, after it was first noticed
	// that a control probe's wait is over: a machine that has stalled finds both at once.
	grace = 50 * time.Millisecond

	// costShare bounds the control probes of a scan while its path works: at most so many
	// for each of its own, of which a third and at least perConfirm are left for the end, or
	// minProbes and those.
	costShare    = 0.05
	confirmShare = 3
	perConfirm   = 6
	minProbes    = 8

	// troubleShare is the same once the path has failed: then it may do so again at any
	// time, and more often than a slow scan would find out otherwise.
	troubleShare = 0.25

	maxMembers = 64 // controls that are remembered of one block
	minMembers = 3  // an area with fewer is judged by its path alone

	// maxSilent is after how many silent control probes in a row an endpoint is no
	// control any more where its path works: its host has gone.
	maxSilent = 4

	maxAreas = 64  // of one path
	areaSize = 256 // addresses that an area has at least
)

// Control is an endpoint that is asked again, by the flow of that number, 1 to
// engine.Flows.
type Control struct {
	Index  uint64
	Flow   int
	sample bool // it tests for a limit of ICMP errors
}

// controls holds the controls of a scan, chooses whom to ask and passes what came
// of it to the detectors. It reads no clock. A Watch guards it.
type controls struct {
	panel
	flights
	budget
	suspects []suspect
	turn     int
	next     time.Time // no round before
	direct   tally     // of control probes to those that answer by themselves
	loss     float64   // of the scan's own probes; 1 while it is not known
	windows  windows

	pausedSince time.Time // zero while the scan goes on
}

func newControls(l Layout, begun time.Time) controls {
	c := controls{panel: newPanel(l, begun), flights: flights{numbers: make(map[uint64]uint64)}}
	for i := range l.Named {
		c.known(l.Endpoints+uint64(i), Direct, time.Time{})
	}
	return c
}

// round chooses the controls of a round, if it is affordable: one of each part in turn,
// which was not asked for hostEvery, first of those that are suspected. With urgent it costs
// what it must.
func (c *controls) round(now time.Time, sent uint64, urgent bool, want func(p *part) bool) (out []Control) {
	limit := perUrgent
	if !urgent {
		left := c.budget.left(sent)
		limit = min(perRound, left)
		out = c.pick(now, limit, c.isSuspect)
		limit = min(limit, max(left-forSuspects, 0)) + len(out)
	}
	asked := make(map[*part]int)
	out = append(out, c.pick(now, limit-len(out), func(p *part) bool {
		switch {
		case !c.decides(p) || !urgent && p.testable(c.usualLoss(p.group)):
			return false
		case want == nil || c.isSuspect(p):
			return true
		}
		return p.any(func(q *part) bool {
			asked[q]++
			return want(q) && (q.State() == Fails || asked[q] <= perPart)
		})
	})...)
	c.next = now.Add(roundEvery)
	if !urgent {
		c.spent += uint64(len(out))
	}
	return out
}

// pick chooses so many controls at most, one of each part that want selects in turn.
func (c *controls) pick(now time.Time, most int, want func(p *part) bool) (out []Control) {
	for idle := 0; idle < len(c.order) && len(out) < most; idle++ {
		p := c.order[c.turn%len(c.order)]
		c.turn++
		if m := p.due(now); m != nil && want(p) {
			out = append(out, m.ask(now))
			idle = -1
		}
	}
	return out
}

// answered takes in an answer to a control probe, and reports whether one was
// awaited. One that was counted as silent meanwhile is set right.
func (c *controls) answered(index uint64) bool {
	f := c.outstanding(index)
	if f == nil {
		if p, m := c.find(index); m != nil && m.silent > 0 {
			m.silent = 0
			c.hits++
			for ; p != nil; p = p.parent {
				p.late()
			}
			c.windows.at(m.asked).answered++
		}
		return false
	}
	if !f.answered {
		f.answered = true
		c.hits++
	}
	return true
}

// settled is what outcomes showed: the voids of parts that work again, and whether
// the scan's pace was to blame for one.
type settled struct {
	voids []Void
	pace  *Change
}

// settle passes the outcomes that are known to the detectors, in the order in which
// the probes left.
func (c *controls) settle(now time.Time) (s settled) {
	for _, f := range c.over(now) {
		c.outcome(&f, &s)
	}
	return s
}

func (c *controls) outcome(f *flight, s *settled) {
	p, m := c.find(f.index)
	if m == nil {
		return // another endpoint has taken its place
	}
	if m.out = false; f.unsent {
		return
	}
	m.silent++
	c.windows.at(f.at.At).add(f.answered)
	if f.answered {
		m.silent = 0
	}
	if f.sample {
		c.sampleOutcome(p, f.answered)
	}
	if !c.decides(p) {
		return
	}
	if p.kind == Direct {
		c.direct.add(f.answered)
	}
	loaded, works := c.pausedSince.IsZero() || f.at.At.Before(c.pausedSince), true
	for q := p; q != nil; q = q.parent {
		if q.parent != nil {
			q.expect(&q.parent.Detector)
		}
		if change := q.observe(f, loaded); q.judged() {
			c.add(s, q, change)
		}
		works = works && q.State() == Works
	}
	if p.kind == Direct {
		s.voids = append(s.voids, c.clear(f)...)
	}
	c.trouble = c.trouble || !works
	few := p.any(func(q *part) bool { return q.least == minMembers && q.count <= minMembers })
	if m.silent >= maxSilent && works && !few && !c.isNamed(f.index) {
		p.remove(m)
	}
}

// add takes in what an outcome showed of a part. One that fails again and again fails
// more likely by the scan's pace than by itself.
func (c *controls) add(s *settled, p *part, change Change) {
	if change.Void == (Interval{}) {
		return
	}
	s.voids = append(s.voids, p.void(change.Void, change.Loaded, change.Sure))
	if change.Sure {
		p.failed++
	}
	if p.kind == Direct && (change.Pace || p.failed > 1 && change.Sure) {
		s.pace = &change
	}
}
