package local

import (
	"context"

	"onmux/probe"
	"onmux/probe/local/nat"
	"onmux/probe/local/netns"
	"onmux/probe/local/ruleset"
	"onmux/probe/local/socket"
)

// look reads what there is on this machine. The error is the context's.
func look(ctx context.Context, q query) (view, error) {
	v, err := lookAt(ctx, q, socket.NewDiag(), socket.ProcNet{Dir: "/proc/thread-self/net"})
	if err == nil && !v.settled {
		v.others, err = netns.Look(ctx, q.Query, false)
	}
	return v, err
}

// lookAt is look at a choice of places, of which diag may be nil, without other
// network namespaces.
func lookAt(ctx context.Context, q query, diag *socket.Diag, files socket.ProcNet) (view, error) {
	survey, err := socket.ReadFrom(ctx, q.Query, diag, files)
	if err != nil {
		return view{}, err
	}
	v := view{Survey: survey, netns: netns.Host}
	if v.settled = q.settles(v.Table); v.settled {
		return v, ctx.Err()
	}
	rules := ruleset.Query{IPv4: q.IPv4, IPv6: q.IPv6, Own: socket.OwnAddrs}
	for _, p := range probe.Protos() {
		if len(q.Ports[p]) > 0 {
			rules.Protos = append(rules.Protos, p)
		}
	}
	if v.rules, err = ruleset.Read(ctx, rules); err != nil {
		return v, err
	}
	v.nat = nat.Collect(v.rules.Translations, q.Ports)
	return v, nil
}
