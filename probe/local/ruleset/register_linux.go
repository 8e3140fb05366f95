package ruleset

import (
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
