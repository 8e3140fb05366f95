package ruleset

import (
	"slices"

	"golang.org/x/sys/unix"
)

// effects are what rules do to the packets of a flow.
type effects struct {
	flow      *flow
	found     []Translation
	fates     []Fate
	truncated bool // there are more
}

// fate notes what becomes of packets.
func (e *effects) fate(verdict FateVerdict, p packets, by Rule, policy bool) {
	if len(e.fates) == maxFates {
		e.truncated = true
		return
	}
	f := Fate{Packets: e.flow.describe(p), Verdict: verdict, Rule: by, Policy: policy, RouteBack: p.state.routeBack,
		Translated: p.state.moved, To: p.state.target}
	for _, d := range p.doubts {
		f.Unsure = append(f.Unsure, d.Doubt)
	}
	e.fates = append(e.fates, f)
}

// translation notes where a rule sends packets, or that it is not known.
func (e *effects) translation(by Rule, p packets, t Target, means Means, unknown bool) {
	if !unknown && !t.differs(p.ports) {
		return
	}
	if len(e.found) == maxTranslations {
		e.truncated = true
		return
	}
	e.found = append(e.found, Translation{
		Packets: e.flow.describe(p), Means: means, Target: t, Unknown: unknown, Rule: by,
		Conditions: slices.Clone(p.conditions[:min(len(p.conditions), maxConditions)]),
	})
}

// describe describes a set of packets.
func (f *flow) describe(p packets) Packets {
	out := Packets{
		OwnAddrs: len(f.own),
		Proto:    f.proto,
		IPv6:     f.family == unix.NFPROTO_IPV6,
		Inside:   f.inside,
		Ports:    p.ports,
	}
	if p.addrs != f.all {
		for i, a := range f.own {
			if p.addrs>>i&1 == 1 {
				out.Addrs = append(out.Addrs, a.String())
			}
		}
	}
	if p.devices != f.anyDevice {
		for i, d := range f.devices {
			if p.devices>>i&1 == 1 {
				out.Devices = append(out.Devices, d.Name)
			}
		}
	}
	if !slices.Equal(p.sources, f.sources) {
		out.Sources = p.sources
	}
	return out
}
