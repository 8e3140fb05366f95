package netlink

import (
	"context"
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Link is a network interface.
type Link struct {
	Index        int
	Name         string
	Type         uint16 // of its hardware: unix.ARPHRD_ETHER and the like
	Flags        uint32 // unix.IFF_UP and the like
	MTU          int
	HardwareAddr []byte
}

// Links lists the interfaces.
func Links(ctx context.Context) ([]Link, error) {
	return list(
		ctx,
		NewRequest(unix.RTM_GETLINK, nl.NewIfInfomsg(unix.AF_UNSPEC).Serialize()),
		unix.RTM_NEWLINK,
		parseLink,
	)
}

// LookupLink is the interface of an index. The error is ENODEV if there is none.
func LookupLink(ctx context.Context, index int) (Link, error) {
	header := nl.NewIfInfomsg(unix.AF_UNSPEC)
	header.Index = int32(index)
	return get(ctx, NewRequest(unix.RTM_GETLINK, header.Serialize()), unix.RTM_NEWLINK, parseLink)
}

// parseLink reads struct ifinfomsg and its attributes (linux/if_link.h).
func parseLink(b []byte) (Link, bool) {
	if len(b) < unix.SizeofIfInfomsg {
		return Link{}, false
	}
	l := Link{
		Type:  binary.NativeEndian.Uint16(b[2:]),
		Index: int(int32(word(b[4:]))),
		Flags: word(b[8:]),
	}
	for kind, value := range Attributes(b[unix.SizeofIfInfomsg:]) {
		switch kind {
		case unix.IFLA_IFNAME:
			l.Name = Text(value)
		case unix.IFLA_MTU:
			l.MTU = int(word(value))
		case unix.IFLA_ADDRESS:
			l.HardwareAddr = slices.Clone(value)
		}
	}
	return l, true
}

// Address is an address of an interface.
type Address struct {
	Addr      netip.Addr
	Interface int
	Flags     uint32 // unix.IFA_F_TENTATIVE and the like
}

// Addresses lists those of all interfaces.
func Addresses(ctx context.Context) ([]Address, error) {
	header := nl.NewIfAddrmsg(unix.AF_UNSPEC)
	return list(ctx, NewRequest(unix.RTM_GETADDR, header.Serialize()), unix.RTM_NEWADDR, parseAddress)
}

// parseAddress reads struct ifaddrmsg and its attributes (linux/if_addr.h). Of a
// point-to-point interface IFA_ADDRESS is the other end.
func parseAddress(b []byte) (Address, bool) {
	if len(b) < unix.SizeofIfAddrmsg {
		return Address{}, false
	}
	a := Address{Flags: uint32(b[2]), Interface: int(int32(word(b[4:])))}
	attrs := b[unix.SizeofIfAddrmsg:]
	if flags := Attribute(attrs, unix.IFA_FLAGS); flags != nil {
		a.Flags = word(flags)
	}
	if a.Addr = addr(Attribute(attrs, unix.IFA_LOCAL)); !a.Addr.IsValid() {
		a.Addr = addr(Attribute(attrs, unix.IFA_ADDRESS))
	}
	return a, a.Addr.IsValid()
}
