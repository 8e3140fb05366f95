package socket

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
)

// nameDevices gives devices their names, and link-local addresses their zones.
func (t Table) nameDevices() {
	seen := make(map[uint32]device)
	for _, u := range t {
		for _, sockets := range u.Sockets {
			for i := range sockets {
				if sockets[i].ifIndex != 0 {
					d := deviceByIndex(sockets[i].ifIndex, seen)
					sockets[i].setDevice(d.name)
					sockets[i].OnLoopback = d.loopback
				}
			}
		}
	}
}

// device is what is known of a network device.
type device struct {
	name     string // or its number if it is gone
	loopback bool   // a loopback one
}

func deviceByIndex(index uint32, seen map[uint32]device) device {
	d, ok := seen[index]
	if !ok {
		d.name = strconv.FormatUint(uint64(index), 10)
		if i, err := net.InterfaceByIndex(int(index)); err == nil {
			d = device{i.Name, i.Flags&net.FlagLoopback != 0}
		}
		seen[index] = d
	}
	return d
}

// setDevice names the device that the socket is bound to. A link-local address
// carries it as its zone (RFC 4007), because it means nothing without.
func (s *Socket) setDevice(name string) {
	if a := s.Local.Addr(); a.Is6() && a.IsLinkLocalUnicast() {
		s.Local = netip.AddrPortFrom(a.WithZone(name), s.Local.Port())
		if p := s.Peer.Addr(); p.Is6() && p.IsLinkLocalUnicast() {
			s.Peer = netip.AddrPortFrom(p.WithZone(name), s.Peer.Port())
		}
		return
	}
	s.Device = name
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
