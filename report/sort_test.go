package report_test

import (
	"bytes"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"onmux/probe"
	. "onmux/report"
	. "onmux/report/record"
	"onmux/scan"
)

// What a scan found is written in the order of addresses, each violation behind its record,
// to all but a terminal and jsonl, which have it as it is found.
func TestOutputsAreSorted(t *testing.T) {
	var stream []Finding
	for _, last := range []byte{9, 10, 2} {
		e := probe.Endpoint{Addr: netip.AddrFrom4([4]byte{10, 0, 0, last}), Port: 80, Proto: probe.TCP}
		stream = append(stream, probe.Result{Endpoint: e, State: probe.Open},
			Violation{What: e.String(), Expected: "closed", Actual: "open", Address: e.Addr.String(), Port: 80, Proto: "tcp"})
	}
	ranges := []Finding{
		scan.Range{First: netip.MustParseAddr("10.0.0.20"), Last: netip.MustParseAddr("10.0.0.29"), Count: 10, Port: 80,
			Proto: probe.TCP, State: probe.Closed},
		probe.Result{Endpoint: probe.Endpoint{Addr: netip.MustParseAddr("10.0.0.3"), Port: 80, Proto: probe.TCP},
			State: probe.Filtered},
	}
	for _, c := range []struct {
		name, format, command string
		live, ranges          bool
		want                  string
	}{
		{"document", "json", "scan", false, false, "2 9 10 2 9 10"},
		{"ranges last", "json", "scan", false, true, "2 9 10 3 20 2 9 10"},
		{"lines", "jsonl", "scan", false, true, "9 9 10 10 2 2 20 3"},
		{"terminal", "json", "scan", true, false, "9 10 2 9 10 2"},
		{"probe", "json", "probe", false, false, "9 10 2 9 10 2"},
	} {
		var b bytes.Buffer
		s, err := Open(t.Context(), []Output{{Format: c.format}}, &b, Options{Live: c.live})
		if err != nil {
			t.Fatal(err)
		}
		found := stream
		if c.ranges {
			found = append(found[:len(found):len(found)], ranges...)
		}
		s.Start(Start{Schema: Schema, Command: c.command})
		for _, f := range found {
			if err := Write(s, f); err != nil {
				t.Fatal(err)
			}
		}
		s.End(End{Complete: true})
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range regexp.MustCompile(`"(?:address|first)":"10\.0\.0\.(\d+)"`).FindAllStringSubmatch(b.String(), -1) {
			got = append(got, m[1])
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
