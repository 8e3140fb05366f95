package local

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/sys/unix"

	"onmux/probe"
)

// loading is what an expression loads into registers.
type loading uint8

const (
	fromElse loading = iota
	fromNetwork
	fromTransport
	fromL4Proto
	fromNFProto
	fromEtherType
	fromIIF
	fromOIF
	fromIIFName
	fromOIFName
	fromMark
	fromUser
	fromChance
	fromState
	fromAddrType
	fromSource
	fromSourcePort
	fromPort
	fromAddr
	fromConstant
)

// String names what a rule depends on.
func (l loading) String() string {
	switch l {
	case fromSource:
		return "the source address"
	case fromSourcePort:
		return "the source port"
	case fromIIF, fromOIF, fromIIFName, fromOIFName:
		return "the interface"
	case fromMark:
		return "a mark"
	case fromUser:
		return "who sends"
	case fromChance:
		return "chance"
	}
	return "something that is not told here"
}

// cell is one byte of a register: a constant, or a byte of something that is
// known only as a set of possibilities. Its value is byte index of that, AND
// mask, XOR flip.
type cell struct {
	of         loading
	index      uint8
	mask, flip byte // of a constant: flip is the value
}

// registers are what the rule's expressions work on.
type registers [registerBytes]cell

// load puts what a step loads into the registers, and zeroes up to the next word
// as the kernel does.
func (r *registers) load(s step, w *walk) {
	for i := range s.n {
		r[s.to+i] = w.cell(s.load, s.offset, i)
	}
	for i := s.to + s.n; i%4 != 0; i++ {
		r[i] = cell{of: fromConstant}
	}
}

func constant(b []byte, i int) cell {
	if i < len(b) {
		return cell{of: fromConstant, flip: b[i]}
	}
	return cell{of: fromConstant}
}

// cell is byte i of what is loaded, in the walk of one protocol, family and hook.
func (w *walk) cell(what loading, offset uint32, i int) cell {
	switch what {
	case fromNetwork:
		return w.header(int(offset) + i)
	case fromTransport:
		switch at := int(offset) + i; {
		case at < 2:
			return cell{of: fromSourcePort, mask: 0xff}
		case at < 4:
			return cell{of: fromPort, index: uint8(at - 2), mask: 0xff}
		}
		return cell{of: fromElse, mask: 0xff}
	case fromL4Proto:
		return constant([]byte{ipProto(w.proto)}, i)
	case fromNFProto:
		return constant([]byte{byte(w.family)}, i)
	case fromEtherType:
		return constant(binary.BigEndian.AppendUint16(nil, etherType(w.family)), i)
	case fromState: // NAT is asked about the first packet of a connection
		const isNew = 1 << 3 // NF_CT_STATE_BIT(IP_CT_NEW)
		return constant(binary.NativeEndian.AppendUint32(nil, isNew), i)
	case fromAddrType:
		return constant(binary.NativeEndian.AppendUint32(nil, unix.RTN_LOCAL), i)
	}
	if b, ok := w.device(what); ok {
		return constant(b, i)
	}
	return cell{of: what, index: uint8(i), mask: 0xff}
}

// device is an interface that is known: what leaves this machine for itself came
// from none and leaves by loopback, and what arrives does not leave yet.
func (w *walk) device(what loading) ([]byte, bool) {
	inside := w.hook == unix.NF_INET_LOCAL_OUT
	switch {
	case what == fromOIF && inside:
		return binary.NativeEndian.AppendUint32(nil, 1), true
	case what == fromOIFName && inside:
		return []byte("lo"), true
	case inside && (what == fromIIF || what == fromIIFName), !inside && (what == fromOIF || what == fromOIFName):
		return nil, true
	}
	return nil, false
}

// header is a byte of the IP header (RFC 791, RFC 8200).
func (w *walk) header(at int) cell {
	proto, source, dest, end := 9, 12, 16, 20
	if w.family == unix.NFPROTO_IPV6 {
		proto, source, dest, end = 6, 8, 24, 40
	}
	switch {
	case at == proto:
		return constant([]byte{ipProto(w.proto)}, 0)
	case at >= source && at < dest:
		return cell{of: fromSource, index: uint8(at - source), mask: 0xff}
	case at >= dest && at < end:
		return cell{of: fromAddr, index: uint8(at - dest), mask: 0xff}
	}
	return cell{of: fromElse, mask: 0xff}
}

func ipProto(p probe.Proto) byte {
	if p == probe.UDP {
		return unix.IPPROTO_UDP
	}
	return unix.IPPROTO_TCP
}

func etherType(f nftFamily) uint16 {
	if f == unix.NFPROTO_IPV6 {
		return unix.ETH_P_IPV6
	}
	return unix.ETH_P_IP
}

// and masks cells.
func (c cell) and(mask, flip byte) cell {
	if c.of == fromConstant || c.mask&mask == 0 {
		return cell{of: fromConstant, flip: c.flip&mask ^ flip}
	}
	return cell{of: c.of, index: c.index, mask: c.mask & mask, flip: c.flip&mask ^ flip}
}

// demand is what registers being between two values asks for.
type demand struct {
	never bool
	ports spans  // nil: any
	addrs uint64 // bits of walk.own
	hint  string // what else it depends on; "" is nothing
}

// between is the demand that the registers from a place on are between two
// values of one length, both included. Values of several parts, such as an
// address and a port, are compared part by part, as sets of them are; whole says
// that they are compared as one number.
func (w *walk) between(r *registers, at int, from, to []byte, whole bool) demand {
	d := demand{addrs: w.all}
	for i := 0; i < len(from); {
		n := r.run(at+i, len(from)-i)
		if whole && n < len(from) && !bytes.Equal(from, to) {
			return demand{addrs: w.all, hint: fromElse.String()}
		}
		d = d.and(w.part(r[at+i:at+i+n], from[i:i+n], to[i:i+n]))
		i += n
	}
	return d
}

// run is how many cells belong together.
func (r *registers) run(at, most int) int {
	n := 1
	for n < most && r[at+n].of == r[at].of && (r[at].of == fromConstant || r[at+n].index == r[at].index+uint8(n)) {
		n++
	}
	return n
}

func (d demand) and(e demand) demand {
	d.never = d.never || e.never
	d.addrs &= e.addrs
	switch {
	case d.ports == nil:
		d.ports = e.ports
	case e.ports != nil:
		d.ports = d.ports.and(e.ports)
		d.never = d.never || len(d.ports) == 0
	}
	if d.hint == "" {
		d.hint = e.hint
	}
	return d
}

// part is the demand of cells that belong together.
func (w *walk) part(cells []cell, from, to []byte) demand {
	d := demand{addrs: w.all}
	value := make([]byte, len(cells))
	holds := func(of []byte) bool {
		for i, c := range cells {
			value[i] = c.flip
			if int(c.index) < len(of) {
				value[i] = of[c.index]&c.mask ^ c.flip
			}
		}
		return bytes.Compare(from, value) <= 0 && bytes.Compare(value, to) <= 0
	}
	switch c := cells[0]; {
	case c.of == fromConstant:
		d.never = !holds(nil)
	case c.of == fromPort && len(cells) == 2 && cells[0].plain() && cells[1].plain():
		d.ports = newSpans([]Span{{binary.BigEndian.Uint16(from), binary.BigEndian.Uint16(to)}})
		d.never = len(d.ports) == 0
	case c.of == fromPort:
		d.ports = portsWhere(holds)
		d.never = len(d.ports) == 0
	case c.of == fromAddr:
		d.addrs = 0
		for i, a := range w.own {
			if holds(a.AsSlice()) {
				d.addrs |= 1 << i
			}
		}
	case c.of == fromIIFName && loopback(from, to) && w.hook == unix.NF_INET_PRE_ROUTING:
		d.never = true // what arrives from outside does not come by it
	default:
		d.hint = c.of.String()
	}
	return d
}

func (c cell) plain() bool { return c.mask == 0xff && c.flip == 0 }

func loopback(from, to []byte) bool {
	return bytes.Equal(from, to) && bytes.Equal(bytes.TrimRight(from, "\x00"), []byte("lo"))
}

// portsWhere is the ports whose two bytes hold.
func portsWhere(holds func([]byte) bool) spans {
	ranges := spans{}
	var b [2]byte
	for p := range 1 << 16 {
		binary.BigEndian.PutUint16(b[:], uint16(p))
		if !holds(b[:]) {
			continue
		}
		if n := len(ranges); n > 0 && int(ranges[n-1].Last)+1 == p {
			ranges[n-1].Last++
		} else {
			ranges = append(ranges, Span{uint16(p), uint16(p)})
		}
	}
	return ranges
}

// not is the opposite of a demand. That of two things at once cannot be told.
func (w *walk) not(d demand) demand {
	everywhere := d.addrs == w.all
	switch {
	case d.never:
		return demand{addrs: w.all}
	case d.hint != "":
		return demand{addrs: w.all, hint: d.hint}
	case d.ports != nil && everywhere:
		p := d.ports.not()
		return demand{addrs: w.all, ports: p, never: len(p) == 0}
	case d.ports == nil && !everywhere:
		return demand{addrs: w.all &^ d.addrs}
	case d.ports == nil:
		return demand{never: true}
	}
	return demand{addrs: w.all, hint: "the address and the port together"}
}
