package connect

import (
	"context"

	"onmux/probe/netlink"
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
