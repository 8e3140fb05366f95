package local

import (
	"fmt"
	"net/netip"
	"slices"

	"onmux/probe"
	"onmux/probe/local/socket"
)

// aims is where to connect to, to see who answers a port: where sockets listen,
// or loopback if none does. Own is the addresses of this machine: to no other is
// anything sent.
func aims(q socket.Query, p probe.Port, listeners []socket.Socket, own []netip.Addr) []attempt {
	var aims []attempt
	add := func(a netip.Addr, heard bool, err error) {
		known := slices.ContainsFunc(aims, func(b attempt) bool { return b.to.Addr() == a })
		if !known && len(aims) < maxAddresses && (a.Is4() && q.IPv4 || a.Is6() && q.IPv6) {
			aims = append(aims, attempt{port: p, to: netip.AddrPortFrom(a, p.Number), heard: heard, err: err})
		}
	}
	lo4, lo6 := netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()
	for _, s := range listeners {
		var err error
		a := s.Local.Addr()
		if s.Device != "" && s.Device != "lo" {
			err = fmt.Errorf("it listens on device %s only", printable(s.Device))
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
			add(a, true, fmt.Errorf("it is no address of this machine"))
		}
	}
	if len(listeners) == 0 {
		add(lo4, false, nil)
		if slices.Contains(own, lo6) {
			add(lo6, false, nil)
		}
	}
	return aims
}

// listenersOf is the sockets that listen on a port, by address.
func listenersOf(t *socket.Usage) []socket.Socket {
	if t == nil {
		return nil
	}
	return slices.SortedStableFunc(slices.Values(t.Sockets[socket.Listening]), func(a, b socket.Socket) int { return a.Local.Compare(b.Local) })
}
