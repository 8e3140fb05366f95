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

	prefixes []netip.Prefix // of which all addresses are own
	missing  []netip.Addr   // one of each part of prefixes that a rule picks out, and own has none of
	all      uint64         // a bit for each of them

	sources        sourceSet
	devices        []net.Interface // at most 64, by which they may arrive
	anyDevice      uint64          // a bit for each of them
	devicesUnknown bool            // there are more, or they could not be listed
}

// evaluation follows the rules that a flow meets.
type evaluation struct {
	flow
	rules   *ruleset
	splits  splits
	effects effects
}

// hooks is those that the flow passes, in order.
func (f *flow) hooks() []uint32 {
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
		v.effects.fate(Accepted, p, p.state.last, p.state.lastPolicy)
	}
}

// route takes those packets away that go to another machine.
func (v *evaluation) route(live []packets) []packets {
	var here []packets
	for _, p := range live {
		switch t := p.state.target; {
		case !p.state.moved, !t.AddrComputed && (!t.Addr.IsValid() || v.rules.isOwn(t.Addr)):
			here = append(here, p)
		default:
			v.effects.fate(SentAway, p, p.state.last, false)
		}
	}
	return here
}

func (r *ruleset) isOwn(a netip.Addr) bool {
	return a.IsLoopback() || a.IsUnspecified() || slices.Contains(r.own, a) ||
		slices.ContainsFunc(r.prefixes, func(p netip.Prefix) bool { return p.Contains(a) })
}

// addPrefixes adds prefixes of which all addresses are own, and one address of each as an example.
func (r *ruleset) addPrefixes(all []netip.Prefix) {
	for _, p := range all {
		r.prefixes = append(r.prefixes, p)
		if first := p.Masked().Addr().Next(); !p.Addr().IsLoopback() && !slices.Contains(r.own, first) {
			r.own = append(r.own, first)
		}
	}
}

// pass evaluates the base chains of a hook.
func (v *evaluation) pass(ctx context.Context, hook uint32, bases []chain, live []packets) []packets {
	for _, c := range bases {
		if len(live) == 0 || c.hook != hook || c.bridge() && (v.inside || hook == hookEgress) || !c.sees(v.family) {
			continue
		}
		concerned, others := v.concerned(c, live)
		if len(concerned) > 0 {
			base := baseChain{reader: reader{&v.flow, c}, rules: v.rules, splits: &v.splits, effects: &v.effects}
			live = merge(append(others, base.run(ctx, concerned)...))
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
			in, out = v.either(c, p, nfexpr.Condition{Kind: nfexpr.ThroughBridge})
		case len(c.devices) > 0:
			m := v.any()
			m.devices = v.named(c.devices)
			if in, out = v.split(p, []match{m}, false); v.devicesUnknown {
				in, out = v.either(c, p, nfexpr.Condition{Kind: nfexpr.Interface})
			}
		}
		seen, others = append(seen, in...), append(others, out...)
	}
	return seen, others
}

// named is the bits of devices.
func (f *flow) named(names []string) uint64 {
	var bits uint64
	for i, d := range f.devices {
		if slices.Contains(names, d.Name) {
			bits |= 1 << i
		}
	}
	return bits
}

// either is packets twice: those about which a condition decided that a base chain sees them, and
// the others.
func (v *evaluation) either(c chain, p packets, by nfexpr.Condition) (in, out []packets) {
	seen, other := v.splits.halve(p, []nfexpr.Condition{by}, Rule{Table: c.tableName(), Chain: c.name})
	return []packets{seen}, []packets{other}
}
