package capture

import (
	"encoding/binary"
	"math/bits"
)

// The types of blocks: draft-ietf-opsawg-pcapng.
const (
	magicSection    = 0x0a0d0d0a
	blockInterface  = 1
	blockObsolete   = 2
	blockSimple     = 3
	blockStatistics = 5
	blockEnhanced   = 6
)

// byteOrderMagic follows the length of a section's header.
const byteOrderMagic = 0x1a2b3c4d

// Sizes, in bytes.
const (
	blockAround = 12        // type and length before, and the length again behind
	maxBlock    = 512 << 10 // of blocks that are read whole: the packet and its options
)

// Options.
const (
	optionResolution = 9
	optionOffset     = 14
	optionIfDrop     = 5 // of statistics
	optionOSDrop     = 7
)

// maxInterfaces bounds the interfaces of a section.
const maxInterfaces = 1 << 16

// device is an interface of a section.
type device struct {
	link    LinkType
	snap    uint32
	unit    uint64 // ticks a second
	offset  int64  // seconds
	dropped uint64
}

// pcapng is the format of Wireshark.
type pcapng struct {
	devices []device
	dropped uint64 // by the interfaces of sections before
	ended   int64  // when the capture ended, as far as statistics state it
}

func (f *pcapng) lost() uint64 {
	n := f.dropped
	for _, d := range f.devices {
		n += d.dropped
	}
	return n
}

func (f *pcapng) next(r *Reader, p *Packet) error {
	for {
		head, err := r.peek(blockAround)
		if err != nil {
			return err
		}
		if binary.BigEndian.Uint32(head) == magicSection {
			if err := f.section(r, head); err != nil {
				return err
			}
		}
		kind, size := r.order.u32(head), r.order.u32(head[4:])
		if size < blockAround || size%4 != 0 {
			return r.damaged("a block of %d bytes", size)
		}
		switch kind {
		case blockInterface, blockObsolete, blockSimple, blockEnhanced, blockStatistics:
		default:
			if err := r.skip(int(size)); err != nil {
				return err
			}
			continue
		}
		if size > maxBlock {
			return r.damaged("a block of %d bytes", size)
		}
		b, err := r.peek(int(size))
		if err != nil {
			return cut(err)
		}
		if r.order.u32(b[size-4:]) != size {
			return r.damaged("a block whose two lengths differ")
		}
		found, err := f.block(r, kind, b[8:size-4], p)
		if err != nil {
			return err
		}
		if found {
			r.behind = int(size)
			return nil
		}
		if err := r.skip(int(size)); err != nil {
			return err
		}
	}
}

// section begins a section: its interfaces follow, and its byte order is its own.
func (f *pcapng) section(r *Reader, head []byte) error {
	switch binary.BigEndian.Uint32(head[8:]) {
	case byteOrderMagic:
		r.order.big = true
	case swapped(byteOrderMagic):
		r.order.big = false
	default:
		return r.damaged("a section without a byte order")
	}
	f.dropped = f.lost()
	f.devices = f.devices[:0]
	b, err := r.peek(blockAround + 2)
	if err != nil {
		return cut(err)
	}
	if r.order.u16(b[blockAround:]) != 1 {
		return errVersion
	}
	return nil
}

// block reads the body of one, and reports whether it is a packet.
func (f *pcapng) block(r *Reader, kind uint32, b []byte, p *Packet) (found bool, err error) {
	short := func() (bool, error) { return false, r.damaged("a block that is too short") }
	switch kind {
	case blockInterface:
		if len(b) < 8 {
			return short()
		}
		if len(f.devices) == maxInterfaces {
			return false, r.damaged("more than %d interfaces", maxInterfaces)
		}
		d := device{link: LinkType(r.order.u16(b)), snap: r.order.u32(b[4:]), unit: 1e6}
		if !d.options(r.order, b[8:]) {
			return false, r.damaged("an interface whose times have no sense")
		}
		f.devices = append(f.devices, d)
	case blockStatistics:
		if len(b) < 12 {
			return short()
		}
		if i := r.order.u32(b); int64(i) < int64(len(f.devices)) {
			d := &f.devices[i]
			d.statistics(r.order, b[12:])
			f.ended = max(f.ended, d.time(uint64(r.order.u32(b[4:]))<<32|uint64(r.order.u32(b[8:]))))
		}
	case blockEnhanced, blockObsolete:
		if len(b) < 20 {
			return short()
		}
		via := r.order.u32(b)
		if kind == blockObsolete {
			via = uint32(r.order.u16(b)) // behind it a count of drops
		}
		captured, sent := r.order.u32(b[12:]), r.order.u32(b[16:])
		if int64(captured) > int64(len(b)-20) || captured > MaxPacket {
			return false, r.damaged("a packet of %d bytes in a block of %d", captured, len(b)+blockAround)
		}
		if int64(via) >= int64(len(f.devices)) {
			return false, r.damaged("a packet of interface %d of %d", via, len(f.devices))
		}
		d := &f.devices[via]
		*p = Packet{Data: b[20 : 20+captured], Size: max(int(sent), int(captured)), Link: d.link, Via: via,
			Time: d.time(uint64(r.order.u32(b[4:]))<<32 | uint64(r.order.u32(b[8:])))}
		return true, nil
	case blockSimple:
		if len(b) < 4 {
			return short()
		}
		if len(f.devices) == 0 {
			return false, r.damaged("a packet without an interface")
		}
		d, sent := &f.devices[0], r.order.u32(b)
		captured := min(sent, MaxPacket, uint32(len(b)-4))
		if d.snap > 0 {
			captured = min(captured, d.snap)
		}
		*p = Packet{Data: b[4 : 4+captured], Size: int(sent), Link: d.link}
		return true, nil
	}
	return false, nil
}

// each calls f for each option, up to the first that is malformed.
func each(o order, b []byte, f func(code uint16, value []byte)) {
	for len(b) >= 4 {
		code, n := o.u16(b), int(o.u16(b[2:]))
		if b = b[4:]; code == 0 || n > len(b) {
			return
		}
		f(code, b[:n])
		b = b[min((n+3)&^3, len(b)):]
	}
}

// options reads those of an interface. It returns false if no time can be made of them.
func (d *device) options(o order, b []byte) bool {
	ok := true
	each(o, b, func(code uint16, value []byte) {
		switch {
		case code == optionOffset && len(value) == 8:
			d.offset = int64(o.u64(value))
		case code == optionResolution && len(value) == 1:
			power := value[0] & 0x7f
			d.unit = 1
			switch {
			case value[0]&0x80 != 0 && power < 64:
				d.unit = 1 << power
			case value[0]&0x80 == 0 && power < 20:
				for range power {
					d.unit *= 10
				}
			default:
				ok = false
			}
		}
	})
	return ok
}

// statistics reads how much was dropped.
func (d *device) statistics(o order, b []byte) {
	var dropped uint64
	each(o, b, func(code uint16, value []byte) {
		if (code == optionIfDrop || code == optionOSDrop) && len(value) == 8 {
			dropped += min(o.u64(value), 1<<40)
		}
	})
	d.dropped = dropped
}

// time makes nanoseconds of ticks, 0 of what is no time.
func (d *device) time(ticks uint64) int64 {
	const most = 1 << 33 // seconds
	seconds := ticks / d.unit
	high, low := bits.Mul64(ticks%d.unit, 1e9)
	nanos, _ := bits.Div64(high, low, d.unit)
	if seconds >= most || d.offset <= -most || d.offset >= most {
		return 0
	}
	s := int64(seconds) + d.offset
	if s < 0 || s >= most {
		return 0
	}
	return s*1e9 + int64(nanos)
}
