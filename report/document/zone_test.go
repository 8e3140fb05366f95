package document_test

import (
	"bytes"
	"net/netip"
	"reflect"
	"testing"

	"onmux/probe"
	"onmux/report"
	. "onmux/report/record"
	. "onmux/report/reporttest"
	"onmux/report/schematest"
	"onmux/scan"
)

// TestZones: a scan from several zones is read back as it was, in valid documents.
func TestZones(t *testing.T) {
	at := netip.MustParseAddr("10.0.0.1")
	one := probe.Result{
		Endpoint: probe.Endpoint{Addr: at, Port: 417, Proto: probe.TCP}, State: probe.Open, Reason: probe.SynAck, Tries: 1,
	}
	one.Zone = "a"
	s := Empty()
	s.Findings = []Finding{one, scan.Range{
		First: at, Last: at.Next(), Count: 2, Port: 417, Proto: probe.TCP, State: probe.Filtered,
		Reason: probe.NoResponse, Tries: 2, Zone: "b",
	}}
	s.Ended.Summary = scan.Summary{Targets: 3, States: map[string]uint64{"open": 1, "filtered": 2}, Zones: []scan.Summary{
		{Zone: "a", Targets: 1, States: map[string]uint64{"open": 1}},
		{Zone: "b", Targets: 2, States: map[string]uint64{"filtered": 2}},
		{Zone: "c"},
	}}
	for _, format := range []string{"json", "jsonl"} {
		text := s.Write(t, format)
		if err := schematest.Validate(format, bytes.NewReader(text)); err != nil {
			t.Errorf("%s: %v", format, err)
		}
		var got Recording
		if err := report.Replay(bytes.NewReader(text), &got); err != nil {
			t.Fatalf("%s: %v", format, err)
		}
		want := s.Ended.Summary.Zones[:2]
		zones := got.Ended.Summary.Zones
		if len(zones) != 3 || !reflect.DeepEqual(zones[:2], want) || zones[2].States == nil {
			t.Errorf("%s: got %+v", format, zones)
		}
		if !reflect.DeepEqual(got.Findings, s.Findings) {
			t.Errorf("%s: got %+v\nwant %+v", format, got.Findings, s.Findings)
		}
	}
}
