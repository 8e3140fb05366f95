package nat

import (
	"context"
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"onmux/probe"
)

// Bounds of an evaluation.
const (
	maxDepth        = 16      // of jumps, as in the kernel (NFT_JUMP_STACK_SIZE)
	maxSteps        = 1 << 21 // expressions and elements of sets, for all evaluations together
	maxTranslations = 4096
	maxConditions   = 4 // of one rule
)

// translation is what a rule does to the packets for some ports.
type translation struct {
	family     tableFamily
	proto      probe.Proto
	hook       uint32
	ports      portSet
	addrs      []string // of this machine, if not all
	conditions []Condition
	target     Target
	unknown    bool // the target was not understood
	rule       Rule
}

// flow is the first packets of connections to this machine, of one protocol and family
// and at one hook.
type flow struct {
	proto  probe.Proto
	family tableFamily
	hook   uint32
	own    []netip.Addr // at most 64
	all    uint64       // a bit for each of them
}

// evaluation follows the rules that a flow meets.
type evaluation struct {
	flow
	rules *ruleset
	table string // that is evaluated, with its family
	found []translation
}

// packets is a set of packets that a rule sees.
type packets struct {
	ports      portSet
	addrs      uint64      // bits of flow.own
	conditions []Condition // under which they come here
	regs       registers
}

// frame is a chain that is being evaluated.
type frame struct {
	chain  string
	live   packets // that no rule of it has ended
	caller *frame
	depth  int
}

// run evaluates the base chains of the hook, in the kernel's order.
func (v *evaluation) run(ctx context.Context, bases []chain) {
	hook := &frame{live: packets{ports: allPorts(), addrs: v.all}}
	for _, c := range bases {
		if c.hook == v.hook && (c.family == v.family || c.family == unix.NFPROTO_INET) {
			v.table = c.tableName()
			v.chain(ctx, hook, c.name, hook.live)
		}
	}
}

// chain evaluates the rules of a chain.
func (v *evaluation) chain(ctx context.Context, caller *frame, name string, p packets) {
	f := &frame{chain: name, live: p, caller: caller, depth: caller.depth + 1}
	if f.depth > maxDepth {
		v.rules.truncated = true
		return
	}
	for _, rule := range v.rules.chains[v.table+" "+name] {
		if f.live.empty() {
			return
		}
		p := f.live
		p.regs = registers{}
		v.expressions(ctx, f, rule, p)
	}
}

// expressions takes packets through what is left of a rule.
func (v *evaluation) expressions(ctx context.Context, f *frame, exprs []expression, p packets) {
	for i, e := range exprs {
		if !v.rules.spend(ctx, 1) {
			return
		}
		m := v.any()
		switch e.kind {
		case exprLoad:
			p.regs.load(e, v.flow)
		case exprImmediate:
			p.regs.store(e.dst, e.low)
		case exprBitwise:
			p.regs.mask(e)
		case exprUnknownWrite:
			p.regs.forget()
		case exprCompare:
			if m = v.between(&p.regs, e.src, e.low, e.high, true); e.invert {
				m = v.not(m)
			}
		case exprXTPorts:
			ports := newPortSet(e.xt.ports)
			if e.invert {
				ports = ports.complement()
			}
			m = v.ofPorts(ports)
		case exprCondition:
			m.condition = e.condition
		case exprLookup:
			v.lookup(ctx, f, e, exprs[i+1:], p)
			return
		case exprVerdict:
			v.decide(ctx, f, e.verdict, p)
			return
		case exprXTNAT, exprNAT, exprUnknownTarget:
			v.translate(f, e, p)
			return
		}
		if p = p.restrict(m); p.empty() {
			return
		}
	}
}

func (p packets) empty() bool { return len(p.ports) == 0 || p.addrs == 0 }

// restrict is those packets that a match lets through.
func (p packets) restrict(m match) packets {
	switch {
	case m.never:
		p.ports = nil
	case m.ports != nil:
		p.ports = p.ports.intersect(m.ports)
	}
	p.addrs &= m.addrs
	if m.condition != (Condition{}) && !slices.Contains(p.conditions, m.condition) {
		p.conditions = append(slices.Clip(p.conditions), m.condition)
	}
	return p
}

// subtract takes packets away, if it is certain that all of them are gone and the
// rest can be represented.
func (p *packets) subtract(gone packets) {
	switch {
	case len(gone.conditions) > len(p.conditions): // perhaps not all of them
	case p.addrs&^gone.addrs == 0:
		p.ports = p.ports.intersect(gone.ports.complement())
	case p.ports.within(gone.ports):
		p.addrs &^= gone.addrs
	}
}

// decide follows a verdict.
func (v *evaluation) decide(ctx context.Context, f *frame, d verdict, p packets) {
	switch d.code {
	case nfAccept: // ends this base chain
		for ; f.caller != nil; f = f.caller {
			f.live.subtract(p)
		}
	case nfDrop:
		f.end(p)
	case nftReturn:
		f.live.subtract(p)
	case nftJump, nftGoto:
		v.chain(ctx, f, d.chain, p)
		if d.code == nftGoto {
			f.live.subtract(p)
		}
	}
}

// end takes packets away from all chains: no other rule sees them.
func (f *frame) end(p packets) {
	for ; f != nil; f = f.caller {
		f.live.subtract(p)
	}
}

// translate notes where a rule sends packets.
func (v *evaluation) translate(f *frame, e expression, p packets) {
	t := translation{
		family: v.family, proto: v.proto, hook: v.hook, ports: p.ports, addrs: v.addresses(p.addrs),
		conditions: slices.Clone(p.conditions[:min(len(p.conditions), maxConditions)]),
		target:     p.target(e), unknown: e.kind == exprUnknownTarget, rule: v.rule(f),
	}
	if (t.unknown || t.target.differs(p.ports)) && len(v.found) < maxTranslations {
		v.found = append(v.found, t)
	}
	v.rules.truncated = v.rules.truncated || len(v.found) == maxTranslations
	if t.unknown {
		p.conditions = append(slices.Clip(p.conditions), e.condition) // it may do nothing
	}
	f.end(p)
}

// addresses lists the own addresses of some bits; nil if it is all.
func (v *evaluation) addresses(bits uint64) []string {
	if bits == v.all {
		return nil
	}
	var list []string
	for i, a := range v.own {
		if bits>>i&1 == 1 {
			list = append(list, a.String())
		}
	}
	return list
}

// target is where an expression sends packets.
func (p packets) target(e expression) Target {
	t := Target{Addr: e.xt.addr}
	if len(e.xt.ports) == 1 {
		t.Port, t.Ports = KnownPort, e.xt.ports[0]
	}
	if e.kind != exprNAT {
		return t
	}
	if e.nat.first >= 0 {
		first, ok1 := p.regs.constant(e.nat.first, 2)
		last, ok2 := p.regs.constant(e.nat.last, 2)
		ports := PortRange{binary.BigEndian.Uint16(first), binary.BigEndian.Uint16(last)}
		if t.Port = ComputedPort; ok1 && ok2 && ports != (PortRange{}) {
			t.Port, t.Ports = KnownPort, ports
		}
	}
	if e.nat.addr >= 0 {
		b, known := p.regs.constant(e.nat.addr, e.size)
		if !known {
			return Target{AddrComputed: true}
		}
		t.Addr, _ = netip.AddrFromSlice(b)
	}
	return t
}

// differs reports whether packets for some ports go somewhere else than without the
// rule.
func (t Target) differs(from portSet) bool {
	if t.AddrComputed || t.Addr.IsValid() {
		return true
	}
	single := len(from) == 1 && from[0].First == from[0].Last
	return t.Port != SamePort && !(single && t.Port == KnownPort && t.Ports == from[0])
}

// rule names the rule that is evaluated, and the program that makes chains of such
// names.
func (v *evaluation) rule(f *frame) Rule {
	r := Rule{Table: v.table, Chain: f.chain}
	for g := f; g.caller != nil; g = g.caller {
		for _, m := range makers() {
			if strings.HasPrefix(g.chain, m.chainPrefix) || strings.HasSuffix(v.table, " "+m.table) {
				r.Maker = m.maker
			}
		}
	}
	return r
}

type makerNames struct {
	chainPrefix, table string
	maker              Maker
}

// makers lists the programs that make rules in chains or tables of their own names.
func makers() []makerNames {
	return []makerNames{
		{"DOCKER", "docker-bridges", Docker},
		{"KUBE-", "kube-proxy", KubeProxy},
		{"CNI-", "cni_hostport", CNI},
		{"NETAVARK-", "netavark", Podman},
	}
}
