package local

import (
	"context"
	"net/netip"
	"slices"

	"onmux/probe"
)

// passOn finds who listens where the proxies that took connections pass them on
// to, in this network namespace or, where the address is not its own, in another.
// The error is the context's.
func (v *view) passOn(ctx context.Context, o owners) error {
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
	var held []socket
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
	of, err := askOwners(ctx, held)
	if err != nil {
		return err
	}
	for a, i := range found {
		a.onward = &Behind{Address: targets[a].String(), NetNS: places[i].name}
		for _, s := range taking(places[i], targets[a]) {
			if a.onward.Owners = of.of[s.holder]; len(a.onward.Owners) > 0 {
				break
			}
		}
	}
	return nil
}

// listeners is what listens on some TCP ports, in this namespace first.
func listeners(ctx context.Context, ports []uint16) ([]space, error) {
	q := Query{ports: map[probe.Proto][]uint16{probe.TCP: ports}, v4: true, v6: true}
	home := space{name: host, addrs: loopbacks(ownAddrs()), held: make(map[probe.Port][]socket)}
	_ = eachTCP(ctx, 0, ListenStates, func(s socket) { // what cannot be read is not told
		if slices.Contains(ports, s.local.Port()) && len(home.held[s.at()]) < maxHolders {
			home.held[s.at()] = append(home.held[s.at()], s)
		}
	})
	others, err := lookAbroad(ctx, q, true)
	return append([]space{home}, others.spaces...), err
}

// loopbacks adds to a namespace's addresses those of 127.0.0.0/8 that proxies
// name, if it has the first.
func loopbacks(addrs []netip.Addr) []netip.Addr {
	return append(addrs, netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback())
}

// taking is the sockets that take connections to an address. Loopback is
// somewhere else in every namespace.
func taking(s space, to netip.AddrPort) (all []socket) {
	if to.Addr().IsLoopback() && s.name != host {
		return nil
	}
	for _, one := range s.held[probe.Port{Number: to.Port(), Proto: probe.TCP}] {
		if takes(one, to, s.addrs) && (s.name != host || slices.Contains(s.addrs, to.Addr()) || to.Addr().IsLoopback()) {
			all = append(all, one)
		}
	}
	return all
}
