package trace

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"onmux/probe"
	"onmux/probe/local/netns"
	"onmux/probe/local/owner"
	"onmux/probe/local/socket"
)

// FindBehind finds who listens where the proxies that took connections pass them on
// to, in this network namespace or, where the address is not its own, in another.
// The error is the context's.
func (r Result) FindBehind(ctx context.Context, o owner.Owners) error {
	targets := make(map[*Attempt]netip.AddrPort)
	var ports []uint16
	for _, attempts := range r.Attempts {
		for _, a := range attempts {
			if to := a.proxyTarget(o); to.IsValid() {
				targets[a] = to
				ports = append(ports, to.Port())
			}
		}
	}
	if len(targets) == 0 {
		return ctx.Err()
	}
	slices.Sort(ports)
	spaces, err := listenersEverywhere(ctx, slices.Compact(ports))
	if err != nil {
		return err
	}
	var held []socket.Socket
	for a, to := range targets {
		i := slices.IndexFunc(spaces, func(n netns.Namespace) bool { return len(taking(n, to)) > 0 })
		if i >= 0 {
			a.Behind = &Behind{Address: to.String(), NetNS: spaces[i].Name}
			held = append(held, taking(spaces[i], to)...)
		}
	}
	of, err := owner.Find(ctx, held, o.Unmask)
	if err != nil {
		return err
	}
	for a, to := range targets {
		if a.Behind == nil {
			continue
		}
		i := slices.IndexFunc(spaces, func(n netns.Namespace) bool { return n.Name == a.Behind.NetNS })
		for _, s := range taking(spaces[i], to) {
			if a.Behind.Owners = of.Of[s.Holder]; len(a.Behind.Owners) > 0 {
				break
			}
		}
	}
	return nil
}

// proxyTarget is where a proxy that took the connection passes it on to; not valid
// if there is none, or none that is an address.
func (a *Attempt) proxyTarget(o owner.Owners) netip.AddrPort {
	owners, _ := a.Owners(o)
	for _, one := range owners {
		to := one.ProxyTarget(a.End.Port()).Address
		if port, is := strings.CutPrefix(to, "localhost:"); is {
			to = "127.0.0.1:" + port
		}
		if at, err := netip.ParseAddrPort(to); err == nil && a.End.Local.IsValid() {
			return netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
		}
	}
	return netip.AddrPort{}
}

// listenersEverywhere is what listens on some TCP ports, in this namespace first.
// What cannot be read is left out.
func listenersEverywhere(ctx context.Context, ports []uint16) ([]netns.Namespace, error) {
	own := netns.Namespace{Name: netns.Host, Held: make(map[probe.Port][]socket.Socket)}
	own.Addrs = append(socket.OwnAddrs(), netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback())
	_ = socket.EachTCP(ctx, 0, socket.ListenStates, func(s socket.Socket) {
		if slices.Contains(ports, s.Local.Port()) && len(own.Held[s.Port()]) < socket.MaxHolders {
			own.Held[s.Port()] = append(own.Held[s.Port()], s)
		}
	})
	q := socket.Query{Ports: map[probe.Proto][]uint16{probe.TCP: ports}, IPv4: true, IPv6: true}
	others, err := netns.Look(ctx, q, true)
	return append([]netns.Namespace{own}, others.Namespaces...), err
}

// taking is the sockets of a namespace that take connections to an address. Loopback
// is somewhere else in every namespace.
func taking(n netns.Namespace, to netip.AddrPort) (all []socket.Socket) {
	loopback := to.Addr().IsLoopback()
	if loopback && n.Name != netns.Host {
		return nil
	}
	for _, s := range n.Held[probe.Port{Number: to.Port(), Proto: probe.TCP}] {
		own := n.Name != netns.Host || slices.Contains(n.Addrs, to.Addr()) || loopback
		if own && takes(s, to, n.Addrs) {
			all = append(all, s)
		}
	}
	return all
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
	return slices.Contains(addrs, to.Addr())
}
