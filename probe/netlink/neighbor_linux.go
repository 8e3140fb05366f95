package netlink

import (
	"context"
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Neighbor is an entry of the kernel's neighbor table (ARP and NDP).
type Neighbor struct {
	Addr         netip.Addr
	Interface    uint32
	State        uint16 // unix.NUD_REACHABLE and the like
	HardwareAddr []byte
	References   uint32        // to the entry, beside the table's own: its timer's and others
	Updated      time.Duration // ago its state changed
}

// removableAge is how long the kernel keeps an entry at least that changed its state.
const removableAge = 5 * time.Second

// Removable reports whether the entry takes no room from others: the kernel removes it when
// the table is full (neigh_forced_gc in net/core/neighbour.c), or does not count it.
func (n *Neighbor) Removable() bool {
	switch {
	case n.State&unix.NUD_PERMANENT != 0:
		return true
	case n.References > 0:
		return false
	}
	return n.State&(unix.NUD_FAILED|unix.NUD_NOARP) != 0 || n.Updated > removableAge
}

// Fixed reports whether the entry is not found out by ARP or NDP.
func (n *Neighbor) Fixed() bool { return n.State&(unix.NUD_PERMANENT|unix.NUD_NOARP) != 0 }

// Failed reports whether the neighbor answered none of the kernel's questions.
func (n *Neighbor) Failed() bool { return n.State&unix.NUD_FAILED != 0 }

// Asked reports whether the kernel asks the neighbor, or is about to.
func (n *Neighbor) Asked() bool {
	return n.State&(unix.NUD_INCOMPLETE|unix.NUD_DELAY|unix.NUD_PROBE) != 0
}

// clockTick is the unit of times in entries (USER_HZ).
const clockTick = time.Second / 100

// LookupNeighbor is the entry for one address (RTM_GETNEIGH, which answers for one
// since Linux 5.0). The error is ENOENT if there is none.
func LookupNeighbor(ctx context.Context, a netip.Addr, index uint32) (Neighbor, error) {
	a = a.Unmap().WithZone("")
	r := NewRequest(unix.RTM_GETNEIGH, neighborHeader(family(a), index)).Add(unix.NDA_DST, a.AsSlice())
	return get(ctx, r, unix.RTM_NEWNEIGH, parseNeighbor)
}

// Neighbors lists the entries of an interface.
func Neighbors(ctx context.Context, index uint32) ([]Neighbor, error) {
	r := NewRequest(unix.RTM_GETNEIGH, neighborHeader(unix.AF_UNSPEC, index))
	return list(ctx, r, unix.RTM_NEWNEIGH, func(b []byte) (Neighbor, bool) {
		n, ok := parseNeighbor(b)
		return n, ok && n.Interface == index
	})
}

// neighborHeader is struct ndmsg (linux/neighbour.h).
func neighborHeader(family uint8, index uint32) []byte {
	b := binary.NativeEndian.AppendUint32([]byte{family, 0, 0, 0}, index)
	return append(b, 0, 0, 0, 0)
}

// parseNeighbor reads struct ndmsg and its attributes.
func parseNeighbor(b []byte) (Neighbor, bool) {
	if len(b) < unix.SizeofNdMsg {
		return Neighbor{}, false
	}
	n := Neighbor{Interface: word(b[4:]), State: binary.NativeEndian.Uint16(b[8:])}
	for kind, value := range Attributes(b[unix.SizeofNdMsg:]) {
		switch kind {
		case unix.NDA_DST:
			n.Addr = addr(value)
		case unix.NDA_LLADDR:
			n.HardwareAddr = slices.Clone(value)
		case unix.NDA_CACHEINFO: // struct nda_cacheinfo: u32 confirmed, used, updated, refcnt
			if len(value) >= 16 {
				n.Updated = time.Duration(word(value[8:])) * clockTick
				n.References = word(value[12:])
			}
		}
	}
	return n, true
}
