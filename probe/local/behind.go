package local

import (
	"context"
	"net/netip"
	"strings"

	"onmux/probe"
	"onmux/probe/local/nat"
	"onmux/probe/local/owner"
	"onmux/probe/local/ruleset"
	"onmux/probe/local/socket"
	"onmux/probe/local/trace"
)

// maxBehind bounds to how many endpoints it is looked up who listens there.
const maxBehind = 1024

// findBehind finds who listens where proxies, such as Docker's for a published port,
// and rules pass on to: mostly containers. The error is the context's.
func (v view) findBehind(
	ctx context.Context, asked []probe.Port, held []socket.Socket, o owner.Owners,
) (map[probe.Endpoint]*owner.Behind, error) {
	wanted := make(map[probe.Endpoint]bool)
	var at []probe.Endpoint
	add := func(to probe.Endpoint) {
		if to.Port != 0 && !wanted[to] && len(at) < maxBehind {
			wanted[to] = true
			at = append(at, to)
		}
	}
	for _, p := range asked {
		for _, r := range v.redirects(p) {
			add(redirectedTo(r, p))
		}
	}
	for _, s := range held {
		for _, one := range o.Of[s.Holder] {
			add(passedTo(one.ProxyTarget(s.Port()), s.Proto))
		}
	}
	return trace.Listeners(ctx, at, o.Unmask)
}

// redirectedTo is where a redirect of a port sends packets; port 0 if that is not one
// endpoint.
func redirectedTo(r nat.Redirect, p probe.Port) probe.Endpoint {
	t := r.Target
	to := probe.Endpoint{Addr: t.Addr.Unmap(), Proto: p.Proto}
	switch {
	case t.AddrComputed:
	case t.Port == ruleset.SamePort:
		to.Port = p.Number
	case t.Port == ruleset.KnownPort && t.Ports.First == t.Ports.Last:
		to.Port = t.Ports.First
	}
	return to
}

// passedTo is where a proxy passes a port on to; port 0 if that is not an address.
func passedTo(t owner.ProxyTarget, proto probe.Proto) probe.Endpoint {
	at := t.Address
	if port, is := strings.CutPrefix(at, "localhost:"); is {
		at = "127.0.0.1:" + port
	}
	to, err := netip.ParseAddrPort(at)
	if err != nil {
		return probe.Endpoint{}
	}
	return probe.Endpoint{Addr: to.Addr().Unmap(), Port: to.Port(), Proto: proto}
}

// behindRedirects is the redirects of a port with who listens behind them.
func (v view) behindRedirects(p probe.Port) []nat.Redirect {
	all := v.redirects(p)
	for i, r := range all {
		all[i].Behind = v.behind[redirectedTo(r, p)]
	}
	return all
}

// setBehind sets who listens behind the proxies among listeners.
func (v view) setBehind(all []Listener) {
	for i, l := range all {
		if l.Proxy.Address != "" {
			all[i].Behind = v.behind[passedTo(l.Proxy, l.Proto)]
		}
	}
}
