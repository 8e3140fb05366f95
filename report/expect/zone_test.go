package expect_test

import (
	"net/netip"
	"slices"
	"testing"

	"onmux/probe"
	. "onmux/report/expect"
	"onmux/report/record"
	"onmux/scan"
)

// from is an endpoint as a zone finds it.
func from(zone, addr string, s probe.State) probe.Result {
	r := probe.Result{Endpoint: probe.Endpoint{Addr: netip.MustParseAddr(addr), Port: 80, Proto: probe.TCP}, State: s}
	r.Zone = zone
	return r
}

// TestZones: what is expected must hold in every zone, and a violation names the zone.
func TestZones(t *testing.T) {
	t.Parallel()
	both := []record.Finding{
		from("a", "10.0.0.1", probe.Open), from("a", "10.0.0.2", probe.Closed),
		from("b", "10.0.0.1", probe.Open),
		scan.Range{First: netip.MustParseAddr("10.0.0.2"), Last: netip.MustParseAddr("10.0.0.3"), Count: 2, Port: 80,
			Proto: probe.TCP, State: probe.Filtered, Zone: "b"},
	}
	lost := []record.Finding{from("a", "10.0.0.1", probe.Open), from("b", "10.0.0.1", probe.Unknown)}
	for name, tt := range map[string]struct {
		expect   string
		findings []record.Finding
		zones    []scan.Summary
		outcome  record.Outcome
		want     []string // what is violated, and in which zone
	}{
		"a state in each": {
			"open,closed", both, nil, record.Fails, []string{"10.0.0.2-10.0.0.3 port 80/tcp from b (b): filtered"},
		},
		"all states":            {"open,closed,filtered", both, nil, record.Holds, nil},
		"a count that each has": {"open=1", both, nil, record.Holds, nil},
		"a count of all together": {
			"open=2", both, nil, record.Fails, []string{"count from a (a): open=1", "count from b (b): open=1"},
		},
		"a count that one has": {"filtered=0", both, nil, record.Fails, []string{"count from b (b): filtered=2"}},
		"a lost zone":          {"open", lost, nil, record.CannotTell, nil},
		"a lost zone, counted": {"open>=1", lost, nil, record.CannotTell, nil},
		"a lost zone, enough":  {"open<2", lost, nil, record.Holds, nil},
		"a zone without records": {
			"open>=1", both, []scan.Summary{{Zone: "a"}, {Zone: "b"}, {Zone: "c"}}, record.Fails,
			[]string{"count from c (c): open=0"},
		},
		"a zone that was not reached": {
			"open>=1", both, []scan.Summary{{Zone: "a"}, {Zone: "b"}, {Zone: "c", NotReached: 3}}, record.CannotTell, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, err := Parse(tt.expect, "scan")
			if err != nil {
				t.Fatal(err)
			}
			j := NewJudge([]Expectation{e})
			var all []record.Violation
			for _, f := range tt.findings {
				all = append(all, j.Finding(f)...)
			}
			all = append(all, j.End(record.End{Complete: true, Summary: scan.Summary{Zones: tt.zones}})...)
			var got []string
			for _, v := range all {
				got = append(got, v.What+" ("+v.Zone+"): "+v.Actual)
			}
			if !slices.Equal(got, tt.want) || j.Outcome() != tt.outcome {
				t.Errorf("got %q, %v; want %q, %v", got, j.Outcome(), tt.want, tt.outcome)
			}
		})
	}
}

// TestAnyAddressInEachZone: one address of a name suffices, but in every zone.
func TestAnyAddressInEachZone(t *testing.T) {
	t.Parallel()
	e, err := Parse("open", "scan")
	if err != nil {
		t.Fatal(err)
	}
	j := NewJudge([]Expectation{e})
	j.SetNames(Names{Any: true})
	for _, r := range []probe.Result{
		from("a", "10.0.0.1", probe.Open), from("a", "10.0.0.2", probe.Closed),
		from("b", "10.0.0.1", probe.Closed), from("b", "10.0.0.2", probe.Filtered),
	} {
		r.Host = "db.example"
		if v := j.Finding(r); v != nil {
			t.Errorf("%v before the end", v)
		}
	}
	got := j.End(record.End{Complete: true})
	if len(got) != 2 || got[0].Zone != "b" || got[1].Zone != "b" {
		t.Errorf("got %+v", got)
	}
}
