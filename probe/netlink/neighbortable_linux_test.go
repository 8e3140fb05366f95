package netlink

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The tables of both families are there, with the limits that the kernel has.
func TestLookupNeighborTable(t *testing.T) {
	for _, ipv6 := range []bool{false, true} {
		table, err := LookupNeighborTable(t.Context(), ipv6)
		if err != nil || table.Limit <= 0 || table.Entries < 0 || table.Entries > 1<<24 {
			t.Errorf("IPv6 %t: %+v, %v", ipv6, table, err)
		}
		if _, err := AllNeighbors(t.Context(), ipv6); err != nil {
			t.Errorf("IPv6 %t: %v", ipv6, err)
		}
	}
}

func TestParseNeighborTable(t *testing.T) {
	word := func(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }
	config := slices.Concat(word(0), word(77), make([]byte, 24))
	stats := append(make([]byte, 80), binary.NativeEndian.AppendUint64(nil, 5)...)
	header := []byte{unix.AF_INET, 0, 0, 0}
	limit := attr(ndtaThresh3, word(1024)...)
	table := slices.Concat(header, limit, attr(ndtaConfig, config...))
	for name, c := range map[string]struct {
		in   []byte
		want NeighborTable
		ok   bool
	}{
		"whole":            {slices.Concat(table, attr(ndtaStats, stats...)), NeighborTable{1024, 77, 5}, true},
		"an old kernel's":  {slices.Concat(table, attr(ndtaStats, stats[:80]...)), NeighborTable{1024, 77, 0}, true},
		"of an interface":  {slices.Concat(header, attr(6, 1, 2, 3, 4)), NeighborTable{}, false},
		"a short config":   {slices.Concat(header, limit, attr(ndtaConfig, config[:6]...)), NeighborTable{}, false},
		"without a header": {header[:3], NeighborTable{}, false},
	} {
		if got, ok := parseNeighborTable(c.in); got != c.want || ok != c.ok {
			t.Errorf("%s: %+v, %t", name, got, ok)
		}
	}
}

// What the kernel may remove for others follows from neigh_forced_gc.
func TestRemovable(t *testing.T) {
	const old, recent = 6 * time.Second, 4 * time.Second
	for name, c := range map[string]struct {
		n    Neighbor
		want bool
	}{
		"failed":                    {Neighbor{State: unix.NUD_FAILED, Updated: recent}, true},
		"failed and in use":         {Neighbor{State: unix.NUD_FAILED, References: 1, Updated: old}, false},
		"stale":                     {Neighbor{State: unix.NUD_STALE, Updated: old}, true},
		"stale for a moment":        {Neighbor{State: unix.NUD_STALE, Updated: recent}, false},
		"reachable, with its timer": {Neighbor{State: unix.NUD_REACHABLE, References: 1, Updated: old}, false},
		"permanent: not counted":    {Neighbor{State: unix.NUD_PERMANENT, References: 1, Updated: recent}, true},
		"needs no resolution":       {Neighbor{State: unix.NUD_NOARP, Updated: recent}, true},
	} {
		if got := c.n.Removable(); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
