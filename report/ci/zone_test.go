package ci_test

import (
	"net/netip"
	"strings"
	"testing"

	"onmux/probe"
	. "onmux/report/record"
	. "onmux/report/reporttest"
	"onmux/scan"
)

// TestZones: every format names the zone that found what it has of an endpoint.
func TestZones(t *testing.T) {
	t.Parallel()
	at := netip.MustParseAddr("10.0.0.1")
	s := Empty()
	s.Started.Command = "scan"
	for zone, state := range map[string]probe.State{"eu-1": probe.Open, "us-2": probe.Filtered} {
		r := probe.Result{Endpoint: probe.Endpoint{Addr: at, Port: 443, Proto: probe.TCP}, State: state, Tries: 1}
		r.Zone = zone
		s.Findings = append(s.Findings, r)
	}
	s.Findings = append(s.Findings, scan.Range{First: at.Next(), Last: at.Next().Next(), Count: 2, Port: 443,
		Proto: probe.TCP, State: probe.Closed, Zone: "us-2"}, Violation{What: "10.0.0.1:443/tcp from us-2",
		Expected: "open", Actual: "filtered", Address: "10.0.0.1", Port: 443, Proto: "tcp", Zone: "us-2"})
	s.Ended.Complete = true
	s.Ended.Summary = scan.Summary{Targets: 4, States: map[string]uint64{"open": 1, "filtered": 1, "closed": 2},
		Zones: []scan.Summary{{Zone: "eu-1", Targets: 1, States: map[string]uint64{"open": 1}},
			{Zone: "us-2", Targets: 3, States: map[string]uint64{"filtered": 1, "closed": 2}}}}
	for format, want := range map[string][]string{
		"csv":      {",mac,zone", ",eu-1", ",us-2"},
		"markdown": {"| zone | endpoint |", "| eu-1 | 10.0.0.1:443/tcp | open |", "| us-2 | 10.0.0.2 to 10.0.0.3,"},
		"prom": {
			`address="10.0.0.1",port="443",proto="tcp",zone="eu-1",state="open"} 1`,
			`address="10.0.0.1",port="443",proto="tcp",zone="us-2",state="open"} 0`,
			`onmux_targets{command="scan",job="scan",state="closed",zone="us-2"} 2`,
		},
		"junit":  {`name="10.0.0.1:443/tcp from eu-1"`, `name="10.0.0.1:443/tcp from us-2"`},
		"tap":    {"10.0.0.1:443/tcp from eu-1", "not ok", "10.0.0.1:443/tcp from us-2"},
		"github": {"10.0.0.1:443/tcp from us-2"},
		"nagios": {"10.0.0.1:443/tcp from us-2"},
	} {
		text := string(s.Write(t, format))
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s has no %q:\n%s", format, w, text)
			}
		}
	}
}
