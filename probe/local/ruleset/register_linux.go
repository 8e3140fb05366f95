package ruleset

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/local/nfexpr"
)

// registerByte is one byte of a register: a constant, or a byte of something that is
// known only as a set of possible values. Its value is byte index of that, AND mask,
// XOR flip.
type registerByte struct {
	from       nfexpr.Origin
	index      uint8
	mask, flip byte // of a constant: flip is the value
}

// registers are what the expressions of a rule work on.
type registers struct {
	bytes [nfexpr.RegisterBytes]registerByte
	names [nfexpr.RegisterBytes / 4]string // of what the words hold, where its origin has no name
}

// store puts constants into the registers.
func (r *registers) store(at int, b []byte) {
	for i := range b {
		r.bytes[at+i] = constant(b, i)
	}
	r.pad(at + len(b))
}

// pad zeroes up to the next word, as the kernel does.
func (r *registers) pad(at int) {
	for ; at%4 != 0; at++ {
		r.bytes[at] = registerByte{from: nfexpr.FromConstant}
	}
}

// mask applies an KindBitwise.
func (r *registers) mask(e nfexpr.Expression) {
	masked := *r
	for i := range e.Size {
		masked.bytes[e.Dst+i] = r.bytes[e.Src+i].masked(e.Mask[i], e.XOR[i])
		masked.names[(e.Dst+i)/4] = r.names[(e.Src+i)/4]
	}
	*r = masked
}

// forget makes every register unknown.
func (r *registers) forget() {
	for i := range r.bytes {
		r.bytes[i] = registerByte{mask: 0xff}
	}
	clear(r.names[:])
}

// constant is the value of registers; false if it is not known.
func (r *registers) constant(at, n int) ([]byte, bool) {
	b := make([]byte, n)
	if at < 0 || at+n > nfexpr.RegisterBytes {
		return b, false
	}
	for i := range n {
		if r.bytes[at+i].from != nfexpr.FromConstant {
			return b, false
		}
		b[i] = r.bytes[at+i].flip
	}
	return b, true
}

// set is what a rule keeps of registers, as a mark.
func (r *registers) set(at int) constants {
	c := constants{known: true}
	for i := range c.bytes {
		if c.bytes[i] = r.bytes[at+i]; c.bytes[i].from != nfexpr.FromConstant {
			return constants{}
		}
	}
	return c
}

// run is how many bytes from a place on are of one value.
func (r *registers) run(at, most int) int {
	n := 1
	for n < most && r.bytes[at+n].from == r.bytes[at].from &&
		(r.bytes[at].from == nfexpr.FromConstant || r.bytes[at+n].index == r.bytes[at].index+uint8(n)) {
		n++
	}
	return n
}

// constant is byte i of b, and 0 behind its end.
func constant(b []byte, i int) registerByte {
	if i < len(b) {
		return registerByte{from: nfexpr.FromConstant, flip: b[i]}
	}
	return registerByte{from: nfexpr.FromConstant}
}

func (b registerByte) masked(mask, flip byte) registerByte {
	if b.from == nfexpr.FromConstant || b.mask&mask == 0 {
		return registerByte{from: nfexpr.FromConstant, flip: b.flip&mask ^ flip}
	}
	return registerByte{from: b.from, index: b.index, mask: b.mask & mask, flip: b.flip&mask ^ flip}
}

// plain reports whether the byte is as it was loaded.
func (b registerByte) plain() bool { return b.mask == 0xff && b.flip == 0 }

// load puts what an expression loads into the registers of packets.
func (v *evaluation) load(e nfexpr.Expression, p *packets) {
	for i := range e.Size {
		p.regs.bytes[e.Dst+i] = v.loaded(e.Load, p, i)
		p.regs.names[(e.Dst+i)/4] = e.Load.Name
	}
	p.regs.pad(e.Dst + e.Size)
}

// loaded is byte i of what is loaded.
func (v *evaluation) loaded(l nfexpr.Loading, p *packets, i int) registerByte {
	switch l.From {
	case nfexpr.FromNetworkHeader:
		return v.networkHeader(int(l.Offset)+i, p)
	case nfexpr.FromTransportHeader:
		return v.transportHeader(int(l.Offset)+i, p)
	case nfexpr.FromL4Proto:
		return constant([]byte{ipProto(v.proto)}, i)
	case nfexpr.FromNFProto:
		return constant([]byte{byte(v.chainFamily())}, i)
	case nfexpr.FromEtherType:
		return constant(binary.BigEndian.AppendUint16(nil, etherType(v.family)), i)
	case nfexpr.FromPacketType, nfexpr.FromDirection: // PACKET_HOST, IP_CT_DIR_ORIGINAL
		return constant(nil, i)
	case nfexpr.FromConnState:
		return v.connState(p, i)
	case nfexpr.FromConnStatus:
		return v.connStatus(p, i)
	case nfexpr.FromMark:
		if p.state.mark.known && i < 4 {
			return p.state.mark.bytes[i]
		}
	case nfexpr.FromConnMark:
		if p.state.connMark.known && i < 4 {
			return p.state.connMark.bytes[i]
		}
	case nfexpr.FromOriginalPort:
		return registerByte{from: nfexpr.FromDestPort, index: uint8(i), mask: 0xff}
	case nfexpr.FromOriginalAddr:
		return registerByte{from: nfexpr.FromDestAddr, index: uint8(i), mask: 0xff}
	case nfexpr.FromAddrType:
		if !p.state.moved {
			return constant(binary.NativeEndian.AppendUint32(nil, unix.RTN_LOCAL), i)
		}
		return registerByte{from: nfexpr.FromElsewhere, index: uint8(i), mask: 0xff}
	}
	if b, ok := v.device(l.From); ok {
		return constant(b, i)
	}
	return registerByte{from: l.From, index: uint8(i), mask: 0xff}
}

// The bits of a connection's state and of its status that are compared
// (linux/netfilter/nf_conntrack_common.h), as nf_tables has them.
const (
	stateInvalid   = 1 << 0
	stateNew       = 1 << 3
	stateUntracked = 1 << 6
	statusDestNAT  = 1 << 5
)

// connState is the state of the connection whose first packets these are. Chains in
// front of connection tracking see none, which counts as invalid.
func (v *evaluation) connState(p *packets, i int) registerByte {
	bits := uint32(stateNew)
	switch before := v.beforeTracking(); {
	case p.state.untracked:
		bits = stateUntracked
	case before && v.priority == trackingPriority: // either may come first
		return registerByte{from: nfexpr.FromConnState, index: uint8(i), mask: 0xff}
	case before:
		bits = stateInvalid
	}
	return constant(binary.NativeEndian.AppendUint32(nil, bits), i)
}

// connStatus is a byte of the status: only whether NAT has changed the destination is
// known.
func (v *evaluation) connStatus(p *packets, i int) registerByte {
	known := binary.NativeEndian.AppendUint32(nil, statusDestNAT)
	b := registerByte{from: nfexpr.FromConnStatus, index: uint8(i), mask: 0xff}
	if i < len(known) {
		b.mask &^= known[i]
		if p.state.natDone && p.state.moved {
			b.flip = known[i]
		}
	}
	return b
}

// device is an interface that is known: what leaves this machine for itself came
// from none and goes by loopback, and what arrives does not leave yet.
func (v *evaluation) device(from nfexpr.Origin) ([]byte, bool) {
	leaves := v.hook == unix.NF_INET_LOCAL_OUT || v.hook == unix.NF_INET_POST_ROUTING
	in, out := v.inside && !leaves, v.inside && leaves
	loopback := binary.NativeEndian.AppendUint32(nil, 1)
	switch from {
	case nfexpr.FromIIF:
		if in {
			return loopback, true
		}
		return nil, leaves
	case nfexpr.FromIIFName:
		if in {
			return []byte("lo"), true
		}
		return nil, leaves
	case nfexpr.FromOIF:
		if out {
			return loopback, true
		}
		return nil, !leaves
	case nfexpr.FromOIFName:
		if out {
			return []byte("lo"), true
		}
		return nil, !leaves
	}
	return nil, false
}

// networkHeader is a byte of the IP header (RFC 791, RFC 8200).
func (v *evaluation) networkHeader(at int, p *packets) registerByte {
	proto, source, dest, end := 9, 12, 16, 20
	if v.family == unix.NFPROTO_IPV6 {
		proto, source, dest, end = 6, 8, 24, 40
	}
	unknown := registerByte{from: nfexpr.FromElsewhere, mask: 0xff}
	switch t := p.state.target; {
	case at == proto:
		return constant([]byte{ipProto(v.proto)}, 0)
	case v.family == unix.NFPROTO_IPV4 && at == 6: // not a fragment, nor the first of some
		unknown.mask = 0xc0
		return unknown
	case v.family == unix.NFPROTO_IPV4 && at == 7:
		return constant(nil, 0)
	case at >= source && at < dest && !p.state.sourceMoved:
		return registerByte{from: nfexpr.FromSourceAddr, index: uint8(at - source), mask: 0xff}
	case at < dest || at >= end:
		return unknown
	case p.state.moved && t.Addr.IsValid() && !t.AddrComputed:
		return constant(t.Addr.AsSlice(), at-dest)
	case p.state.moved && (t.AddrComputed || !p.state.sameAddress()):
		return unknown
	}
	return registerByte{from: nfexpr.FromDestAddr, index: uint8(at - dest), mask: 0xff}
}

// sameAddress reports whether packets that a rule has moved kept their address: those
// that it only sends to another port of this machine without NAT.
func (s state) sameAddress() bool { return !s.natDone }

// transportHeader is a byte of the header of the first packet of TCP (RFC 9293,
// section 3.1) or of UDP.
func (v *evaluation) transportHeader(at int, p *packets) registerByte {
	const flags, congestion, syn = 13, 0xc0, 0x02
	switch t := p.state.target; {
	case at < 2:
		return registerByte{from: nfexpr.FromSourcePort, index: uint8(at), mask: 0xff}
	case at < 4 && p.state.moved && t.Port == KnownPort && t.Ports.First == t.Ports.Last:
		return constant(binary.BigEndian.AppendUint16(nil, t.Ports.First), at-2)
	case at < 4 && p.state.moved && t.Port != SamePort:
		return registerByte{from: nfexpr.FromElsewhere, mask: 0xff}
	case at < 4:
		return registerByte{from: nfexpr.FromDestPort, index: uint8(at - 2), mask: 0xff}
	case v.proto == probe.TCP && at == flags: // RFC 3168 sets the upper two, too
		return registerByte{from: nfexpr.FromTCPFlags, mask: congestion, flip: syn}
	}
	return registerByte{from: nfexpr.FromElsewhere, mask: 0xff}
}

func ipProto(p probe.Proto) byte {
	if p == probe.UDP {
		return unix.IPPROTO_UDP
	}
	return unix.IPPROTO_TCP
}

func etherType(f nfexpr.Family) uint16 {
	if f == unix.NFPROTO_IPV6 {
		return unix.ETH_P_IPV6
	}
	return unix.ETH_P_IP
}
