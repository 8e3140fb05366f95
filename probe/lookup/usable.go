package lookup

import (
	"net"
	"net/netip"
)

// Usable returns a function that reports whether this machine can use the family of an
// address: it has an address of that family with which it could reach it, loopback's for
// loopback. Where the addresses of this machine cannot be listed, all count as usable.
func Usable() func(netip.Addr) bool {
	own, err := net.InterfaceAddrs()
	if err != nil {
		return func(netip.Addr) bool { return true }
	}
	type kind struct{ v6, loopback bool }
	kindOf := func(a netip.Addr) kind { return kind{a.Is6(), a.IsLoopback()} }
	has := make(map[kind]bool)
	for _, o := range own {
		if n, ok := o.(*net.IPNet); ok {
			if a, ok := netip.AddrFromSlice(n.IP); ok && !a.Unmap().IsLinkLocalUnicast() {
				has[kindOf(a.Unmap())] = true
			}
		}
	}
	return func(a netip.Addr) bool {
		a = a.Unmap()
		return a.IsLinkLocalUnicast() || has[kindOf(a)]
	}
}
