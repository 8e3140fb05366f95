package control

import (
	"math/rand/v2"
	"slices"
	"time"

	"onmux/probe"
	"onmux/scan/engine"
	"onmux/scan/verdict"
)

const (
	roundEvery = 10 * time.Millisecond // the shortest time between two rounds of control probes
	hostEvery  = time.Second           // … and between two to one host
	perRound   = 2                     // control probes in a round at most: they spread over the others
	perUrgent  = 8                     // … and in one while the scan pauses

	// grace is what the receiver gets to take in what has come, after it was first noticed
	// that a control probe's wait is over: a machine that has stalled finds both at once.
	grace = 50 * time.Millisecond

	// costShare bounds the control probes of a scan while its path works: at most so many
	// for each of its own, of which perConfirm are left for the end, or minProbes and those.
	costShare  = 0.05
	perConfirm = 6
	minProbes  = 8

	// troubleShare is the same once the path has failed: then it may do so again at any
	// time, and more often than a slow scan would find out otherwise.
	troubleShare = 0.25

	maxMembers = 64 // controls that are remembered of one area
	minMembers = 3  // an area with fewer is judged by its path alone

	// maxSilent is after how many silent control probes in a row an endpoint is no
	// control any more where its path works: its host has gone.
	maxSilent = 4

	maxAreas = 64  // of one path
	areaSize = 256 // addresses that an area has at least
)

// Layout divides the endpoints of a plan by path into groups, and those by address
// into areas: blocks of addresses that stand together in the plan.
type Layout struct {
	Addresses uint64                 // of the plan
	Address   func(uint64) uint64    // the number of an endpoint's address; nil: the index modulo Addresses
	Endpoints uint64                 // of the plan; 0 where no control is named
	Named     int                    // controls that the user named: their indexes begin at Endpoints
	Paths     int                    // ways out of this machine; at least 1
	Path      func(index uint64) int // the way to an endpoint, from 0; nil if there is one
	Seed      uint64                 // of the choice of controls
}

// isNamed reports whether an index is that of a named control. Those have an area of
// their own, behind the others, in group 0.
func (l *Layout) isNamed(index uint64) bool { return l.Named > 0 && index >= l.Endpoints }

func (l *Layout) areas() uint64 { return min(max(l.Addresses/areaSize, 1), maxAreas) }

// Group numbers the path of an endpoint.
func (l *Layout) Group(index uint64) int {
	if l.Path == nil || l.isNamed(index) {
		return 0
	}
	return l.Path(index)
}

// area numbers the area of an endpoint, over all groups.
func (l *Layout) area(index uint64) int {
	n := l.areas()
	if l.isNamed(index) {
		return l.Paths * int(n)
	}
	return l.Group(index)*int(n) + int(l.address(index)*n/l.Addresses)
}

// address is the number of an endpoint's address.
func (l *Layout) address(index uint64) uint64 {
	if l.Address != nil {
		return l.Address(index)
	}
	return index % l.Addresses
}

// A Void is a part of a scan in which silence is no evidence: that of a group, or
// of an area alone.
type Void struct {
	Interval
	Group int
	Area  int     // -1 for all of the group
	Share float64 // of controls that answered
	Sure  bool    // the path had failed, and not some controls by chance
	Lost  bool    // it lasts: nothing in it can be asked again
}

// groupOf is the group of an area.
func (l *Layout) groupOf(area int) int {
	if group := area / int(l.areas()); group < l.Paths {
		return group
	}
	return 0
}

// Concerns reports whether the silence of an endpoint in the interval is void.
func (l *Layout) Concerns(v Void, index uint64) bool {
	return l.Group(index) == v.Group && (v.Area < 0 || l.area(index) == v.Area)
}

// Control is an endpoint that is asked again, by the flow of that number, 1 to
// engine.Flows.
type Control struct {
	Index  uint64
	Flow   int
	sample bool // it tests for a limit of ICMP errors
}

// Kind is by what controls answer. ICMP errors are limited by those who send them, so that
// the endpoints of which they are sent are judged by themselves.
type Kind uint8

// The kinds.
const (
	Direct   Kind = iota // an answer of their own
	ErrorTCP             // an ICMP error about a SYN
	ErrorUDP             // … about a datagram

	kinds
)

// ErrorOf is the kind of an endpoint of which an ICMP error was sent.
func ErrorOf(p probe.Proto) Kind {
	if p == probe.TCP {
		return ErrorTCP
	}
	return ErrorUDP
}

// KindOf is the kind of control that an endpoint of a class is; false if it is none.
func KindOf(p probe.Proto, k verdict.Class) (Kind, bool) {
	switch {
	case k == verdict.SynAck, k == verdict.Reset, k == verdict.UDPResponse:
		return Direct, true
	case k >= verdict.PortUnreach && k <= verdict.TimeExceeded:
		return ErrorOf(p), true
	}
	return 0, false
}

// part is the controls of one kind in a group or an area.
type part struct {
	Detector
	kind    Kind
	members []member // of an area
	seen    int      // endpoints that have answered
	failed  int      // how often it has failed and worked again
	limit   limit
}

// member is a control of an area.
type member struct {
	index  uint64
	asked  time.Time
	flow   int
	silent int  // control probes in a row that were not answered
	out    bool // a control probe is on its way
}

// flight is a control probe that has left.
type flight struct {
	index    uint64
	at       Mark
	due      time.Time
	overdue  time.Time // when it was noticed that due has passed
	answered bool
	unsent   bool // it did not leave after all
	sample   bool // it tests for a limit of ICMP errors
}

// controls holds the controls of a scan, chooses whom to ask and passes what came
// of it to the detectors. It reads no clock. A Watch guards it.
type controls struct {
	Layout
	groups  []part  // by Layout.Group and kind
	areas   []*part // by Layout.area and kind; nil where nobody has answered
	order   []int   // areas that have had a member, in the order in which they are asked
	turn    int
	flights []flight          // in the order in which they left
	first   uint64            // number of the first of them
	numbers map[uint64]uint64 // of the flights, by index
	next    time.Time         // no round before
	asked   uint64
	spent   uint64 // of those, in rounds that were not urgent
	hits    uint64
	direct  tally   // of control probes to those that answer by themselves
	loss    float64 // of the scan's own probes; 1 while it is not known
	trouble bool    // some part has failed
	begun   time.Time
	windows windows
	random  *rand.Rand

	pausedSince time.Time // zero while the scan goes on
}

func newControls(l Layout, begun time.Time) controls {
	l.Paths = max(l.Paths, 1)
	c := controls{
		begun: begun, random: rand.New(rand.NewPCG(l.Seed, 0)),
		Layout: l, groups: make([]part, l.Paths*int(kinds)),
		areas:   make([]*part, (l.Paths*int(l.areas())+1)*int(kinds)),
		numbers: make(map[uint64]uint64),
	}
	for i := range c.groups {
		c.groups[i].settled.At, c.groups[i].kind = begun, Kind(i%int(kinds))
	}
	for i := range l.Named {
		c.known(l.Endpoints+uint64(i), Direct, time.Time{})
	}
	return c
}

// known takes in that an endpoint has answered for the first time.
func (c *controls) known(index uint64, kind Kind, now time.Time) {
	g := c.group(c.Group(index), kind)
	g.seen++
	g.hosts++
	g.limit.sent(now, g.hosts)
	number := c.area(index)*int(kinds) + int(kind)
	a := c.areas[number]
	if a == nil {
		a = &part{kind: kind}
		a.settled.At = c.begun
		c.areas[number] = a
		c.order = append(c.order, number)
	}
	m := member{index: index, asked: now}
	a.hosts++
	a.limit.sent(now, a.hosts)
	if a.seen++; len(a.members) < maxMembers {
		a.members = append(a.members, m)
		return
	}
	if at := c.random.IntN(a.seen); at < maxMembers && !a.members[at].out { // each stays with the same probability
		a.members[at] = m
	}
}

// answering is how many of a group's endpoints have answered.
func (c *controls) answering(group int) (n int) {
	for kind := range kinds {
		n += c.group(group, kind).seen
	}
	if group == 0 {
		n -= c.Named
	}
	return n
}

// group is the part of a group that has the controls of a kind.
func (c *controls) group(group int, kind Kind) *part { return &c.groups[group*int(kinds)+int(kind)] }

// round chooses the controls of a round, if one is due and affordable: one of each
// area in turn, which was not asked for hostEvery. With urgent it costs what it
// must.
func (c *controls) round(now time.Time, sent uint64, urgent bool, want func(group, area *part) bool) (out []Control) {
	limit := uint64(perUrgent)
	if !urgent {
		if limit = min(perRound, c.budget(sent)); now.Before(c.next) {
			return nil
		}
	}
	for idle := 0; idle < len(c.order) && uint64(len(out)) < limit; idle++ {
		number := c.order[c.turn%len(c.order)]
		c.turn++
		group := c.groupOf(number / int(kinds))
		g := c.group(group, c.areas[number].kind)
		if a := c.areas[number]; !c.decides(g, group) ||
			want != nil && !want(g, a) || !urgent && a.testable(c.usualLoss(group)) {
			continue
		}
		if m := c.areas[number].due(now); m != nil {
			out = append(out, m.ask(now))
			idle = -1
		}
	}
	if len(out) > 0 {
		c.next = now.Add(roundEvery)
	}
	if !urgent {
		c.spent += uint64(len(out))
	}
	return out
}

// budget is how many control probes may be sent at once, after so many probes of the scan.
func (c *controls) budget(sent uint64) uint64 {
	share := costShare
	if c.trouble {
		share = troubleShare
	}
	all := max(minProbes, uint64(float64(sent)*share)-min(perConfirm, uint64(float64(sent)*share)))
	return all - min(c.spent, all)
}

// ask is the next control probe to a member.
func (m *member) ask(now time.Time) Control {
	m.flow = m.flow%engine.Flows + 1
	m.asked, m.out = now, true
	return Control{Index: m.index, Flow: m.flow}
}

// due is the member that was asked longest ago; nil if each was asked a short time
// ago.
func (p *part) due(now time.Time) (best *member) {
	for i := range p.members {
		m := &p.members[i]
		if !m.out && now.Sub(m.asked) >= hostEvery && (best == nil || m.asked.Before(best.asked)) {
			best = m
		}
	}
	return best
}

// left takes in that control probes have left at a mark; answers count for wait.
func (c *controls) left(sent []Control, at Mark, wait time.Duration) {
	for _, p := range sent {
		c.numbers[p.Index] = c.first + uint64(len(c.flights))
		c.flights = append(c.flights, flight{index: p.Index, at: at, due: at.At.Add(wait), sample: p.sample})
	}
	c.asked += uint64(len(sent))
}

// withdraw takes in that control probes of a round did not leave.
func (c *controls) withdraw(unsent []Control) {
	for _, p := range unsent {
		if number, ok := c.numbers[p.Index]; ok {
			c.flights[number-c.first].unsent = true
			c.asked--
		}
	}
}

// answered takes in an answer to a control probe, and reports whether one was
// awaited. One that was counted as silent meanwhile is set right.
func (c *controls) answered(index uint64) bool {
	number, ok := c.numbers[index]
	if !ok {
		if a, m := c.find(index); m != nil && m.silent > 0 {
			m.silent = 0
			c.hits++
			c.group(c.Group(index), a.kind).late()
			a.late()
			c.windows.at(m.asked).answered++
		}
		return false
	}
	f := &c.flights[number-c.first]
	if !f.answered {
		f.answered = true
		c.hits++
	}
	return true
}

// find is a control, and the part of its area that it belongs to; nil if there is none.
func (c *controls) find(index uint64) (*part, *member) {
	first := c.area(index) * int(kinds)
	for _, a := range c.areas[first : first+int(kinds)] {
		if a == nil {
			continue
		}
		if i := slices.IndexFunc(a.members, func(m member) bool { return m.index == index }); i >= 0 {
			return a, &a.members[i]
		}
	}
	return nil, nil
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
	n := 0
	for ; n < len(c.flights); n++ {
		f := &c.flights[n]
		if !f.answered && !f.unsent && !f.over(now) {
			break
		}
		c.outcome(f, &s)
	}
	c.first += uint64(n)
	c.flights = slices.Delete(c.flights, 0, n)
	return s
}

// over reports whether no answer is waited for any more.
func (f *flight) over(now time.Time) bool {
	if f.overdue.IsZero() && !now.Before(f.due) {
		f.overdue = now
	}
	return !f.overdue.IsZero() && now.Sub(f.overdue) >= grace
}

func (c *controls) outcome(f *flight, s *settled) {
	delete(c.numbers, f.index)
	a, m := c.find(f.index)
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
	group, area, named := c.Group(f.index), c.area(f.index), c.isNamed(f.index)
	g := c.group(group, a.kind)
	if f.sample {
		loss, beside := c.usualLoss(group), !c.decides(g, group)
		a.limit.sampled(f.answered, loss, beside)
		g.limit.sampled(f.answered, loss, beside || g.limit.sample.answered > 0)
	}
	if !c.decides(g, group) {
		return
	}
	if a.kind == Direct {
		c.direct.add(f.answered)
	}
	loaded := c.pausedSince.IsZero() || f.at.At.Before(c.pausedSince)
	a.expect(&g.Detector)
	c.add(s, g, g.observe(f, loaded, false), group, -1)
	if change := a.observe(f, loaded, true); len(a.members) >= minMembers && !named {
		c.add(s, a, change, group, area)
	}
	c.trouble = c.trouble || g.State() == Fails || a.State() == Fails
	if !named && m.silent >= maxSilent && a.State() == Works && g.State() == Works && len(a.members) > minMembers {
		*m = a.members[len(a.members)-1]
		a.members = a.members[:len(a.members)-1]
	}
}

// add takes in what an outcome showed of a part. One that fails again and again fails
// more likely by the scan's pace than by itself.
func (c *controls) add(s *settled, p *part, change Change, group, area int) {
	if change.Void == (Interval{}) {
		return
	}
	s.voids = append(s.voids, Void{
		Interval: change.Void, Group: group, Area: area, Share: change.Loaded, Sure: change.Sure,
	})
	if change.Sure {
		p.failed++
	}
	if p.kind == Direct && (change.Pace || p.failed > 1 && change.Sure) {
		s.pace = &change
	}
}

// judged calls f for each part by which silence is judged: that of each group that has
// controls, and of each area that has enough of them. Where ICMP errors are limited, only
// that nobody answers at all shows something.
func (c *controls) judged(f func(p *part, group, area int)) {
	for i := range c.groups {
		if g := &c.groups[i]; g.seen > 0 && c.decides(g, i/int(kinds)) {
			f(g, i/int(kinds), -1)
		}
	}
	for _, number := range c.order {
		a, area := c.areas[number], number/int(kinds)
		group := c.groupOf(area)
		if len(a.members) >= minMembers && (a.kind == Direct || a.limit.off && c.decides(c.group(group, a.kind), group)) &&
			area < c.Paths*int(c.Layout.areas()) {
			f(a, group, area)
		}
	}
}

// failed reports whether every group that has controls has failed.
func (c *controls) failed() bool {
	some := false
	for i := range c.groups {
		switch g := &c.groups[i]; {
		case g.seen == 0 || !c.decides(g, i/int(kinds)):
		case g.State() == Fails:
			some = true
		default:
			return false
		}
	}
	return some
}
