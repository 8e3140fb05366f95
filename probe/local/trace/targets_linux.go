package trace

import (
	"net/netip"
	"slices"

	"onmux/probe"
	"onmux/probe/local/socket"
)

// maxAddresses bounds the addresses of one port.
const maxAddresses = 4

// targets lists where to connect to, to see who answers a port: where sockets listen,
// or loopback if none does. Own is the addresses of this machine: to no other is
// anything sent.
func targets(q socket.Query, p probe.Port, listeners []socket.Socket, own []netip.Addr) []Attempt {
	var all []Attempt
	add := func(a netip.Addr, listening bool, err error) {
		known := slices.ContainsFunc(all, func(b Attempt) bool { return b.To.Addr() == a })
		if !known && len(all) < maxAddresses && (a.Is4() && q.IPv4 || a.Is6() && q.IPv6) {
			all = append(all, Attempt{Port: p, To: netip.AddrPortFrom(a, p.Number), Listening: listening, Err: err})
		}
	}
	lo4, lo6 := netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()
	for _, s := range listeners {
		var err error
		a := s.Local.Addr()
		if s.Device.Name != "" && s.Device.Name != "lo" {
			err = &DeviceError{s.Device.Name}
		}
		switch {
		case a.IsUnspecified():
			if s.Family != "ipv6" {
				add(lo4, true, err)
			}
			if a.Is6() {
				add(lo6, true, err)
			}
		case a.IsLoopback() || slices.Contains(own, a.WithZone("")):
			add(a, true, err)
		default:
			add(a, true, ErrForeign)
		}
	}
	if len(listeners) == 0 {
		add(lo4, false, nil)
		if slices.Contains(own, lo6) {
			add(lo6, false, nil)
		}
	}
	return all
}

// listening is the sockets that listen on a port, by address.
func listening(u *socket.Usage) []socket.Socket {
	if u == nil {
		return nil
	}
	byAddress := func(a, b socket.Socket) int { return a.Local.Compare(b.Local) }
	return slices.SortedStableFunc(slices.Values(u.Sockets[socket.Listening]), byAddress)
}
