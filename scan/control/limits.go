package control

import (
	"onmux/probe"
	"onmux/scan/verdict"
)

// ICMPBurst is how many unreachables a Linux host sends to one peer before it falls
// back to one a second (net.ipv4.icmp_ratelimit, XRLIM_BURST_FACTOR in
// net/ipv4/route.c). Others are stricter, few are more generous.
const ICMPBurst = 6

// Limits are the addresses whose UDP silence decides nothing: whether a silent port
// of theirs is open, or its refusal was never sent, cannot be distinguished however
// often it is asked at that pace. The zero value has none.
type Limits struct {
	// Refused are the refusals that came nevertheless, of ports few Enough to count
	// as answers; Doubtful the same where loss may be the cause instead.
	Refused, Doubtful verdict.Tally

	hosts, nets, tcp []uint64 // a bit for each address; nil if none is set; tcp has those of probe.DoubtRefusalLimited
}

// Any reports whether there is a doubt about any address.
func (l *Limits) Any() bool { return l.hosts != nil || l.nets != nil || l.tcp != nil }

// marked reports whether an address's bit is set.
func marked(bits []uint64, addr uint64) bool { return bits != nil && bits[addr/64]>>(addr%64)&1 != 0 }

// Doubt is why the silence over p of the address of that number decides nothing, or
// less than it seems; "" if it does not.
func (l *Limits) Doubt(addr uint64, p probe.Proto) probe.DoubtKind {
	switch {
	case p == probe.TCP && marked(l.tcp, addr):
		return probe.DoubtRefusalLimited
	case p == probe.TCP:
	case marked(l.hosts, addr):
		return probe.DoubtHostLimits
	case marked(l.nets, addr):
		return probe.DoubtNetworkLimits
	}
	return ""
}
