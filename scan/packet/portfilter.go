package packet

import (
	"slices"

	"golang.org/x/net/bpf"

	"onmux/probe"
	"onmux/scan/ip"
)

// maxRanges bounds the ranges of ports that a filter compares: the kernel takes 4,096
// instructions (BPF_MAXINSNS).
const maxRanges = 300

// tunnels are the protocols of IP packets that hold others: IPv4, IPv6 and GRE; and the ports
// of VXLAN.
var (
	tunnels     = []uint32{4, 41, 47}
	tunnelPorts = []probe.Port{{Number: 4789, Proto: probe.UDP}, {Number: 8472, Proto: probe.UDP}}
)

// portRange is a run of ports, both ends included.
type portRange struct{ first, last uint16 }

// PortFilter is a classic BPF program for IP packets that start with their header. It
// passes TCP and UDP to and from some ports, ICMP errors, tunnels, and what only a closer look
// can tell: fragments after the first, and IPv6 with extension headers. With very many ranges of
// ports all TCP and UDP passes.
func PortFilter(ports []probe.Port) ([]bpf.RawInstruction, error) {
	a := assembler{labels: make(map[string]int), jumps: make(map[int][2]string)}
	ranges := make(map[probe.Proto][]portRange)
	sorted := append(slices.Clone(ports), tunnelPorts...)
	slices.SortFunc(sorted, func(x, y probe.Port) int { return int(x.Number) - int(y.Number) })
	count := 0
	for _, p := range sorted {
		all := ranges[p.Proto]
		if n := len(all); n > 0 && int(p.Number) <= int(all[n-1].last)+1 {
			all[n-1].last = p.Number
			continue
		}
		ranges[p.Proto] = append(all, portRange{p.Number, p.Number})
		count++
	}
	a.load(0, 1)
	a.alu(bpf.ALUOpShiftRight, 4)
	a.jump(4, "v4", "")
	a.jump(6, "v6", "drop")
	a.label("v4")
	a.load(6, 2)
	a.test(bpf.JumpBitsSet, 0x1fff, "pass", "")
	a.emit(bpf.LoadMemShift{Off: 0})
	a.load(9, 1)
	a.watched("v4 ", ip.ProtoICMP, 3, 11)
	a.label("v6")
	a.emit(bpf.LoadConstant{Dst: bpf.RegX, Val: 40})
	a.load(6, 1)
	for _, extension := range []uint32{0, 43, 44, 51, 60} {
		a.jump(extension, "pass", "")
	}
	a.watched("v6 ", ip.ProtoICMPv6, 1, 3)
	a.label("pass")
	a.emit(bpf.RetConstant{Val: 1 << 18})
	a.label("drop")
	a.emit(bpf.RetConstant{Val: 0})
	for _, l := range []struct {
		name  string
		proto probe.Proto
	}{{"tcp", probe.TCP}, {"udp", probe.UDP}} {
		a.label(l.name)
		if count > maxRanges {
			a.emit(bpf.RetConstant{Val: 1 << 18})
			continue
		}
		for _, at := range []uint32{0, 2} { // the source port, the destination port
			a.loadX(at, 2)
			for _, r := range ranges[l.proto] {
				a.emit(bpf.JumpIf{Cond: bpf.JumpLessThan, Val: uint32(r.first), SkipTrue: 2})
				a.emit(bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: uint32(r.last), SkipTrue: 1})
				a.emit(bpf.RetConstant{Val: 1 << 18})
			}
		}
		a.emit(bpf.RetConstant{Val: 0})
	}
	return a.assemble()
}

// watched decides by the protocol, which was loaded; X is the length of the IP header.
func (a *assembler) watched(name string, icmp uint32, types ...uint32) {
	a.jump(ip.ProtoTCP, name+"tcp", "")
	a.jump(ip.ProtoUDP, name+"udp", "")
	for _, p := range tunnels {
		a.jump(p, "pass", "")
	}
	a.jump(icmp, "", "drop")
	a.loadX(0, 1)
	a.jump(types[0], "pass", "")
	a.jump(types[1], "pass", "drop")
	for _, l := range []string{"tcp", "udp"} {
		a.label(name + l)
		a.emit(bpf.Jump{})
		a.jumps[len(a.code)-1] = [2]string{l, ""}
	}
}
