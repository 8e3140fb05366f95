package ruleset

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"

	"onmux/probe/local/nfexpr"
)

// xtPorts splits packets by the destination port, as iptables compares it.
func (v *evaluation) xtPorts(p packets, e nfexpr.Expression) (in, out []packets) {
	load := nfexpr.Expression{
		Kind: nfexpr.KindLoad,
		Size: 2,
		Load: nfexpr.Loading{From: nfexpr.FromTransportHeader, Offset: 2},
	}
	v.load(load, &p)
	var matches []match
	for _, r := range e.XT.Ports {
		low, high := binary.BigEndian.AppendUint16(nil, r.First), binary.BigEndian.AppendUint16(nil, r.Last)
		matches = append(matches, v.between(&p.regs, 0, low, high, true))
	}
	return v.split(p, mergeMatches(matches), e.Invert)
}

// change is packets after a rule has written to their header or marked them.
func (v *evaluation) change(f *frame, e nfexpr.Expression, p packets) packets {
	switch {
	case e.Kind == nfexpr.KindUntrack:
		p.state.untracked = p.state.untracked || v.beforeTracking()
	case e.Kind == nfexpr.KindXTMark:
		p.state.mark = markOf(e, p.state.mark)
	case e.Kind == nfexpr.KindMark && e.Load.From == nfexpr.FromMark:
		p.state.mark = p.regs.set(e.Src)
	case e.Kind == nfexpr.KindMark:
		p.state.connMark = p.regs.set(e.Src)
	default:
		t, moved := p.rewritten(e, v.flow)
		if moved {
			p = v.moveTo(f, p, t, ByRewriting)
		} else if at, end := e.Load.Offset, e.Load.Offset+uint32(e.Size); e.Load.From == nfexpr.FromNetworkHeader {
			p.state.sourceMoved = p.state.sourceMoved || at < 24 && end > 8
		}
	}
	return p
}

// moveTo notes where a rule sends packets and returns them with that destination.
func (v *evaluation) moveTo(f *frame, p packets, t Target, by Means) packets {
	v.translation(f, p, t, by, false)
	return p.translated(t)
}

func (v *evaluation) translation(f *frame, p packets, t Target, by Means, unknown bool) {
	if !unknown && !t.differs(p.ports) {
		return
	}
	if len(v.found) == maxTranslations {
		v.rules.truncated = true
		return
	}
	v.found = append(v.found, Translation{
		Packets: v.packets(p), Means: by, Target: t, Unknown: unknown, Rule: v.rule(f),
		Conditions: slices.Clone(p.conditions[:min(len(p.conditions), maxConditions)]),
	})
}

// unknownTarget notes that it is not known what a rule does with packets. It may do
// nothing.
func (v *evaluation) unknownTarget(f *frame, e nfexpr.Expression, p packets) packets {
	v.translation(f, p, Target{}, ByNAT, true)
	v.splits++
	v.fate(NotKnown, p.doubting([]nfexpr.Condition{e.Condition}, v.rule(f), v.splits, true), v.rule(f), false)
	p.conditions = including(p.before, e.Condition)
	return p.doubting([]nfexpr.Condition{e.Condition}, v.rule(f), v.splits, false)
}

// target is where an expression sends packets.
func (p packets) target(e nfexpr.Expression) Target {
	t := Target{Addr: e.XT.Addr}
	if len(e.XT.Ports) == 1 {
		t.Port, t.Ports = KnownPort, e.XT.Ports[0]
	}
	if e.Kind != nfexpr.KindNAT && e.Kind != nfexpr.KindTPROXY {
		return t
	}
	if e.NAT.First >= 0 {
		first, ok1 := p.regs.constant(e.NAT.First, 2)
		last, ok2 := p.regs.constant(e.NAT.Last, 2)
		ports := nfexpr.PortRange{First: binary.BigEndian.Uint16(first), Last: binary.BigEndian.Uint16(last)}
		if t.Port = ComputedPort; ok1 && ok2 && ports != (nfexpr.PortRange{}) {
			t.Port, t.Ports = KnownPort, ports
		}
	}
	if e.NAT.Addr >= 0 {
		b, known := p.regs.constant(e.NAT.Addr, e.Size)
		if !known {
			return Target{AddrComputed: true}
		}
		t.Addr, _ = netip.AddrFromSlice(b)
	}
	return t
}

// differs reports whether packets for some ports go somewhere else than without the
// rule.
func (t Target) differs(from PortSet) bool {
	if t.AddrComputed || t.Addr.IsValid() {
		return true
	}
	single := len(from) == 1 && from[0].First == from[0].Last
	return t.Port != SamePort && !(single && t.Port == KnownPort && t.Ports == from[0])
}

// rule names the rule that is evaluated, and the program that makes chains of such
// names.
func (v *evaluation) rule(f *frame) Rule {
	table := v.hooked.tableName()
	r := Rule{Table: table, Chain: f.chain}
	if f.chain == "" {
		r.Chain = v.hooked.name
	}
	for g := f; g.caller != nil; g = g.caller {
		for _, m := range makers() {
			if strings.HasPrefix(g.chain, m.chainPrefix) || strings.HasSuffix(table, " "+m.table) {
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
