package local

import (
	"context"
	"net/netip"
	"slices"

	"onmux/probe"
	"onmux/probe/local/netns"
	"onmux/probe/local/owner"
	"onmux/probe/local/socket"
)

// passOn finds who listens where the proxies that took connections pass them on
// to, in this network namespace or, where the address is not its own, in another.
// The error is the context's.
func (v *view) passOn(ctx context.Context, o owner.Owners) error {
	targets := make(map[*attempt]netip.AddrPort)
	var ports []uint16
	for _, attempts := range v.traced.of {
		for _, a := range attempts {
			if to, ok := a.passes(o); ok {
				targets[a] = to
				ports = append(ports, to.Port())
			}
		}
	}
	if len(targets) == 0 {
		return ctx.Err()
	}
	slices.Sort(ports)
	places, err := listeners(ctx, slices.Compact(ports))
	if err != nil {
		return err
	}
	found := make(map[*attempt]int)
	var held []socket.Socket
	for a, to := range targets {
		for i, place := range places {
			sockets := taking(place, to)
			if len(sockets) > 0 {
				found[a] = i
				held = append(held, sockets...)
				break
			}
		}
	}
	of, err := owner.Find(ctx, held)
	if err != nil {
		return err
	}
	for a, i := range found {
		a.onward = &Behind{Address: targets[a].String(), NetNS: places[i].Name}
		for _, s := range taking(places[i], targets[a]) {
			if a.onward.Owners = of.Of[s.Holder]; len(a.onward.Owners) > 0 {
				break
			}
		}
	}
	return nil
}

// listeners is what listens on some TCP ports, in this namespace first.
func listeners(ctx context.Context, ports []uint16) ([]netns.Namespace, error) {
	q := socket.Query{Ports: map[probe.Proto][]uint16{probe.TCP: ports}, IPv4: true, IPv6: true}
	home := netns.Namespace{Name: netns.Host, Addrs: loopbacks(socket.OwnAddrs()), Held: make(map[probe.Port][]socket.Socket)}
	_ = socket.EachTCP(ctx, 0, socket.ListenStates, func(s socket.Socket) { // what cannot be read is not told
		if slices.Contains(ports, s.Local.Port()) && len(home.Held[s.Port()]) < socket.MaxHolders {
			home.Held[s.Port()] = append(home.Held[s.Port()], s)
		}
	})
	others, err := netns.Look(ctx, q, true)
	return append([]netns.Namespace{home}, others.Namespaces...), err
}

// loopbacks adds to a namespace's addresses those of 127.0.0.0/8 that proxies
// name, if it has the first.
func loopbacks(addrs []netip.Addr) []netip.Addr {
	return append(addrs, netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback())
}

// taking is the sockets that take connections to an address. Loopback is
// somewhere else in every namespace.
func taking(s netns.Namespace, to netip.AddrPort) (all []socket.Socket) {
	if to.Addr().IsLoopback() && s.Name != netns.Host {
		return nil
	}
	for _, one := range s.Held[probe.Port{Number: to.Port(), Proto: probe.TCP}] {
		if takes(one, to, s.Addrs) && (s.Name != netns.Host || slices.Contains(s.Addrs, to.Addr()) || to.Addr().IsLoopback()) {
			all = append(all, one)
		}
	}
	return all
}
