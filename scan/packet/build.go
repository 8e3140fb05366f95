package packet

import (
	"encoding/binary"
	"fmt"

	"onmux/probe"
	"onmux/probe/request"
)

// Builder writes the probes that leave along one Path: a TCP SYN with the
// options of a mainstream system (Linux), or a UDP datagram with the payload of
// its port. It is read-only, and may be shared by goroutines.
type Builder struct {
	cookies *Cookies
	src     []byte // source address, 4 or 16 bytes
	linkLen int    // of the header before IP
	macs    bool
	sets    [][]template                    // the first is empty
	of      [probe.UDP + 1]*[1 << 16]uint16 // which set a port takes
	longest int
}

// NewBuilder prepares the packets for the ports of a scan. Of several payloads
// that a UDP port has (request.Payloads), try n carries the n-th, and starts again
// after the last.
func NewBuilder(p Path, c *Cookies, ports []probe.Port) (*Builder, error) {
	p, err := p.check()
	if err != nil {
		return nil, err
	}
	b := &Builder{
		cookies: c, src: p.Src.AsSlice(), linkLen: p.linkLen(), macs: p.Framing == Ethernet, sets: make([][]template, 1),
	}
	known := make(map[*[]byte]uint16) // UDP's sets by the list of payloads, which many ports share; nil is TCP's
	for _, port := range ports {
		if c.Ports(port.Proto).Count() == 0 {
			return nil, fmt.Errorf("port %s cannot be probed: no source ports were reserved for %s", port, port.Proto)
		}
		key, payloads := (*[]byte)(nil), [][]byte{nil}
		if port.Proto == probe.UDP {
			payloads = request.Payloads(port.Number)
			key = &payloads[0]
		}
		set, ok := known[key]
		if !ok {
			set = uint16(len(b.sets))
			known[key] = set
			made, err := p.templates(port.Proto, payloads)
			if err != nil {
				return nil, err
			}
			b.sets = append(b.sets, made)
			for i := range made {
				b.longest = max(b.longest, len(made[i].frame))
			}
		}
		if b.of[port.Proto] == nil {
			b.of[port.Proto] = new([1 << 16]uint16)
		}
		b.of[port.Proto][port.Number] = set
	}
	return b, nil
}

// MaxLen is the length in bytes of the longest frame that Put writes.
func (b *Builder) MaxLen() int { return b.longest }

// find returns the template for a try at e, or nil.
func (b *Builder) find(e *probe.Endpoint, try int) *template {
	if int(e.Proto) >= len(b.of) || b.of[e.Proto] == nil {
		return nil
	}
	set := b.sets[b.of[e.Proto][e.Port]]
	if len(set) == 0 || try < 1 || try > b.cookies.ports[e.Proto].Tries || e.Addr.BitLen() != len(b.src)*8 {
		return nil
	}
	if len(set) == 1 {
		return &set[0]
	}
	return &set[(b.cookies.ports[e.Proto].payload(try)-1)%len(set)]
}

// Put writes the frame that asks e for the try-th time (1 …) into buf, which
// must hold MaxLen bytes, and returns its length. It goes to the next hop "to",
// which matters on Ethernet only. clock becomes the TCP timestamp, which a
// SYN-ACK returns as Reply.Echo: for example milliseconds since a random start.
//
// It returns 0, and has written nothing, if e is not of the Path's family or
// not on a port given to NewBuilder, if try is not 1 … Ports.Tries, if the probe is
// above the Path's MTU, or if buf is too short. It does not allocate.
func (b *Builder) Put(buf []byte, e probe.Endpoint, try int, to MAC, clock uint32) int {
	e.Addr = e.Addr.Unmap()
	t := b.find(&e, try)
	if t == nil || len(t.frame) == 0 || len(buf) < len(t.frame) {
		return 0
	}
	buf = buf[:len(t.frame)]
	copy(buf, t.frame)
	if b.macs {
		copy(buf, to[:])
	}
	var room [16]byte
	ip, dst := buf[b.linkLen:], room[:]
	var c cookie
	var sum uint64 // of the patched fields that the transport's checksum covers
	if e.Addr.Is4() {
		room4 := e.Addr.As4()
		dst = room[:copy(dst, room4[:])]
		c = b.cookies.of(b.src, dst, e.Port, e.Proto)
		sum = t.patch4(ip, dst, c)
		ip = ip[20:]
	} else {
		room = e.Addr.As16()
		c = b.cookies.of(b.src, dst, e.Port, e.Proto)
		sum = t.patch6(ip, dst, c)
		ip = ip[40:]
	}
	from := b.cookies.ports[e.Proto].source(c, try)
	ends := uint32(from)<<16 | uint32(e.Port)
	binary.BigEndian.PutUint32(ip, ends)
	sum += uint64(ends)
	if e.Proto == probe.TCP {
		t.patchTCP(ip, c, clock, sum)
	} else {
		t.patchUDP(ip, c, sum)
	}
	return len(buf)
}
