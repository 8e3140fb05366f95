package packet

import (
	"fmt"

	"onmux/probe"
)

// Builder writes the probes that leave along one Path: a TCP SYN with the
// options of a mainstream system (Linux), or a UDP datagram with the payload of
// its port. It is read-only, and may be shared by goroutines.
type Builder struct {
	path    Path
	cookies *Cookies
}

// NewBuilder prepares the packets for the ports of a scan. Of several payloads
// that a UDP port has (probe.Payloads), try n carries the n-th, and begins anew
// after the last.
func NewBuilder(p Path, c *Cookies, ports []probe.Port) (*Builder, error) {
	return nil, fmt.Errorf("not written yet")
}

// MaxLen is the length in bytes of the longest frame that Put writes.
func (b *Builder) MaxLen() int { return 0 }

// Put writes the frame that asks e for the try-th time (1 …) into buf, which
// must hold MaxLen bytes, and returns its length. It goes to the next hop "to",
// which matters on Ethernet only. clock becomes the TCP timestamp, which a
// SYN-ACK returns as Reply.Echo: in milliseconds, say, since a random start, or
// in microseconds.
//
// It returns 0, and has written nothing of use, if e is not of the Path's
// family or not on a port given to NewBuilder, or if try is not 1 … Ports.Tries.
// It does not allocate.
func (b *Builder) Put(buf []byte, e probe.Endpoint, try int, to MAC, clock uint32) int { return 0 }
