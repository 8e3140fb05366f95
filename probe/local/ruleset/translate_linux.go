package ruleset

import (
	"encoding/binary"
	"net/netip"

	"onmux/probe/local/nfexpr"
)

// xtPorts splits packets by the destination port, as iptables compares it.
func (r reader) xtPorts(p packets, e nfexpr.Expression) (in, out []packets) {
	load := nfexpr.Expression{
		Kind: nfexpr.KindLoad,
		Size: 2,
		Load: nfexpr.Loading{From: nfexpr.FromTransportHeader, Offset: 2},
	}
	r.load(load, &p)
	var matches []match
	for _, ports := range e.XT.Ports {
		low, high := binary.BigEndian.AppendUint16(nil, ports.First), binary.BigEndian.AppendUint16(nil, ports.Last)
		matches = append(matches, r.between(&p.regs, 0, low, high, true))
	}
	return r.split(p, mergeMatches(matches), e.Invert)
}

// change is packets after a rule has written to their header or marked them.
func (b *baseChain) change(f *frame, e nfexpr.Expression, p packets) packets {
	switch {
	case e.Kind == nfexpr.KindUntrack:
		p.state.untracked = p.state.untracked || b.beforeTracking()
	case e.Kind == nfexpr.KindXTMark:
		p.state.mark = markOf(e, p.state.mark)
	case e.Kind == nfexpr.KindMark && e.Load.From == nfexpr.FromMark:
		p.state.mark = p.regs.set(e.Src)
	case e.Kind == nfexpr.KindMark:
		p.state.connMark = p.regs.set(e.Src)
	default:
		t, moved := p.rewritten(e, b.flow)
		if moved {
			p = b.moveTo(f, p, t, ByRewriting)
		} else if at, end := e.Load.Offset, e.Load.Offset+uint32(e.Size); e.Load.From == nfexpr.FromNetworkHeader {
			p.state.sourceMoved = p.state.sourceMoved || at < 24 && end > 8
		}
	}
	return p
}

// moveTo notes where a rule sends packets and returns them with that destination.
func (b *baseChain) moveTo(f *frame, p packets, t Target, by Means) packets {
	b.effects.translation(f.rule(), p, t, by, false)
	return p.translated(t)
}

// unknownTarget notes that it is not known what a rule does with packets. It may do
// nothing.
func (b *baseChain) unknownTarget(f *frame, e nfexpr.Expression, p packets) packets {
	b.effects.translation(f.rule(), p, Target{}, ByNAT, true)
	acted, left := b.splits.halve(p, []nfexpr.Condition{e.Condition}, f.rule())
	b.effects.fate(NotKnown, acted, f.rule(), false)
	left.conditions = including(p.before, e.Condition)
	return left
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
