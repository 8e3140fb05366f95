package local

import (
	"net"
	"net/netip"
	"slices"
)

// ownAddrs is the addresses of the calling thread's network namespace.
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
