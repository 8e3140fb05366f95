package compare_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"onmux/probe"
	. "onmux/report/reporttest"
	"onmux/scan"
)

// zoned is a scan in which each zone finds the same four addresses in a state.
func zoned(states map[string]probe.State) Stream {
	s := Stream{Started: Starts("scan"), Ended: Ends(4*uint64(len(states)), nil)}
	first := netip.MustParseAddr("10.0.0.4")
	for zone, state := range states {
		s.Findings = append(s.Findings, scan.Range{First: first, Last: netip.MustParseAddr("10.0.0.7"), Count: 4, Port: 417,
			Proto: probe.TCP, State: state, Reason: probe.Reset, Zone: zone})
		s.Ended.Summary.Zones = append(s.Ended.Summary.Zones, scan.Summary{Zone: zone, Targets: 4})
	}
	return s
}

// TestZones: a zone is compared with itself, and a change names it.
func TestZones(t *testing.T) {
	t.Parallel()
	old := zoned(map[string]probe.State{"a": probe.Closed, "b": probe.Closed, "gone": probe.Closed})
	for name, tt := range map[string]struct {
		now  map[string]probe.State
		want []string
	}{
		"the same": {map[string]probe.State{"a": probe.Closed, "b": probe.Closed}, nil},
		"one": {
			map[string]probe.State{"a": probe.Closed, "b": probe.Open},
			[]string{"10.0.0.4-10.0.0.7 port 417/tcp from b appeared (4)"},
		},
		"both": {
			map[string]probe.State{"a": probe.Open, "b": probe.Open},
			[]string{
				"10.0.0.4-10.0.0.7 port 417/tcp from a appeared (4)", "10.0.0.4-10.0.0.7 port 417/tcp from b appeared (4)",
			},
		},
	} {
		changes, end := diff(t, old, zoned(tt.now))
		var got []string
		for _, c := range changes {
			got = append(got, fmt.Sprintf("%s %s (%d)", c.Place(), c.What, c.Count))
		}
		if !slices.Equal(got, tt.want) || end.Summary.Targets != 8 {
			t.Errorf("%s: %q, of %d compared; want %q", name, got, end.Summary.Targets, tt.want)
		}
	}
}
