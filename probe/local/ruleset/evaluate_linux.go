package ruleset

import (
	"context"
	"net"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/local/nfexpr"
)

// Bounds of an evaluation.
const (
	maxDepth        = 16      // of jumps, as in the kernel (NFT_JUMP_STACK_SIZE)
	maxSteps        = 1 << 21 // expressions and elements of sets, for all evaluations together
	maxTranslations = 4096
	maxFates        = 4096
)

// The hooks that packets pass, those of netdev and of bridges as numbers of their own.
const (
	hookIngress = 5 // NF_INET_INGRESS
	hookEgress  = 6
)

// Priorities (linux/netfilter_ipv4.h).
const (
	trackingPriority  = -200 // of connection tracking
	destNATPriority   = -100 // at which all nat chains of prerouting and output are called
	sourceNATPriority = 100  // at which those of input and postrouting are
)

// flow is the first packets of connections to this machine, of one protocol, family
// and origin.
type flow struct {
	proto  probe.Proto
	family nfexpr.Family
	inside bool         // this machine itself sends them
	own    []netip.Addr // at most 64
	all    uint64       // a bit for each of them

	sources        sourceSet
	devices        []net.Interface // at most 64, by which they may arrive
	anyDevice      uint64          // a bit for each of them
	devicesUnknown bool            // there are more, or they could not be listed
}

// evaluation follows the rules that a flow meets.
type evaluation struct {
	flow
	rules    *ruleset
	hooked   chain // that is evaluated
	hook     uint32
	priority int32
	splits   int
	accepted []packets // that the base chain under evaluation has accepted

	found []Translation
	fates []Fate
}

// frame is a chain that is being evaluated.
type frame struct {
	chain    string
	caller   *frame
	depth    int
	returned []packets // to the caller
}

func (v *evaluation) chainFamily() nfexpr.Family {
	if f := v.hooked.family; f == unix.NFPROTO_NETDEV || f == unix.NFPROTO_BRIDGE {
		return f
	}
	return v.family
}

// beforeTracking reports whether connection tracking has not seen the packets, or may
// not have.
func (v *evaluation) beforeTracking() bool {
	switch v.hook {
	case hookIngress:
		return !v.inside
	case unix.NF_INET_PRE_ROUTING:
		return !v.inside && v.priority <= trackingPriority
	case unix.NF_INET_LOCAL_OUT:
		return v.priority <= trackingPriority
	}
	return false
}

// hooks is those that the flow passes, in order.
func (f flow) hooks() []uint32 {
	if f.inside {
		return []uint32{
			unix.NF_INET_LOCAL_OUT, unix.NF_INET_POST_ROUTING, hookEgress, hookIngress, unix.NF_INET_PRE_ROUTING,
			unix.NF_INET_LOCAL_IN,
		}
	}
	return []uint32{hookIngress, unix.NF_INET_PRE_ROUTING, unix.NF_INET_LOCAL_IN}
}

// run evaluates the base chains on the way of the flow, in the kernel's order.
func (v *evaluation) run(ctx context.Context, bases []chain) {
	live := []packets{{ports: allPorts(), addrs: v.all, sources: v.sources, devices: v.anyDevice}}
	for _, hook := range v.hooks() {
		live = v.pass(ctx, hook, bases, live)
		if hook == unix.NF_INET_PRE_ROUTING || hook == unix.NF_INET_LOCAL_OUT {
			live = v.route(live)
		}
	}
	for _, p := range live {
		v.fate(Accepted, p, p.state.last, p.state.lastPolicy)
	}
}

// route takes those packets away that go to another machine.
func (v *evaluation) route(live []packets) []packets {
	var here []packets
	for _, p := range live {
		switch t := p.state.target; {
		case !p.state.moved, !t.AddrComputed && (!t.Addr.IsValid() || v.isOwn(t.Addr)):
			here = append(here, p)
		default:
			v.fate(SentAway, p, p.state.last, false)
		}
	}
	return here
}

func (v *evaluation) isOwn(a netip.Addr) bool {
	return a.IsLoopback() || a.IsUnspecified() || slices.Contains(v.rules.own, a)
}

// pass evaluates the base chains of a hook.
func (v *evaluation) pass(ctx context.Context, hook uint32, bases []chain, live []packets) []packets {
	for _, c := range bases {
		if len(live) == 0 || c.hook != hook || c.bridge() && (v.inside || hook == hookEgress) || !c.sees(v.family) {
			continue
		}
		v.hook, v.priority, v.hooked = hook, c.priority, c
		concerned, others := v.concerned(c, live)
		if len(concerned) > 0 {
			live = merge(append(others, v.base(ctx, c, concerned)...))
		}
	}
	return live
}

// concerned is those packets that a base chain sees, and the others.
func (v *evaluation) concerned(c chain, live []packets) (seen, others []packets) {
	if len(c.devices) > 0 && v.inside {
		if slices.Contains(c.devices, "lo") {
			return live, nil
		}
		return nil, live
	}
	for _, p := range live {
		in, out := []packets{p}, []packets(nil)
		switch {
		case c.kind == "nat" && (p.state.untracked || p.state.natDone || v.inside && !c.leaving()):
			in, out = nil, in
		case c.bridge():
			in, out = v.either(p, nfexpr.Condition{Kind: nfexpr.ThroughBridge})
		case len(c.devices) > 0:
			m := v.any()
			m.devices = v.named(c.devices)
			if in, out = v.split(p, []match{m}, false); v.devicesUnknown {
				in, out = v.either(p, nfexpr.Condition{Kind: nfexpr.Interface})
			}
		}
		seen, others = append(seen, in...), append(others, out...)
	}
	return seen, others
}

// named is the bits of devices.
func (f flow) named(names []string) uint64 {
	var bits uint64
	for i, d := range f.devices {
		if slices.Contains(names, d.Name) {
			bits |= 1 << i
		}
	}
	return bits
}

// base evaluates a base chain and returns the packets that it accepts.
func (v *evaluation) base(ctx context.Context, c chain, live []packets) []packets {
	v.accepted = nil
	rest := v.chain(ctx, &frame{}, c.name, live)
	by := Rule{Table: c.tableName(), Chain: c.name}
	for _, p := range rest {
		if c.policy == nfexpr.Drop {
			v.fate(Dropped, p, by, true)
			continue
		}
		if v.filters() {
			p.state.last, p.state.lastPolicy = by, true
		}
		v.accepted = append(v.accepted, p)
	}
	return v.accepted
}

// filters reports whether the base chain decides what comes to sockets.
func (v *evaluation) filters() bool { return v.hook == unix.NF_INET_LOCAL_IN && v.hooked.kind != "nat" }

// chain evaluates the rules of a chain and returns the packets that come to its end.
func (v *evaluation) chain(ctx context.Context, caller *frame, name string, live []packets) []packets {
	f := &frame{chain: name, caller: caller, depth: caller.depth + 1}
	if f.depth > maxDepth {
		v.rules.truncated = true
		return nil
	}
	for _, rule := range v.rules.chains[v.hooked.tableName()+" "+name] {
		if len(live) == 0 {
			break
		}
		if !acts(rule) {
			continue
		}
		var next []packets
		for _, p := range live {
			p.regs, p.before, p.pending = registers{}, p.conditions, nil
			next = append(next, v.expressions(ctx, f, rule, p)...)
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
func (v *evaluation) expressions(ctx context.Context, f *frame, exprs []nfexpr.Expression, p packets) (rest []packets) {
	for i, e := range exprs {
		if !v.rules.spend(ctx, 1) {
			return append(rest, p)
		}
		in, out := []packets{p}, []packets(nil)
		switch e.Kind {
		case nfexpr.KindLoad:
			v.load(e, &in[0])
		case nfexpr.KindImmediate:
			in[0].regs.store(e.Dst, e.Low)
		case nfexpr.KindBitwise:
			in[0].regs.mask(e)
		case nfexpr.KindUnknownWrite:
			in[0].regs.forget()
		case nfexpr.KindCompare:
			in, out = v.split(p, []match{v.between(&p.regs, e.Src, e.Low, e.High, true)}, e.Invert)
		case nfexpr.KindXTPorts:
			in, out = v.xtPorts(p, e)
		case nfexpr.KindCondition:
			in, out = v.split(p, []match{v.depends(e.Condition)}, false)
		case nfexpr.KindAssumed:
			in[0].state.routeBack = !v.inside
			if e.Invert {
				in, out = nil, leave(in)
			}
		case nfexpr.KindLookup:
			return append(rest, v.lookup(ctx, f, e, exprs[i+1:], p)...)
		case nfexpr.KindVerdict:
			return append(rest, v.decide(ctx, f, e.Verdict, p)...)
		case nfexpr.KindXTNAT,
			nfexpr.KindNAT,
			nfexpr.KindUnknownTarget,
			nfexpr.KindTPROXY,
			nfexpr.KindXTTPROXY,
			nfexpr.KindRewrite,
			nfexpr.KindUntrack,
			nfexpr.KindMark,
			nfexpr.KindXTMark:
			p, out = v.commit(f, p)
			in, out = v.act(f, e, p, out)
		}
		rest = append(rest, out...)
		if len(in) == 0 {
			return rest
		}
		for _, q := range in[1:] {
			rest = append(rest, v.expressions(ctx, f, exprs[i+1:], q)...)
		}
		p = in[0]
	}
	return append(rest, leave([]packets{p})...)
}

// act does what a rule does to packets, beside verdicts. It returns those that the
// rule goes on with, and those that it leaves to the next one.
func (v *evaluation) act(f *frame, e nfexpr.Expression, p packets, rest []packets) (in, out []packets) {
	switch e.Kind {
	case nfexpr.KindXTNAT, nfexpr.KindNAT:
		p = v.moveTo(f, p, p.target(e), ByNAT)
		p.state.natDone = true
		v.accept(p, f)
		return nil, rest
	case nfexpr.KindUnknownTarget:
		return nil, append(rest, v.unknownTarget(f, e, p))
	case nfexpr.KindTPROXY, nfexpr.KindXTTPROXY: // to the socket of a transparent proxy, if there is one
		v.translation(f, p, p.target(e), ByTPROXY, false)
		if e.Kind == nfexpr.KindXTTPROXY {
			v.accept(p, f)
			return nil, rest
		}
		left := p
		left.conditions = left.before
		return []packets{p}, append(rest, left)
	}
	return []packets{v.change(f, e, p)}, rest
}

// decide follows a verdict and returns the packets that it leaves to the next rule.
func (v *evaluation) decide(ctx context.Context, f *frame, d nfexpr.Verdict, p packets) (rest []packets) {
	p, rest = v.commit(f, p)
	switch d.Code {
	case nfexpr.Accept:
		v.accept(p, f)
	case nfexpr.Drop:
		v.fate(Dropped, p, v.rule(f), false)
	case nfexpr.Reject:
		v.fate(Rejected, p, v.rule(f), false)
	case nfexpr.Return:
		f.returned = append(f.returned, p)
	case nfexpr.Jump:
		return append(rest, v.chain(ctx, f, d.Chain, []packets{p})...)
	case nfexpr.Goto:
		f.returned = append(f.returned, v.chain(ctx, f, d.Chain, []packets{p})...)
	default: // NFT_CONTINUE, or one that the kernel does not let rules have
		return append(rest, leave([]packets{p})...)
	}
	return rest
}

// accept ends the base chain for packets.
func (v *evaluation) accept(p packets, f *frame) {
	if v.filters() {
		p.state.last, p.state.lastPolicy = v.rule(f), false
	}
	v.accepted = append(v.accepted, p)
}

// either is packets twice: those about which a condition decided so and those about
// which it decided otherwise.
func (v *evaluation) either(p packets, c nfexpr.Condition) (in, out []packets) {
	v.splits++
	by := Rule{Table: v.hooked.tableName(), Chain: v.hooked.name}
	return []packets{
			p.doubting([]nfexpr.Condition{c}, by, v.splits, true),
		}, []packets{
			p.doubting([]nfexpr.Condition{c}, by, v.splits, false),
		}
}

// fate notes what becomes of packets.
func (v *evaluation) fate(verdict FateVerdict, p packets, by Rule, policy bool) {
	if len(v.fates) == maxFates {
		v.rules.truncated = true
		return
	}
	f := Fate{Packets: v.packets(p), Verdict: verdict, Rule: by, Policy: policy, RouteBack: p.state.routeBack,
		Translated: p.state.moved, To: p.state.target}
	for _, d := range p.doubts {
		f.Unsure = append(f.Unsure, d.Doubt)
	}
	v.fates = append(v.fates, f)
}

// packets describes a set of packets.
func (v *evaluation) packets(p packets) Packets {
	out := Packets{
		OwnAddrs: len(v.own),
		Proto:    v.proto,
		IPv6:     v.family == unix.NFPROTO_IPV6,
		Inside:   v.inside,
		Ports:    p.ports,
	}
	if p.addrs != v.all {
		for i, a := range v.own {
			if p.addrs>>i&1 == 1 {
				out.Addrs = append(out.Addrs, a.String())
			}
		}
	}
	if p.devices != v.anyDevice {
		for i, d := range v.devices {
			if p.devices>>i&1 == 1 {
				out.Devices = append(out.Devices, d.Name)
			}
		}
	}
	if !slices.Equal(p.sources, v.sources) {
		out.Sources = p.sources
	}
	return out
}
