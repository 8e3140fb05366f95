package capture

import "fmt"

// LinkType is how the packets of a capture begin: draft-ietf-opsawg-pcaplinktype.
type LinkType uint32

// The link types that are read.
const (
	LinkNull     LinkType = 0 // of BSD: the address family in the byte order of the machine
	LinkEthernet LinkType = 1
	LinkRawBSD   LinkType = 12
	LinkRawOpen  LinkType = 14
	LinkRaw      LinkType = 101 // IPv4 or IPv6
	LinkLoop     LinkType = 108 // of OpenBSD: the address family in network byte order
	LinkSLL      LinkType = 113 // of Linux, for devices of any kind
	LinkIPv4     LinkType = 228
	LinkIPv6     LinkType = 229
	LinkSLL2     LinkType = 276
)

// names are those of link types that captures often have and that are not read.
var names = map[LinkType]string{
	105: "802.11", 119: "802.11 with Prism", 127: "802.11 with radiotap", 9: "PPP", 50: "PPP", 51: "PPPoE",
	6:  "Token Ring",
	10: "FDDI", 104: "Cisco HDLC", 107: "Frame Relay", 189: "USB", 220: "USB", 187: "Bluetooth", 201: "Bluetooth",
	239: "NFLOG", 253: "Netlink", 192: "PPI", 147: "of a user",
}

// Base is the link type without the length of a checksum at the end of frames, which some
// files have in the upper bits.
func (l LinkType) Base() LinkType { return l & 0xffff }

// IsKnown reports whether the packets are read.
func (l LinkType) IsKnown() bool {
	switch l.Base() {
	case LinkNull, LinkEthernet, LinkRawBSD, LinkRawOpen, LinkRaw, LinkLoop, LinkSLL, LinkIPv4, LinkIPv6, LinkSLL2:
		return true
	}
	return false
}

// String is the number, with the name if it is known.
func (l LinkType) String() string {
	if name, ok := names[l.Base()]; ok {
		return fmt.Sprintf("%d (%s)", l.Base(), name)
	}
	return fmt.Sprint(uint32(l.Base()))
}
