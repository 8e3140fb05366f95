package connect

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"

	"onmux/probe/netlink"
	"onmux/scan/engine"
)

// systemTable is the kernel's.
func systemTable() Table { return kernelTable{} }

type kernelTable struct{}

func (kernelTable) Read(ctx context.Context, ipv6 bool) (TableUse, error) {
	t, err := netlink.LookupNeighborTable(ctx, ipv6)
	if err != nil {
		return TableUse{}, err
	}
	all, err := netlink.AllNeighbors(ctx, ipv6)
	if err != nil {
		return TableUse{}, err
	}
	u := TableUse{Limit: t.Limit, Taken: t.Entries}
	for _, n := range all {
		if n.Removable() {
			u.Taken--
		} else {
			u.Addrs = append(u.Addrs, n.Addr)
		}
	}
	u.Taken = max(u.Taken, len(u.Addrs)) // the two were not read at the same moment
	return u, nil
}

func (kernelTable) Refused(ctx context.Context, ipv6 bool) (uint64, error) {
	t, err := netlink.LookupNeighborTable(ctx, ipv6)
	return t.Fulls, err
}

// nextHopState is what the kernel knows of a next hop to which it was given packets. One
// that it does not know answered none of its questions.
func nextHopState(ctx context.Context, a netip.Addr, device uint32) engine.PathState {
	n, err := netlink.LookupNeighbor(ctx, a, device)
	switch {
	case err != nil && errors.Is(err, fs.ErrNotExist):
		return engine.PathDead
	case err != nil || n.Fixed():
		return engine.PathDirect
	case n.Failed():
		return engine.PathDead
	case n.Asked():
		return engine.PathUnclear
	}
	return engine.PathAlive
}
