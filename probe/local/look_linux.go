package local

import (
	"context"

	"onmux/probe/local/nat"
)

// look reads what there is on this machine. The error is the context's.
func look(ctx context.Context, q query) (view, error) {
	v, err := lookAt(ctx, q, NewDiag(), procNet{"/proc/thread-self/net"})
	if err == nil && !v.settled {
		v.abroad, err = lookAbroad(ctx, q.Query, false)
	}
	return v, err
}

// lookAt is look at a choice of places, of which diag may be nil, without other
// network namespaces.
func lookAt(ctx context.Context, q query, diag *sockDiag, files procNet) (view, error) {
	survey, err := ReadFrom(ctx, q.Query, diag, files)
	if err != nil {
		return view{}, err
	}
	v := view{Survey: survey, where: "in this network namespace", netns: host}
	if v.settled = q.settles(v.Table); v.settled {
		return v, ctx.Err()
	}
	v.nat, err = nat.Read(ctx, nat.Query{Ports: q.ports, IPv4: q.v4, IPv6: q.v6, Own: ownAddrs})
	return v, err
}
