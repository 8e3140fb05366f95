package packet

import (
	"fmt"

	"golang.org/x/net/bpf"

	"onmux/probe"
)

// Filter is a classic BPF program for a socket that receives with this framing.
// It passes what a Decoder may use and has the kernel drop the rest: TCP to our
// ports with SYN and ACK or with RST, UDP to our ports, ICMP and ICMPv6 errors,
// and on Ethernet ARP replies and neighbor advertisements. Fragments after the
// first are dropped; IPv6 with extension headers passes, and is left to the
// Decoder. One VLAN tag that the kernel left in the frame is skipped.
func Filter(f Framing, c *Cookies) ([]bpf.RawInstruction, error) {
	a := assembler{
		labels: make(map[string]int), jumps: make(map[int][2]string),
		tcp: c.Ports(probe.TCP), udp: c.Ports(probe.UDP),
	}
	if f == Ethernet {
		a.ethernet()
	} else {
		a.load(0, 1)
		a.alu(bpf.ALUOpShiftRight, 4)
		a.jump(4, "v4", "")
		a.jump(6, "v6", "drop")
		a.label("v4")
		a.ipv4("", 0)
		a.label("v6")
		a.ipv6("", 0)
	}
	a.label("pass")
	a.emit(bpf.RetConstant{Val: 1 << 18})
	a.label("drop")
	a.emit(bpf.RetConstant{Val: 0})
	return a.assemble()
}

// assembler writes a program whose jumps name labels.
type assembler struct {
	code     []bpf.Instruction
	labels   map[string]int
	jumps    map[int][2]string // of the instruction at a position: where to if true, if false; "" is the next one
	tcp, udp Ports
}

func (a *assembler) emit(i bpf.Instruction)            { a.code = append(a.code, i) }
func (a *assembler) label(l string)                    { a.labels[l] = len(a.code) }
func (a *assembler) load(at uint32, size int)          { a.emit(bpf.LoadAbsolute{Off: at, Size: size}) }
func (a *assembler) loadX(at uint32, size int)         { a.emit(bpf.LoadIndirect{Off: at, Size: size}) }
func (a *assembler) alu(op bpf.ALUOp, v uint32)        { a.emit(bpf.ALUOpConstant{Op: op, Val: v}) }
func (a *assembler) jump(value uint32, yes, no string) { a.test(bpf.JumpEqual, value, yes, no) }
func (a *assembler) test(c bpf.JumpTest, value uint32, yes, no string) {
	a.jumps[len(a.code)] = [2]string{yes, no}
	a.emit(bpf.JumpIf{Cond: c, Val: value})
}

// ethernet judges a frame, and a tagged one by the same code four bytes later.
func (a *assembler) ethernet() {
	a.load(12, 2)
	a.jump(etherTag, "tagged", "")
	a.jump(etherOuter, "tagged", "")
	a.types("plain ", 14)
	a.label("tagged")
	a.load(16, 2)
	a.types("tagged ", 18)
}

func (a *assembler) types(name string, at uint32) {
	a.jump(etherIPv4, name+"v4", "")
	a.jump(etherIPv6, name+"v6", "")
	a.jump(etherARP, "", "drop")
	a.load(at+6, 2)
	a.jump(arpReply, "pass", "drop")
	a.label(name + "v4")
	a.ipv4(name, at)
	a.label(name + "v6")
	a.ipv6(name, at)
}

// ipv4 leaves the length of the header in X.
func (a *assembler) ipv4(name string, at uint32) {
	a.load(at+6, 2)
	a.test(bpf.JumpBitsSet, 0x1fff, "drop", "")
	a.emit(bpf.LoadMemShift{Off: at})
	a.load(at+9, 1)
	a.jump(protoTCP, name+"tcp4", "")
	a.jump(protoUDP, name+"udp4", "")
	a.jump(protoICMP, "", "drop")
	a.loadX(at, 1)
	a.jump(3, "pass", "")
	a.jump(11, "pass", "drop")
	a.transport(name+"tcp4", name+"udp4", at)
}

func (a *assembler) ipv6(name string, at uint32) {
	a.emit(bpf.LoadConstant{Dst: bpf.RegX, Val: 40})
	a.load(at+6, 1)
	a.jump(protoTCP, name+"tcp6", "")
	a.jump(protoUDP, name+"udp6", "")
	a.jump(protoICMPv6, name+"icmp6", "")
	for _, extension := range []uint32{0, 43, 44, 60} {
		a.jump(extension, "pass", "")
	}
	a.jump(51, "pass", "drop")
	a.label(name + "icmp6")
	a.loadX(at, 1)
	a.jump(1, "pass", "")
	a.jump(3, "pass", "")
	a.jump(typeAdvertise, "pass", "drop")
	a.transport(name+"tcp6", name+"udp6", at)
}

// transport judges the header that starts X bytes after the start of the IP header.
func (a *assembler) transport(tcp, udp string, at uint32) {
	a.label(tcp)
	a.loadX(at+2, 2)
	a.within(a.tcp)
	a.loadX(at+13, 1)
	a.test(bpf.JumpBitsSet, RST, "pass", "")
	a.alu(bpf.ALUOpAnd, SYN|ACK)
	a.jump(SYN|ACK, "pass", "drop")
	a.label(udp)
	a.loadX(at+2, 2)
	a.within(a.udp)
	a.emit(bpf.Jump{})
	a.jumps[len(a.code)-1] = [2]string{"pass", ""}
}

// within drops packets that are not to one of our ports.
func (a *assembler) within(p Ports) {
	if p.Count() == 0 {
		a.test(bpf.JumpGreaterOrEqual, 0, "drop", "drop")
		return
	}
	a.test(bpf.JumpLessThan, uint32(p.First), "drop", "")
	a.test(bpf.JumpGreaterThan, uint32(p.Last()), "drop", "")
}

// assemble turns labels into distances.
func (a *assembler) assemble() ([]bpf.RawInstruction, error) {
	for at, to := range a.jumps {
		var skip [2]int
		for i, l := range to {
			if l == "" {
				continue
			}
			end, ok := a.labels[l]
			_, far := a.code[at].(bpf.Jump)
			if skip[i] = end - at - 1; !ok || skip[i] < 0 || skip[i] > 255 && !far {
				return nil, fmt.Errorf("packet filter: no jump from instruction %d to %q", at, l)
			}
		}
		switch j := a.code[at].(type) {
		case bpf.JumpIf:
			j.SkipTrue, j.SkipFalse = uint8(skip[0]), uint8(skip[1])
			a.code[at] = j
		case bpf.Jump:
			a.code[at] = bpf.Jump{Skip: uint32(skip[0])}
		}
	}
	return bpf.Assemble(a.code)
}
