package local

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
)

// nameDevices gives devices their names, and link-local addresses their zones.
func (c census) nameDevices() {
	known := make(map[uint32]device)
	for _, t := range c {
		for _, told := range t.told {
			for i := range told {
				if told[i].index != 0 {
					d := deviceAt(told[i].index, known)
					told[i].setDevice(d.name)
					told[i].looped = d.looped
				}
			}
		}
	}
}

// device is what is known of a network device.
type device struct {
	name   string // or its number if it is gone
	looped bool   // a loopback one
}

func deviceAt(index uint32, known map[uint32]device) device {
	d, ok := known[index]
	if !ok {
		d.name = strconv.FormatUint(uint64(index), 10)
		if i, err := net.InterfaceByIndex(int(index)); err == nil {
			d = device{i.Name, i.Flags&net.FlagLoopback != 0}
		}
		known[index] = d
	}
	return d
}

// setDevice names the device that the socket is bound to. A link-local address
// carries it as its zone (RFC 4007), because it means nothing without.
func (s *socket) setDevice(name string) {
	if a := s.local.Addr(); a.Is6() && a.IsLinkLocalUnicast() {
		s.local = netip.AddrPortFrom(a.WithZone(name), s.local.Port())
		if p := s.peer.Addr(); p.Is6() && p.IsLinkLocalUnicast() {
			s.peer = netip.AddrPortFrom(p.WithZone(name), s.peer.Port())
		}
		return
	}
	s.device = name
}

// ownAddrs is the addresses of this network namespace.
func ownAddrs() []netip.Addr {
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
