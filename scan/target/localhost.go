package target

import (
	"net"
	"net/netip"
	"strings"
)

// isLocalhost reports whether a name stands for this machine, whatever name servers and hosts
// files have (RFC 6761, section 6.3).
func isLocalhost(host string) bool {
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	return name == "localhost" || strings.HasSuffix(name, ".localhost")
}

// loopback has the addresses of localhost for where nothing else does: ::1 only if this machine
// has it.
func loopback() []netip.Addr {
	found := []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return found
	}
	for _, a := range own {
		if n, ok := a.(*net.IPNet); ok && n.IP.Equal(net.IPv6loopback) {
			return append(found, netip.IPv6Loopback())
		}
	}
	return found
}
