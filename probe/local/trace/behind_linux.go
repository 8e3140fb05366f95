package trace

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"onmux/probe"
	"onmux/probe/local/netns"
	"onmux/probe/local/owner"
	"onmux/probe/local/socket"
)

// FindBehind finds who listens where the proxies that took connections pass them on
// to. The error is the context's.
func (r Result) FindBehind(ctx context.Context, o owner.Owners) error {
	targets := make(map[*Attempt]probe.Endpoint)
	for _, attempts := range r.Attempts {
		for _, a := range attempts {
			if to := a.proxyTarget(o); to.IsValid() {
				targets[a] = probe.Endpoint{Addr: to.Addr(), Port: to.Port(), Proto: probe.TCP}
			}
		}
	}
	found, err := Listeners(ctx, slices.Collect(maps.Values(targets)), o.Unmask)
	for a, to := range targets {
		a.Behind = found[to]
	}
	return err
}

// Listeners finds who listens at some endpoints, in this network namespace or, where
// an address is not its own, in another. An address that is not valid is any of this
// machine's. The error is the context's.
func Listeners(
	ctx context.Context, at []probe.Endpoint, unmask bool,
) (map[probe.Endpoint]*owner.Behind, error) {
	if len(at) == 0 {
		return nil, ctx.Err()
	}
	spaces, err := listenersEverywhere(ctx, at)
	if err != nil {
		return nil, err
	}
	found := make(map[probe.Endpoint]*owner.Behind)
	sockets := make(map[probe.Endpoint][]socket.Socket)
	var held []socket.Socket
	for _, to := range at {
		for _, n := range spaces {
			if s := taking(n, to); len(s) > 0 {
				found[to] = &owner.Behind{Address: to.AddrPort().String(), NetNS: n.Name}
				if !to.Addr.IsValid() {
					found[to].Address = s[0].Local.String()
				}
				sockets[to] = s
				held = append(held, s...)
				break
			}
		}
	}
	of, err := owner.Find(ctx, held, unmask)
	if err != nil {
		return nil, err
	}
	for to, b := range found {
		for _, s := range sockets[to] {
			if b.Owners = of.Of[s.Holder]; len(b.Owners) > 0 {
				break
			}
		}
	}
	return found, nil
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

// listenersEverywhere is what listens on the ports of some endpoints, in this namespace
// first. What cannot be read is left out.
func listenersEverywhere(ctx context.Context, at []probe.Endpoint) ([]netns.Namespace, error) {
	own := netns.Namespace{Name: netns.Host, Held: make(map[probe.Port][]socket.Socket)}
	own.Addrs = append(socket.OwnAddrs(), netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback())
	q := socket.Query{Ports: make(map[probe.Proto][]uint16), IPv4: true, IPv6: true}
	elsewhere := false
	for _, to := range at {
		q.Ports[to.Proto] = append(q.Ports[to.Proto], to.Port)
		elsewhere = elsewhere || to.Addr.IsValid() && !slices.Contains(own.Addrs, to.Addr)
	}
	for proto, ports := range q.Ports {
		slices.Sort(ports)
		q.Ports[proto] = slices.Compact(ports)
		_ = socket.EachHeld(ctx, proto, func(s socket.Socket) {
			if slices.Contains(q.Ports[proto], s.Local.Port()) && len(own.Held[s.Port()]) < socket.MaxHolders {
				own.Held[s.Port()] = append(own.Held[s.Port()], s)
			}
		})
	}
	if !elsewhere {
		return []netns.Namespace{own}, ctx.Err()
	}
	others, err := netns.Look(ctx, q, true)
	return append([]netns.Namespace{own}, others.Namespaces...), err
}

// taking is the sockets of a namespace that take connections to an address. Loopback
// is somewhere else in every namespace.
func taking(n netns.Namespace, to probe.Endpoint) (all []socket.Socket) {
	here := n.Name == netns.Host
	anyOwn, loopback := !to.Addr.IsValid(), to.Addr.IsLoopback()
	if (loopback || anyOwn) && !here {
		return nil
	}
	for _, s := range n.Held[probe.Port{Number: to.Port, Proto: to.Proto}] {
		own := !here || slices.Contains(n.Addrs, to.Addr) || loopback
		if anyOwn && s.State == socket.Listening || own && takes(s, to.AddrPort(), n.Addrs) {
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
