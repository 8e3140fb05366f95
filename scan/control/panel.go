package control

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"onmux/scan/engine"
)

// part is the controls of one kind in a group, in one of its areas, or in a block of that.
type part struct {
	Detector
	Range   // none of a group, and of controls that were named
	group   int
	kind    Kind
	parent  *part    // that it is in; nil of a group
	least   int      // controls without which it is judged by its parent alone
	members []member // of a block; of an area, where they answer by ICMP errors
	count   int      // controls in it
	seen    int      // endpoints that have answered
	failed  int      // how often it has failed and worked again
	limit   limit
}

// judged reports whether it has controls enough to be judged by them.
func (p *part) judged() bool { return p.seen > 0 && p.count >= p.least }

// any reports whether f is true of the part or one that it is in.
func (p *part) any(f func(*part) bool) bool {
	for ; p != nil; p = p.parent {
		if f(p) {
			return true
		}
	}
	return false
}

// member is a control of an area.
type member struct {
	index  uint64
	asked  time.Time
	flow   int
	silent int  // control probes in a row that were not answered
	out    bool // a control probe is on its way
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

// grow adds to the number of controls of the part and those that it is in.
func (p *part) grow(n int) {
	for ; p != nil; p = p.parent {
		p.count += n
	}
}

// remove removes a member.
func (p *part) remove(m *member) {
	last := len(p.members) - 1
	*m = p.members[last]
	p.members = p.members[:last]
	p.grow(-1)
}

// void is an interval of the part in which silence is no evidence.
func (p *part) void(v Interval, share float64, sure bool) Void {
	return Void{Interval: v, Range: p.Range, Group: p.group, Share: share, Sure: sure}
}

// panel has the parts of a scan, each with its controls.
type panel struct {
	Layout
	groups []part          // by Layout.Group and kind
	parts  map[place]*part // smaller ones in which somebody has answered
	order  []*part         // of those, in which they are asked
	begun  Mark
	random *rand.Rand
}

// place is where a part is.
type place struct {
	group, number int
	kind          Kind
	block         bool
}

func newPanel(l Layout, begun time.Time) panel {
	l.Paths = max(l.Paths, 1)
	b := panel{
		Layout: l, groups: make([]part, l.Paths*int(kinds)), parts: make(map[place]*part), begun: Mark{At: begun},
		random: rand.New(rand.NewPCG(l.Seed, 0)),
	}
	for i := range b.groups {
		g := &b.groups[i]
		g.settled, g.kind, g.group = b.begun, Kind(i%int(kinds)), i/int(kinds)
	}
	return b
}

// group is the part of a group that has the controls of a kind.
func (b *panel) group(group int, kind Kind) *part { return &b.groups[group*int(kinds)+int(kind)] }

// partOf is the smallest part that an endpoint is in; nil if it is to be made and is not yet.
func (b *panel) partOf(index uint64, kind Kind, make bool) *part {
	group := b.Group(index)
	at := place{group: group, number: b.area(index), kind: kind}
	if b.isNamed(index) {
		return b.at(at, Range{}, b.group(group, kind), math.MaxInt, make)
	}
	n := int(b.areas())
	local := at.number % n
	area := b.at(at, b.rangeOf(local, local+1, b.areas()), b.group(group, kind), minMembers, make)
	if kind != Direct || area == nil {
		return area
	}
	at.number, at.block = b.block(index), true
	return b.at(at, b.rangeOf(at.number, at.number+1, b.blocks()), area, math.MaxInt, make)
}

// at is the part at a place, which is made if there is none and make is set.
func (b *panel) at(where place, r Range, parent *part, least int, make bool) *part {
	p := b.parts[where]
	if p == nil && make {
		p = &part{Range: r, group: where.group, kind: where.kind, parent: parent, least: least}
		p.settled = b.begun
		b.parts[where] = p
		b.order = slices.Insert(b.order, b.random.IntN(len(b.order)+1), p) // neighbors are not asked in a row
	}
	return p
}

// known takes in that an endpoint has answered for the first time.
func (b *panel) known(index uint64, kind Kind, now time.Time) {
	holder := b.partOf(index, kind, true)
	for p := holder; p != nil; p = p.parent {
		p.seen++
		p.hosts++
		p.limit.sent(now, p.hosts)
	}
	m := member{index: index, asked: now}
	if len(holder.members) < maxMembers {
		if !b.hasAddress(holder, index) {
			holder.members = append(holder.members, m)
			holder.grow(1)
		}
		return
	}
	if at := b.random.IntN(holder.seen); at < maxMembers && !holder.members[at].out && !b.hasAddress(holder, index) {
		holder.members[at] = m // each stays with the same probability
	}
}

// hasAddress reports whether another endpoint of the same address is a member: it would
// show nothing more.
func (b *panel) hasAddress(p *part, index uint64) bool {
	if b.isNamed(index) {
		return false
	}
	a := b.address(index)
	return slices.ContainsFunc(p.members, func(m member) bool { return b.address(m.index) == a })
}

// find is a control, and the smallest part that it is in; nil if there is none.
func (b *panel) find(index uint64) (*part, *member) {
	for kind := range kinds {
		p := b.partOf(index, kind, false)
		if p == nil {
			continue
		}
		if i := slices.IndexFunc(p.members, func(m member) bool { return m.index == index }); i >= 0 {
			return p, &p.members[i]
		}
	}
	return nil, nil
}

// answering is how many of a group's endpoints have answered.
func (b *panel) answering(group int) (n int) {
	for kind := range kinds {
		n += b.group(group, kind).seen
	}
	if group == 0 {
		n -= b.Named
	}
	return n
}

// within counts the controls of a group that answer by themselves and have addresses of a
// range.
func (b *panel) within(r Range, group int) (n int) {
	for _, p := range b.order {
		if p.kind == Direct && p.group == group && p.Range != (Range{}) && p.Lo < r.Hi && p.Hi > r.Lo {
			n += len(p.members)
		}
	}
	return n
}

// judge calls f for each part by which silence is judged: that of each group that has
// controls, and of each area and block that has enough of them. Where ICMP errors are
// limited, only that nobody answers at all shows something.
func (b *panel) judge(f func(p *part)) {
	for i := range b.groups {
		if g := &b.groups[i]; g.judged() && b.decides(g) {
			f(g)
		}
	}
	for _, p := range b.order {
		if p.judged() && (p.kind == Direct || p.limit.off && b.decides(p)) {
			f(p)
		}
	}
}

// failed reports whether every group that has controls has failed.
func (b *panel) failed() bool {
	some := false
	for i := range b.groups {
		switch g := &b.groups[i]; {
		case g.seen == 0 || !b.decides(g):
		case g.State() == Fails:
			some = true
		default:
			return false
		}
	}
	return some
}
