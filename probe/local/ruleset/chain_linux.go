package ruleset

import (
	"context"
	"slices"
	"strings"

	"onmux/probe/local/nfexpr"
)

// baseChain is one under evaluation.
type baseChain struct {
	reader
	rules    *ruleset
	splits   *splits
	effects  *effects
	accepted []packets // so far
}

// frame is a chain that is being evaluated.
type frame struct {
	table    string
	chain    string
	caller   *frame
	depth    int
	returned []packets // to the caller
}

// run evaluates the chain and returns the packets that it accepts.
func (b *baseChain) run(ctx context.Context, live []packets) []packets {
	c := b.at
	rest := b.chain(ctx, &frame{table: c.tableName()}, c.name, live)
	by := Rule{Table: c.tableName(), Chain: c.name}
	for _, p := range rest {
		if c.policy == nfexpr.Drop {
			b.effects.fate(Dropped, p, by, true)
			continue
		}
		if b.at.filters() {
			p.state.last, p.state.lastPolicy = by, true
		}
		b.accepted = append(b.accepted, p)
	}
	return b.accepted
}

// chain evaluates the rules of a chain and returns the packets that come to its end.
func (b *baseChain) chain(ctx context.Context, caller *frame, name string, live []packets) []packets {
	f := &frame{table: caller.table, chain: name, caller: caller, depth: caller.depth + 1}
	if f.depth > maxDepth {
		b.rules.truncated = true
		return nil
	}
	for _, rule := range b.rules.chains[f.table+" "+name] {
		if len(live) == 0 {
			break
		}
		if !acts(rule) {
			continue
		}
		var next []packets
		for _, p := range live {
			p.regs, p.before, p.pending = registers{}, p.conditions, nil
			next = append(next, b.expressions(ctx, f, rule, p)...)
		}
		live = merge(next)
	}
	return merge(append(live, f.returned...))
}

// acts reports whether a rule does anything that is followed here.
func acts(exprs []nfexpr.Expression) bool {
	return slices.ContainsFunc(exprs, func(e nfexpr.Expression) bool {
		switch e.Kind {
		case nfexpr.KindVerdict,
			nfexpr.KindNAT,
			nfexpr.KindXTNAT,
			nfexpr.KindUnknownTarget,
			nfexpr.KindRewrite,
			nfexpr.KindTPROXY,
			nfexpr.KindXTTPROXY,
			nfexpr.KindUntrack,
			nfexpr.KindMark,
			nfexpr.KindXTMark:
			return true
		case nfexpr.KindLookup:
			return e.Lookup.IsMap // perhaps of verdicts
		}
		return false
	})
}

// expressions takes packets through what is left of a rule and returns those that it
// leaves to the next one.
func (b *baseChain) expressions(ctx context.Context, f *frame, exprs []nfexpr.Expression, p packets) (rest []packets) {
	for i, e := range exprs {
		if !b.rules.spend(ctx, 1) {
			return append(rest, p)
		}
		in, out := []packets{p}, []packets(nil)
		switch e.Kind {
		case nfexpr.KindLoad:
			b.load(e, &in[0])
		case nfexpr.KindImmediate:
			in[0].regs.store(e.Dst, e.Low)
		case nfexpr.KindBitwise:
			in[0].regs.mask(e)
		case nfexpr.KindUnknownWrite:
			in[0].regs.forget()
		case nfexpr.KindCompare:
			in, out = b.split(p, []match{b.between(&p.regs, e.Src, e.Low, e.High, true)}, e.Invert)
		case nfexpr.KindXTPorts:
			in, out = b.xtPorts(p, e)
		case nfexpr.KindCondition:
			in, out = b.split(p, []match{b.depends(e.Condition)}, false)
		case nfexpr.KindAssumed:
			in[0].state.routeBack = !b.inside
			if e.Invert {
				in, out = nil, leave(in)
			}
		case nfexpr.KindLookup:
			return append(rest, b.lookup(ctx, f, e, exprs[i+1:], p)...)
		case nfexpr.KindVerdict:
			return append(rest, b.decide(ctx, f, e.Verdict, p)...)
		case nfexpr.KindXTNAT,
			nfexpr.KindNAT,
			nfexpr.KindUnknownTarget,
			nfexpr.KindTPROXY,
			nfexpr.KindXTTPROXY,
			nfexpr.KindRewrite,
			nfexpr.KindUntrack,
			nfexpr.KindMark,
			nfexpr.KindXTMark:
			p, out = b.commit(f, p)
			in, out = b.act(f, e, p, out)
		}
		rest = append(rest, out...)
		if len(in) == 0 {
			return rest
		}
		for _, q := range in[1:] {
			rest = append(rest, b.expressions(ctx, f, exprs[i+1:], q)...)
		}
		p = in[0]
	}
	return append(rest, leave([]packets{p})...)
}

// act does what a rule does to packets, beside verdicts. It returns those that the
// rule goes on with, and those that it leaves to the next one.
func (b *baseChain) act(f *frame, e nfexpr.Expression, p packets, rest []packets) (in, out []packets) {
	switch e.Kind {
	case nfexpr.KindXTNAT, nfexpr.KindNAT:
		p = b.moveTo(f, p, p.target(e), ByNAT)
		p.state.natDone = true
		b.accept(p, f)
		return nil, rest
	case nfexpr.KindUnknownTarget:
		return nil, append(rest, b.unknownTarget(f, e, p))
	case nfexpr.KindTPROXY, nfexpr.KindXTTPROXY: // to the socket of a transparent proxy, if there is one
		b.effects.translation(f.rule(), p, p.target(e), ByTPROXY, false)
		if e.Kind == nfexpr.KindXTTPROXY {
			b.accept(p, f)
			return nil, rest
		}
		left := p
		left.conditions = left.before
		return []packets{p}, append(rest, left)
	}
	return []packets{b.change(f, e, p)}, rest
}

// decide follows a verdict and returns the packets that it leaves to the next rule.
func (b *baseChain) decide(ctx context.Context, f *frame, d nfexpr.Verdict, p packets) (rest []packets) {
	p, rest = b.commit(f, p)
	switch d.Code {
	case nfexpr.Accept:
		b.accept(p, f)
	case nfexpr.Drop:
		b.effects.fate(Dropped, p, f.rule(), false)
	case nfexpr.Reject:
		b.effects.fate(Rejected, p, f.rule(), false)
	case nfexpr.Return:
		f.returned = append(f.returned, p)
	case nfexpr.Jump:
		return append(rest, b.chain(ctx, f, d.Chain, []packets{p})...)
	case nfexpr.Goto:
		f.returned = append(f.returned, b.chain(ctx, f, d.Chain, []packets{p})...)
	default: // NFT_CONTINUE, or one that the kernel does not let rules have
		return append(rest, leave([]packets{p})...)
	}
	return rest
}

// accept ends the base chain for packets.
func (b *baseChain) accept(p packets, f *frame) {
	if b.at.filters() {
		p.state.last, p.state.lastPolicy = f.rule(), false
	}
	b.accepted = append(b.accepted, p)
}

// commit separates packets to which a rule is about to do something, from those that
// it leaves to the next one: both are the same where it is not known whether a
// condition of the rule holds.
func (b *baseChain) commit(f *frame, p packets) (acted packets, rest []packets) {
	if len(p.pending) == 0 {
		return p, nil
	}
	pending := p.pending
	p.pending = nil
	acted, left := b.splits.halve(p, pending, f.rule())
	left.conditions = p.before
	return acted, []packets{left}
}

// rule names the rule that is evaluated, and the program that makes chains of such
// names.
func (f *frame) rule() Rule {
	r := Rule{Table: f.table, Chain: f.chain}
	for g := f; g.caller != nil; g = g.caller {
		for _, m := range makers() {
			if strings.HasPrefix(g.chain, m.chainPrefix) || strings.HasSuffix(f.table, " "+m.table) {
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
