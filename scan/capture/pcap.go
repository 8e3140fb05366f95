package capture

// The first four bytes of a pcap file, whose byte order is that of all that follows:
// times are in microseconds or in nanoseconds.
const (
	magicMicro = 0xa1b2c3d4
	magicNano  = 0xa1b23c4d
)

// Sizes of the headers of a file and of a packet, in bytes.
const (
	pcapHead   = 24
	pcapPacket = 16
)

// pcap is the format of libpcap: draft-ietf-opsawg-pcap.
type pcap struct {
	link LinkType
	unit int64 // nanoseconds
}

func newPcap(r *Reader, nano bool) (*pcap, error) {
	head, err := r.peek(pcapHead)
	if err != nil {
		return nil, ErrFormat
	}
	if r.order.u16(head[4:]) != 2 {
		return nil, errVersion
	}
	f := &pcap{link: LinkType(r.order.u32(head[20:])), unit: 1000}
	if nano {
		f.unit = 1
	}
	return f, r.skip(pcapHead)
}

func (f *pcap) next(r *Reader, p *Packet) error {
	head, err := r.peek(pcapPacket)
	if err != nil {
		return err
	}
	captured, sent := r.order.u32(head[8:]), r.order.u32(head[12:])
	if captured > MaxPacket {
		return r.damaged("a packet of %d bytes", captured)
	}
	n := pcapPacket + int(captured)
	b, err := r.peek(n)
	if err != nil {
		return cut(err)
	}
	*p = Packet{
		Data: b[pcapPacket:], Size: max(int(sent), int(captured)), Link: f.link,
		Time: int64(r.order.u32(b))*1e9 + int64(r.order.u32(b[4:]))*f.unit,
	}
	r.behind = n
	return nil
}
