package local

import (
	"net/netip"
	"strings"
)

// Behind is the socket to which a proxy passes on what it takes.
type Behind struct {
	Address string  `json:"address"`         // "127.0.0.1:9090", as the proxy's command line says
	NetNS   string  `json:"netns,omitempty"` // "host" for the caller's own
	Owners  []Owner `json:"owners,omitempty"`
}

// String is "nginx (pid 12, root) on 172.17.0.2:80 in network namespace web".
func (b Behind) String() string {
	said := holder(Listener{Owners: b.Owners}) + " on " + b.Address
	if b.NetNS != "" && b.NetNS != host {
		said += " in network namespace " + printable(b.NetNS)
	}
	return said
}

// passes is where a proxy that took the connection passes it on to, if it says
// so by an address.
func (a *attempt) passes(o owners) (netip.AddrPort, bool) {
	own, _ := a.owners(o)
	for _, owner := range own {
		to := served(owner, a.end.at())
		if port, is := strings.CutPrefix(to, "localhost:"); is {
			to = "127.0.0.1:" + port
		}
		if at, err := netip.ParseAddrPort(to); err == nil && a.end.local.IsValid() {
			return netip.AddrPortFrom(at.Addr().Unmap(), at.Port()), true
		}
	}
	return netip.AddrPort{}, false
}

// takes reports whether a listening socket of a namespace with some addresses
// takes connections to an address.
func takes(s socket, to netip.AddrPort, addrs []netip.Addr) bool {
	if s.state != listening || s.local.Port() != to.Port() {
		return false
	}
	a := s.local.Addr()
	if a.WithZone("") == to.Addr() {
		return true
	}
	if !a.IsUnspecified() || to.Addr().Is4() && s.family == "ipv6" || to.Addr().Is6() && a.Is4() {
		return false
	}
	for _, own := range addrs {
		if own == to.Addr() {
			return true
		}
	}
	return false
}
