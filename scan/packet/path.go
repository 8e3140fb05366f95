package packet

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// Framing is the header before IP in the frames of an interface.
type Framing uint8

// The framings.
const (
	Ethernet Framing = iota // 14 bytes, 18 with an 802.1Q tag
	RawIP                   // nothing: tun, WireGuard, PPP, or a packet socket of type SOCK_DGRAM
)

func (f Framing) String() string {
	if f == RawIP {
		return "raw IP"
	}
	return "Ethernet"
}

// MAC is an Ethernet address.
type MAC [6]byte

// broadcast reaches all stations on an Ethernet.
var broadcast = MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

func (m MAC) String() string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5])
}

// unicast reports whether m can be one station's address.
func (m MAC) unicast() bool { return m[0]&1 == 0 && m != MAC{} }

// Path is how packets are sent: an interface and one source address on it. Its
// family is that of everything that is sent along it.
type Path struct {
	Framing Framing
	MAC     MAC        // of the interface; Ethernet only
	VLAN    uint16     // 802.1Q identifier, 1 … 4094; 0 for no tag; Ethernet only
	Src     netip.Addr // source address; a zone is dropped
	TTL     uint8      // or hop limit; 0 means 64
	MTU     int        // in bytes, of the IP packet; 0 means 1500; the MSS follows from it
}

// maxLinkLen is the length of the longest header before IP: Ethernet and one tag.
const maxLinkLen = 18

// check sets defaults and reports what is invalid.
func (p Path) check() (Path, error) {
	p.Src = p.Src.Unmap().WithZone("")
	if p.TTL == 0 {
		p.TTL = 64
	}
	if p.MTU == 0 {
		p.MTU = 1500
	}
	least := 68 // RFC 791: what every network carries
	if p.Src.Is6() {
		least = 1280 // RFC 8200, section 5
	}
	switch {
	case p.Framing > RawIP:
		return p, fmt.Errorf("framing %d is unknown: use Ethernet or RawIP", p.Framing)
	case !p.Src.IsValid() || p.Src.IsMulticast() || p.Src.IsUnspecified():
		return p, fmt.Errorf("%s cannot be a source address: use one of the interface's own", p.Src)
	case p.VLAN > 4094 || p.VLAN != 0 && p.Framing != Ethernet:
		return p, fmt.Errorf("a tag for VLAN %d cannot be set with %s framing: use 1 to 4094, on Ethernet", p.VLAN, p.Framing)
	case p.Framing == Ethernet && p.MAC[0]&1 != 0:
		return p, fmt.Errorf("%s cannot be a source: it is a group's address", p.MAC)
	case p.MTU < least || p.MTU > 65535:
		return p, fmt.Errorf("an MTU of %d bytes is out of range: use %d to 65535", p.MTU, least)
	}
	return p, nil
}

// linkLen is the length of the header before IP.
func (p Path) linkLen() int {
	switch {
	case p.Framing != Ethernet:
		return 0
	case p.VLAN != 0:
		return 18
	}
	return 14
}

// putEthernet writes the Ethernet header and returns what follows it.
func (p *Path) putEthernet(buf []byte, to MAC, kind uint16) (body []byte, n int) {
	copy(buf, to[:])
	copy(buf[6:], p.MAC[:])
	n = p.linkLen()
	if p.VLAN != 0 {
		binary.BigEndian.PutUint16(buf[12:], etherTag)
		binary.BigEndian.PutUint16(buf[14:], p.VLAN)
	}
	binary.BigEndian.PutUint16(buf[n-2:], kind)
	return buf[n:], n
}
