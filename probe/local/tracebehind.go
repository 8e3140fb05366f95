package local

import (
	"net/netip"
	"onmux/probe/local/netns"
	"onmux/probe/local/owner"
	"onmux/probe/local/socket"
	"strings"
)

// Behind is the socket to which a proxy passes on what it takes.
type Behind struct {
	Address string        `json:"address"`         // "127.0.0.1:9090", as the proxy's command line says
	NetNS   string        `json:"netns,omitempty"` // "host" for the caller's own
	Owners  []owner.Owner `json:"owners,omitempty"`
}

// String is "nginx (pid 12, root) on 172.17.0.2:80 in network namespace web".
func (b Behind) String() string {
	said := holder(Listener{Owners: b.Owners}) + " on " + b.Address
	if b.NetNS != "" && b.NetNS != netns.Host {
		said += " in network namespace " + printable(b.NetNS)
	}
	return said
}

// passes is where a proxy that took the connection passes it on to, if it says
// so by an address.
func (a *attempt) passes(o owner.Owners) (netip.AddrPort, bool) {
	own, _ := a.owners(o)
	for _, owner := range own {
		to := served(owner, a.end.Port())
		if port, is := strings.CutPrefix(to, "localhost:"); is {
			to = "127.0.0.1:" + port
		}
		if at, err := netip.ParseAddrPort(to); err == nil && a.end.Local.IsValid() {
			return netip.AddrPortFrom(at.Addr().Unmap(), at.Port()), true
		}
	}
	return netip.AddrPort{}, false
}

// takes reports whether a listening socket of a namespace with some addresses
// takes connections to an address.
func takes(s socket.Socket, to netip.AddrPort, addrs []netip.Addr) bool {
	if s.State != socket.Listening || s.Local.Port() != to.Port() {
		return false
	}
	a := s.Local.Addr()
	if a.WithZone("") == to.Addr() {
		return true
	}
	if !a.IsUnspecified() || to.Addr().Is4() && s.Family == "ipv6" || to.Addr().Is6() && a.Is4() {
		return false
	}
	for _, own := range addrs {
		if own == to.Addr() {
			return true
		}
	}
	return false
}
