package report_test

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"onmux/probe"
	. "onmux/report"
	. "onmux/report/record"
	. "onmux/report/reporttest"
	"onmux/scan"
)

// TestOpenOnly: in every format an endpoint that is open is there, and no other.
func TestOpenOnly(t *testing.T) {
	t.Parallel()
	at := func(a string, state probe.State) probe.Result {
		e := probe.Endpoint{Addr: netip.MustParseAddr(a), Port: 4171, Proto: probe.TCP}
		return probe.Result{Endpoint: e, State: state}
	}
	s := Empty()
	s.Started.Command = "scan"
	s.Findings = []Finding{at("192.0.2.10", probe.Open), at("192.0.2.11", probe.Closed), at("192.0.2.12", probe.Filtered),
		at("192.0.2.13", probe.Unknown), scan.Range{First: netip.MustParseAddr("192.0.2.20"),
			Last: netip.MustParseAddr("192.0.2.29"), Count: 10, Port: 4171, Proto: probe.TCP, State: probe.Filtered}}
	s.Ended.Complete = true
	s.Ended.Summary = scan.Summary{Targets: 14,
		States: map[string]uint64{"open": 1, "closed": 1, "filtered": 11, "unknown": 1}}
	template, err := ParseTemplate("{{.Address}}")
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range append(Formats(), "template") {
		var out bytes.Buffer
		h, err := New(format, &out, Options{Template: template})
		if err != nil {
			t.Fatal(err)
		}
		s.Replay(t, OpenOnly(h))
		text := out.String()
		for _, other := range []string{"192.0.2.11", "192.0.2.12", "192.0.2.13", "192.0.2.20", "192.0.2.29"} {
			if strings.Contains(text, other) {
				t.Errorf("%s has %s:\n%s", format, other, text)
			}
		}
		// These list problems only, or one line.
		if !strings.Contains(text, "192.0.2.10") && format != "github" && format != "nagios" && format != "html" {
			t.Errorf("%s lacks the open endpoint:\n%s", format, text)
		}
	}
}
