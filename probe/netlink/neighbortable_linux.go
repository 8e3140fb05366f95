package netlink

import (
	"context"
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// NeighborTable is the kernel's table of one family's neighbors, ARP's or NDP's. All
// network namespaces share it.
type NeighborTable struct {
	Limit   int    // entries, above which a new neighbor is refused (gc_thresh3)
	Entries int    // of all namespaces, those that the limit does not count included
	Fulls   uint64 // how often a neighbor was refused since the kernel started
}

// The attributes of a table, and where their structs have what is read of them
// (linux/neighbour.h: enum NDTA_*, struct ndt_config, struct ndt_stats).
const (
	ndtaThresh3 = 4
	ndtaConfig  = 5
	ndtaStats   = 7

	ndtMsgSize      = 4
	ndtEntriesAt    = 4
	ndtTableFullsAt = 10 * 8 // since Linux 4.3
)

// LookupNeighborTable is the table of IPv4, or of IPv6 (RTM_GETNEIGHTBL).
func LookupNeighborTable(ctx context.Context, ipv6 bool) (NeighborTable, error) {
	// The kernel has only a dump, which begins with the table and goes on with the
	// parameters of each interface.
	r := NewRequest(unix.RTM_GETNEIGHTBL, []byte{neighborFamily(ipv6), 0, 0, 0})
	all, err := list(ctx, r, unix.RTM_NEWNEIGHTBL, func(b []byte) (NeighborTable, bool) {
		t, ok := parseNeighborTable(b)
		return t, ok && b[0] == neighborFamily(ipv6)
	})
	switch {
	case len(all) > 0: // an interface that came or went meanwhile changes nothing
		return all[0], nil
	case err == nil:
		err = fmt.Errorf("%w: the table of neighbors is missing", ErrMalformed)
	}
	return NeighborTable{}, err
}

// parseNeighborTable reads struct ndtmsg and its attributes; false for the parameters of an
// interface.
func parseNeighborTable(b []byte) (NeighborTable, bool) {
	if len(b) < ndtMsgSize {
		return NeighborTable{}, false
	}
	attrs := b[ndtMsgSize:]
	limit, config := Attribute(attrs, ndtaThresh3), Attribute(attrs, ndtaConfig)
	if len(limit) < 4 || len(config) < ndtEntriesAt+4 {
		return NeighborTable{}, false
	}
	t := NeighborTable{Limit: int(word(limit)), Entries: int(word(config[ndtEntriesAt:]))}
	if stats := Attribute(attrs, ndtaStats); len(stats) >= ndtTableFullsAt+8 {
		t.Fulls = binary.NativeEndian.Uint64(stats[ndtTableFullsAt:])
	}
	return t, true
}

// AllNeighbors lists the entries of all interfaces of this network namespace, of one family.
func AllNeighbors(ctx context.Context, ipv6 bool) ([]Neighbor, error) {
	r := NewRequest(unix.RTM_GETNEIGH, neighborHeader(neighborFamily(ipv6), 0))
	return list(ctx, r, unix.RTM_NEWNEIGH, func(b []byte) (Neighbor, bool) {
		n, ok := parseNeighbor(b)
		return n, ok && n.Addr.Is6() == ipv6
	})
}

func neighborFamily(ipv6 bool) uint8 {
	if ipv6 {
		return unix.AF_INET6
	}
	return unix.AF_INET
}
