package ruleset

import (
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"onmux/probe/local/nfexpr"
)

// Bounds of what is kept of packets.
const (
	maxConditions = 4   // of a translation
	maxDoubts     = 8   // of packets
	maxSets       = 256 // of packets that a rule makes of one
)

// packets is a set of packets that a rule sees: all combinations of some ports, own
// addresses, sources and devices.
type packets struct {
	ports      PortSet
	addrs      uint64             // bits of flow.own
	sources    sourceSet          // within flow.sources
	devices    uint64             // bits of flow.devices
	conditions []nfexpr.Condition // that held on the way here, of every kind
	before     []nfexpr.Condition // conditions, when the rule began
	pending    []nfexpr.Condition // of the rule, of which it is not known whether they hold
	doubts     []doubt            // those that decided about the way here
	state      state
	regs       registers
}

// state is what rules made of packets.
type state struct {
	target      Target // where they go to, if moved
	moved       bool   // they have another destination than at first
	natDone     bool   // connection tracking has their destination: other nat chains do not see them
	untracked   bool
	sourceMoved bool // a rule has rewritten where they come from
	routeBack   bool // those of sources without a route back were dropped
	mark        constants
	connMark    constants
	last        Rule // that decided in the hook before
	lastPolicy  bool
}

// constants are bytes that a rule has set.
type constants struct {
	known bool
	bytes [4]registerByte
}

// doubt is a condition of which it is not known whether it holds, as one half of
// packets has it.
type doubt struct {
	Doubt
	split int // both halves have the same
	holds bool
}

func (p packets) empty() bool {
	return len(p.ports) == 0 || p.addrs == 0 || p.devices == 0 || len(p.sources) == 0
}

// match is which packets an expression lets through.
type match struct {
	never     bool
	ports     PortSet          // nil: any
	addrs     uint64           // bits of flow.own
	sources   sourceSet        // nil: any
	devices   uint64           // bits of flow.devices
	condition nfexpr.Condition // that it compares, as part of ports, addrs, sources or devices
	unsure    nfexpr.Condition // what else it depends on
	assumed   bool             // there is a route back to the source
}

// intersect is those packets that a match lets through.
func (p packets) intersect(m match) packets {
	switch {
	case m.never:
		p.ports = nil
	case m.ports != nil:
		p.ports = p.ports.intersect(m.ports)
	}
	p.addrs &= m.addrs
	p.devices &= m.devices
	if m.sources != nil {
		p.sources = p.sources.intersect(m.sources)
	}
	p.conditions = including(p.conditions, m.condition, m.unsure)
	return p
}

// without is those packets that a match does not let through.
func (p packets) without(m match) (out []packets) {
	add := func(q packets) {
		if !q.empty() {
			out = append(out, q)
		}
	}
	if p.state.routeBack = p.state.routeBack || m.assumed; m.never {
		add(p)
		return out
	}
	q := p
	if m.ports != nil {
		q.ports = p.ports.intersect(m.ports.complement())
		add(q)
		p.ports = p.ports.intersect(m.ports)
	}
	q = p
	q.addrs &^= m.addrs
	add(q)
	p.addrs &= m.addrs
	q = p
	q.devices &^= m.devices
	add(q)
	p.devices &= m.devices
	if m.sources != nil {
		q = p
		q.sources = p.sources.without(m.sources)
		add(q)
	}
	return out
}

// doubting is packets about which conditions decided, one way or the other.
func (p packets) doubting(conditions []nfexpr.Condition, by Rule, split int, holds bool) packets {
	for _, c := range conditions {
		if len(p.doubts) < maxDoubts {
			p.doubts = append(slices.Clip(p.doubts), doubt{Doubt{c, by}, split, holds})
		}
	}
	return p
}

// splits numbers how often packets were made two sets, of which conditions decide differently.
type splits int

// halve is packets about which conditions decided that they hold, and that they do not.
func (s *splits) halve(p packets, conditions []nfexpr.Condition, by Rule) (hold, not packets) {
	*s++
	return p.doubting(conditions, by, int(*s), true), p.doubting(conditions, by, int(*s), false)
}

// split is the packets that one of some matches lets through, or may, and those that
// none does. What else it depends on is pending.
func (f *flow) split(p packets, matches []match, invert bool) (in, out []packets) {
	rest := []packets{p}
	for _, m := range matches {
		var next []packets
		for _, q := range rest {
			q.state.routeBack = q.state.routeBack || m.assumed
			next = append(next, q.without(m)...)
			through := q.intersect(m)
			if through.empty() {
				continue
			}
			if m.unsure != (nfexpr.Condition{}) {
				through.pending = append(slices.Clip(through.pending), m.unsure)
			}
			in = append(in, through)
		}
		if rest = next; len(rest)+len(in) > maxSets {
			return f.split(p, []match{f.depends(nfexpr.Condition{Kind: nfexpr.AddressAndPort})}, invert)
		}
	}
	if !invert {
		return in, leave(rest)
	}
	for i := range rest { // what a rule compares is a condition of what it lets through
		for _, m := range matches {
			rest[i].conditions = including(rest[i].conditions, m.condition, m.unsure)
		}
	}
	out = slices.Clone(in)
	for _, q := range in {
		if len(q.pending) > len(p.pending) { // it may let them through
			rest = append(rest, q)
		}
	}
	out = slices.DeleteFunc(out, func(q packets) bool { return len(q.pending) > len(p.pending) })
	return rest, leave(out)
}

// leave is packets that go on to the next rule.
func leave(all []packets) []packets {
	for i := range all {
		all[i].conditions, all[i].pending = all[i].before, nil
	}
	return all
}

// including is conditions and some more.
func including(all []nfexpr.Condition, more ...nfexpr.Condition) []nfexpr.Condition {
	for _, c := range more {
		if c != (nfexpr.Condition{}) && !slices.Contains(all, c) {
			all = append(slices.Clip(all), c)
		}
	}
	return all
}

// merge makes one of packets that differ in one respect only.
func merge(all []packets) []packets {
	if len(all) < 2 || len(all) > maxSets {
		return all
	}
	for i := 0; i < len(all); i++ {
		for j := i + 1; j < len(all); {
			if m, ok := all[i].merged(all[j]); ok {
				all[i] = m
				all = slices.Delete(all, j, j+1)
				j = i + 1
				continue
			}
			j++
		}
	}
	return all
}

// merged is two sets of packets as one.
func (p packets) merged(q packets) (packets, bool) {
	if p.state.last, p.state.lastPolicy = q.state.last, q.state.lastPolicy; p.state != q.state {
		return p, false
	}
	ports, addrs := slices.Equal(p.ports, q.ports), p.addrs == q.addrs
	devices, sources := p.devices == q.devices, slices.Equal(p.sources, q.sources)
	different := 0
	for _, same := range []bool{ports, addrs, devices, sources} {
		if !same {
			different++
		}
	}
	if different > 1 || !p.mergeDoubts(q, different == 0) {
		return p, false
	}
	p.conditions = common(p.conditions, q.conditions)
	switch {
	case !ports:
		p.ports = newPortSet(slices.Concat(p.ports, q.ports))
	case !addrs:
		p.addrs |= q.addrs
	case !devices:
		p.devices |= q.devices
	case !sources:
		p.sources = p.sources.union(q.sources)
	}
	return p, true
}

// beforeLast is how many doubts there are before the last split.
func (p packets) beforeLast() int {
	n := len(p.doubts)
	for n > 0 && p.doubts[n-1].split == p.doubts[len(p.doubts)-1].split {
		n--
	}
	return n
}

// mergeDoubts makes one list of those of two sets of packets; false if the packets
// differ and the doubts do, too.
func (p *packets) mergeDoubts(q packets, samePackets bool) bool {
	if slices.Equal(p.doubts, q.doubts) {
		return true
	}
	if !samePackets {
		return false
	}
	keep := p
	if a, b := p.beforeLast(), q.beforeLast(); slices.Equal(p.doubts[:a], q.doubts[:b]) {
		p, q := p.doubts[a:], q.doubts[b:]
		if len(p) > 0 && len(q) > 0 && p[0].split == q[0].split && p[0].holds != q[0].holds {
			keep.doubts = slices.Clip(keep.doubts[:a]) // whether it holds or not, they are here
			return true
		}
	}
	for _, d := range q.doubts {
		known := func(e doubt) bool { return e.Doubt == d.Doubt }
		if !slices.ContainsFunc(p.doubts, known) {
			if len(p.doubts) < maxDoubts {
				p.doubts = append(slices.Clip(p.doubts), d)
			}
		}
	}
	return true
}

// common is what two lists begin with.
func common(a, b []nfexpr.Condition) []nfexpr.Condition {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return a[:n:n]
}

// translated is packets that go to another place from now on.
func (p packets) translated(t Target) packets {
	if t.Port == SamePort && p.state.moved {
		t.Port, t.Ports = p.state.target.Port, p.state.target.Ports
	}
	p.state.target, p.state.moved = t, true
	return p
}

// rewritten is where packets go to whose header a rule writes to, if that is to
// another place.
func (p packets) rewritten(e nfexpr.Expression, f *flow) (Target, bool) {
	t, moved := p.state.target, false
	at, addr, size, end := int(e.Load.Offset), 16, 4, 20
	if f.family == unix.NFPROTO_IPV6 {
		addr, size, end = 24, 16, 40
	}
	if e.Load.From == nfexpr.FromTransportHeader {
		at += end // behind an IP header without options
	}
	written := func(first, size int) (b []byte, some, known bool) {
		if at >= first+size || at+e.Size <= first {
			return nil, false, false
		}
		if at <= first && at+e.Size >= first+size {
			b, known = p.regs.constant(e.Src+first-at, size)
		}
		return b, true, known
	}
	if e.Load.From != nfexpr.FromTransportHeader && e.Load.From != nfexpr.FromNetworkHeader {
		return t, false
	}
	if b, some, known := written(end+2, 2); some {
		moved = true
		t.Port = ComputedPort
		if known {
			n := uint16(b[0])<<8 | uint16(b[1])
			t.Port, t.Ports = KnownPort, nfexpr.PortRange{First: n, Last: n}
		}
	}
	if b, some, known := written(addr, size); some {
		moved = true
		t.AddrComputed = !known
		if known {
			t.Addr, _ = netip.AddrFromSlice(b)
		}
	}
	return t, moved
}

// markOf is a mark after an KindXTMark.
func markOf(e nfexpr.Expression, c constants) constants {
	if len(e.Low) != 4 || len(e.Mask) != 4 {
		return constants{}
	}
	whole := true
	for _, b := range e.Mask {
		whole = whole && b == 0xff
	}
	if !c.known && !whole {
		return constants{}
	}
	for i := range c.bytes {
		c.bytes[i] = registerByte{from: nfexpr.FromConstant, flip: c.bytes[i].flip&^e.Mask[i] ^ e.Low[i]}
	}
	c.known = true
	return c
}
