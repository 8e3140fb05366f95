package local

import (
	"cmp"
	"context"

	"onmux/probe"
	"onmux/probe/local/bpf"
	"onmux/probe/local/ipvs"
	"onmux/probe/local/nat"
	"onmux/probe/local/netns"
	"onmux/probe/local/ruleset"
	"onmux/probe/local/socket"
)

// ownName is Listener.NetNS of the caller's own network namespace.
const ownName = netns.Host

// look reads what there is on this machine. The error is the context's.
func look(ctx context.Context, q query) (view, error) {
	here := func() (view, error) {
		return lookAt(ctx, q, socket.NewDiag(), socket.ProcNet{Dir: "/proc/thread-self/net"})
	}
	if q.words && !q.all { // the others may not be needed
		v, err := here()
		if err == nil && !v.settled {
			v.others, err = netns.Look(ctx, q.Query, false)
		}
		return v, err
	}
	wait := netns.Start(ctx, q.Query, false)
	v, err := here()
	others, ended := wait()
	v.others = others
	return v, cmp.Or(err, ended)
}

// lookAt is look at a choice of places, of which diag may be nil, without other
// network namespaces.
func lookAt(ctx context.Context, q query, diag *socket.Diag, files socket.ProcNet) (view, error) {
	survey, err := socket.ReadFrom(ctx, q.Query, diag, files)
	if err != nil {
		return view{}, err
	}
	v := view{Survey: survey, netns: ownName}
	if v.settled = q.settles(v.Table); v.settled {
		return v, ctx.Err()
	}
	v.ways, err = lookAtWays(ctx, q)
	return v, err
}

// lookAtWays reads what else than sockets decides where packets go.
func lookAtWays(ctx context.Context, q query) (w ways, err error) {
	rules := ruleset.Query{IPv4: q.IPv4, IPv6: q.IPv6, Own: socket.OwnAddrs,
		OwnPrefixes: socket.OwnPrefixes}
	for _, p := range probe.Protos() {
		if len(q.Ports[p]) > 0 {
			rules.Protos = append(rules.Protos, p)
		}
	}
	if w.rules, err = ruleset.Read(ctx, rules); err != nil {
		return w, err
	}
	w.nat = nat.Collect(w.rules.Translations, q.Ports)
	if w.services, w.servicesErr = ipvs.Read("/proc/thread-self/net"); len(w.services) > 0 {
		w.own(socket.OwnAddrs())
	}
	w.programs, err = bpf.Read(ctx, bpf.Query{Ports: q.Ports, IPv4: q.IPv4, IPv6: q.IPv6, Own: socket.OwnAddrs})
	if err != nil || len(w.programs.Steered) == 0 {
		return w, err
	}
	w.steered = make(map[uint64]socket.Socket)
	for _, p := range rules.Protos {
		// Without its socket it is still known that a program chooses one.
		_ = socket.EachHeld(ctx, p, func(s socket.Socket) { w.steered[s.Cookie()] = s })
	}
	return w, ctx.Err()
}
