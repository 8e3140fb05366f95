package packet

import (
	"encoding/binary"
	"net/netip"

	"github.com/google/gopacket"

	"onmux/probe"
)

// The headers of a probe are layers of gopacket. Those of its own package layers
// write the same bytes, which the tests check, but its tables take milliseconds
// of every start of the program.

// ipHeader is an IPv4 or IPv6 header without destination, identification, flow
// label and checksum.
type ipHeader struct {
	src   netip.Addr
	ttl   uint8
	proto uint8
}

func (h ipHeader) LayerType() gopacket.LayerType { return gopacket.LayerTypeZero }

func (h ipHeader) SerializeTo(buf gopacket.SerializeBuffer, _ gopacket.SerializeOptions) error {
	size := len(buf.Bytes())
	src := h.src.AsSlice()
	if h.src.Is4() {
		b, err := prepend(buf, 20)
		if err != nil {
			return err
		}
		b[0] = 0x45
		binary.BigEndian.PutUint16(b[2:], uint16(20+size))
		b[6] = 0x40 // don't fragment
		b[8], b[9] = h.ttl, h.proto
		copy(b[12:], src)
		return nil
	}
	b, err := prepend(buf, 40)
	if err != nil {
		return err
	}
	b[0] = 0x60
	binary.BigEndian.PutUint16(b[4:], uint16(size))
	b[6], b[7] = h.proto, h.ttl
	copy(b[8:], src)
	return nil
}

// synHeader is the header of Linux' SYN without ports, sequence number and
// checksum: its window is 44 segments of 1460 bytes, its options come in this
// order, and it scales windows by 2^7.
type synHeader struct{ mss uint16 }

func (h synHeader) LayerType() gopacket.LayerType { return gopacket.LayerTypeZero }

func (h synHeader) SerializeTo(buf gopacket.SerializeBuffer, _ gopacket.SerializeOptions) error {
	b, err := prepend(buf, 40)
	if err != nil {
		return err
	}
	b[12], b[13] = 10<<4, SYN // a header of 10 words
	binary.BigEndian.PutUint16(b[14:], 64240)
	options := b[20:]
	options[0], options[1] = 2, 4 // MSS
	binary.BigEndian.PutUint16(options[2:], h.mss)
	options[4], options[5] = 4, 2                                   // SACK permitted
	options[6], options[7] = 8, 10                                  // timestamps
	options[16], options[17], options[18], options[19] = 1, 3, 3, 7 // no operation, window scale
	return nil
}

// udpHeader is a UDP header without ports and checksum.
type udpHeader struct{}

func (h udpHeader) LayerType() gopacket.LayerType { return gopacket.LayerTypeZero }

func (h udpHeader) SerializeTo(buf gopacket.SerializeBuffer, _ gopacket.SerializeOptions) error {
	size := len(buf.Bytes())
	b, err := prepend(buf, 8)
	if err != nil {
		return err
	}
	binary.BigEndian.PutUint16(b[4:], uint16(8+size))
	return nil
}

// prepend makes room for a header of zeros.
func prepend(buf gopacket.SerializeBuffer, n int) ([]byte, error) {
	b, err := buf.PrependBytes(n)
	if err == nil {
		clear(b)
	}
	return b, err
}

// headers are the layers of a probe along a Path, payload apart.
func (p Path) headers(proto probe.Proto) (ip, transport gopacket.SerializableLayer) {
	if proto == probe.UDP {
		return ipHeader{p.Src, p.TTL, protoUDP}, udpHeader{}
	}
	headers := 40 // of IP and TCP
	if p.Src.Is6() {
		headers = 60
	}
	return ipHeader{p.Src, p.TTL, protoTCP}, synHeader{uint16(p.MTU - headers)}
}
