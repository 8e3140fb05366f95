package socket

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"onmux/probe/netlink"
)

// nameDevices gives devices their names, and link-local addresses their zones.
func (t Table) nameDevices() {
	seen := make(map[uint32]Device)
	for _, u := range t {
		for _, sockets := range u.Sockets {
			for i := range sockets {
				if index := sockets[i].Device.index; index != 0 {
					sockets[i].setDevice(deviceByIndex(index, seen))
				}
			}
		}
	}
}

func deviceByIndex(index uint32, seen map[uint32]Device) Device {
	d, ok := seen[index]
	if !ok {
		d = Device{Name: strconv.FormatUint(uint64(index), 10), index: index}
		if i, err := net.InterfaceByIndex(int(index)); err == nil {
			d.Name, d.Loopback = i.Name, i.Flags&net.FlagLoopback != 0
		}
		seen[index] = d
	}
	return d
}

// setDevice sets the device that the socket is bound to. A link-local address has
// its name as the zone (RFC 4007), because it means nothing without.
func (s *Socket) setDevice(d Device) {
	if a := s.Local.Addr(); a.Is6() && a.IsLinkLocalUnicast() {
		s.Local = netip.AddrPortFrom(a.WithZone(d.Name), s.Local.Port())
		if p := s.Peer.Addr(); p.Is6() && p.IsLinkLocalUnicast() {
			s.Peer = netip.AddrPortFrom(p.WithZone(d.Name), s.Peer.Port())
		}
		d.Name = ""
	}
	s.Device = d
}

// OwnPrefixes is the prefixes of which this network namespace has every address, beside
// the addresses of its interfaces, by routes of type local.
func OwnPrefixes(ctx context.Context) []netip.Prefix {
	var all []netip.Prefix
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		some, _ := netlink.LocalPrefixes(ctx, family)
		all = append(all, some...)
	}
	return all
}

// OwnAddrs is the addresses of this network namespace.
func OwnAddrs() []netip.Addr {
	var own []netip.Addr
	nets, _ := net.InterfaceAddrs() // without them loopback stands for all
	for _, n := range nets {
		if p, err := netip.ParsePrefix(n.String()); err == nil && !slices.Contains(own, p.Addr().Unmap()) {
			own = append(own, p.Addr().Unmap())
		}
	}
	if len(own) == 0 {
		own = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
	}
	return own
}
