package nat

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/sys/unix"

	"onmux/probe"
)

// origin is where the bytes in registers come from.
type origin uint8

const (
	fromElsewhere origin = iota
	fromNetworkHeader
	fromTransportHeader
	fromL4Proto
	fromNFProto
	fromEtherType
	fromIIF
	fromOIF
	fromIIFName
	fromOIFName
	fromMark
	fromSender
	fromRandom
	fromConnState
	fromAddrType
	fromSourceAddr
	fromSourcePort
	fromDestPort
	fromDestAddr
	fromConstant
)

// condition is what a rule depends on that looks at such bytes.
func (o origin) condition() Condition {
	switch o {
	case fromSourceAddr:
		return Condition{Kind: SourceAddress}
	case fromSourcePort:
		return Condition{Kind: SourcePort}
	case fromIIF, fromOIF, fromIIFName, fromOIFName:
		return Condition{Kind: Interface}
	case fromMark:
		return Condition{Kind: Mark}
	case fromSender:
		return Condition{Kind: Sender}
	case fromRandom:
		return Condition{Kind: Random}
	}
	return Condition{Kind: OtherCondition}
}

// registerByte is one byte of a register: a constant, or a byte of something that is
// known only as a set of possible values. Its value is byte index of that, AND mask,
// XOR flip.
type registerByte struct {
	from       origin
	index      uint8
	mask, flip byte // of a constant: flip is the value
}

// registers are what the expressions of a rule work on.
type registers [registerBytes]registerByte

// load puts what an expression loads into the registers.
func (r *registers) load(e expression, f flow) {
	for i := range e.size {
		r[e.dst+i] = f.load(e.load.from, e.load.offset, i)
	}
	r.pad(e.dst + e.size)
}

// store puts constants into the registers.
func (r *registers) store(at int, b []byte) {
	for i := range b {
		r[at+i] = constant(b, i)
	}
	r.pad(at + len(b))
}

// pad zeroes up to the next word, as the kernel does.
func (r *registers) pad(at int) {
	for ; at%4 != 0; at++ {
		r[at] = registerByte{from: fromConstant}
	}
}

// mask applies an exprBitwise.
func (r *registers) mask(e expression) {
	masked := *r
	for i := range e.size {
		masked[e.dst+i] = r[e.src+i].masked(e.mask[i], e.xor[i])
	}
	*r = masked
}

// forget makes every register unknown.
func (r *registers) forget() {
	for i := range r {
		r[i] = registerByte{mask: 0xff}
	}
}

// constant is the value of registers; false if it is not known.
func (r *registers) constant(at, n int) ([]byte, bool) {
	b := make([]byte, n)
	for i := range n {
		if r[at+i].from != fromConstant {
			return b, false
		}
		b[i] = r[at+i].flip
	}
	return b, true
}

// run is how many bytes from a place on are of one value.
func (r *registers) run(at, most int) int {
	n := 1
	for n < most && r[at+n].from == r[at].from &&
		(r[at].from == fromConstant || r[at+n].index == r[at].index+uint8(n)) {
		n++
	}
	return n
}

// constant is byte i of b, and 0 behind its end.
func constant(b []byte, i int) registerByte {
	if i < len(b) {
		return registerByte{from: fromConstant, flip: b[i]}
	}
	return registerByte{from: fromConstant}
}

func (b registerByte) masked(mask, flip byte) registerByte {
	if b.from == fromConstant || b.mask&mask == 0 {
		return registerByte{from: fromConstant, flip: b.flip&mask ^ flip}
	}
	return registerByte{from: b.from, index: b.index, mask: b.mask & mask, flip: b.flip&mask ^ flip}
}

// plain reports whether the byte is as it was loaded.
func (b registerByte) plain() bool { return b.mask == 0xff && b.flip == 0 }

// load is byte i of what is loaded, for one protocol, family and hook.
func (f flow) load(from origin, offset uint32, i int) registerByte {
	switch from {
	case fromNetworkHeader:
		return f.networkHeader(int(offset) + i)
	case fromTransportHeader:
		switch at := int(offset) + i; {
		case at < 2:
			return registerByte{from: fromSourcePort, mask: 0xff}
		case at < 4:
			return registerByte{from: fromDestPort, index: uint8(at - 2), mask: 0xff}
		}
		return registerByte{from: fromElsewhere, mask: 0xff}
	case fromL4Proto:
		return constant([]byte{ipProto(f.proto)}, i)
	case fromNFProto:
		return constant([]byte{byte(f.family)}, i)
	case fromEtherType:
		return constant(binary.BigEndian.AppendUint16(nil, etherType(f.family)), i)
	case fromConnState: // NAT rules see the first packet of a connection
		const isNew = 1 << 3 // NF_CT_STATE_BIT(IP_CT_NEW)
		return constant(binary.NativeEndian.AppendUint32(nil, isNew), i)
	case fromAddrType:
		return constant(binary.NativeEndian.AppendUint32(nil, unix.RTN_LOCAL), i)
	}
	if b, ok := f.device(from); ok {
		return constant(b, i)
	}
	return registerByte{from: from, index: uint8(i), mask: 0xff}
}

// device is an interface that is known: what leaves this machine for itself came
// from none and leaves by loopback, and what arrives does not leave yet.
func (f flow) device(from origin) ([]byte, bool) {
	inside := f.hook == unix.NF_INET_LOCAL_OUT
	switch {
	case from == fromOIF && inside:
		return binary.NativeEndian.AppendUint32(nil, 1), true
	case from == fromOIFName && inside:
		return []byte("lo"), true
	case inside && (from == fromIIF || from == fromIIFName), !inside && (from == fromOIF || from == fromOIFName):
		return nil, true
	}
	return nil, false
}

// networkHeader is a byte of the IP header (RFC 791, RFC 8200).
func (f flow) networkHeader(at int) registerByte {
	proto, source, dest, end := 9, 12, 16, 20
	if f.family == unix.NFPROTO_IPV6 {
		proto, source, dest, end = 6, 8, 24, 40
	}
	switch {
	case at == proto:
		return constant([]byte{ipProto(f.proto)}, 0)
	case at >= source && at < dest:
		return registerByte{from: fromSourceAddr, index: uint8(at - source), mask: 0xff}
	case at >= dest && at < end:
		return registerByte{from: fromDestAddr, index: uint8(at - dest), mask: 0xff}
	}
	return registerByte{from: fromElsewhere, mask: 0xff}
}

func ipProto(p probe.Proto) byte {
	if p == probe.UDP {
		return unix.IPPROTO_UDP
	}
	return unix.IPPROTO_TCP
}

func etherType(f tableFamily) uint16 {
	if f == unix.NFPROTO_IPV6 {
		return unix.ETH_P_IPV6
	}
	return unix.ETH_P_IP
}

// isLoopback reports whether both ends of a range of interface names are loopback's.
func isLoopback(low, high []byte) bool {
	return bytes.Equal(low, high) && bytes.Equal(bytes.TrimRight(low, "\x00"), []byte("lo"))
}
