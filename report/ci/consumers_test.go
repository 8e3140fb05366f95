package ci_test

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/probe/local/socket"
	. "onmux/report/record"
	. "onmux/report/reporttest"
)

// consumer runs a program on what it reads, or skips.
func consumer(t *testing.T, input []byte, name string, args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skip(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Stdin = bytes.NewReader(input)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// passing is a report in which all is well.
func passing() Stream {
	return Stream{Started: Starts("verify"), Ended: Ends(1, map[string]uint64{"holds": 1}), Findings: []Finding{
		Rule{Name: "one # two", About: "check", Outcome: Holds, Found: "80/tcp listening"}}}
}

// TestProve: what passes passes in Perl's harness, which reads version 13 only.
func TestProve(t *testing.T) {
	for name, c := range map[string]struct {
		of   Stream
		fail bool
	}{"passing": {passing(), false}, "sample": {Sample(), true}} {
		file := t.TempDir() + "/report.tap"
		if err := os.WriteFile(file, c.of.Write(t, "tap"), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := consumer(t, nil, "prove", "-v", "--exec", "cat", file)
		if (err != nil) != c.fail || strings.Contains(out, "Parse error") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// TestPromtool: the metrics are what Prometheus reads.
func TestPromtool(t *testing.T) {
	for _, s := range []Stream{Sample(), passing(), WithText(Hostile)} {
		if out, err := consumer(t, s.Write(t, "prom"), "promtool", "check", "metrics"); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
}

// TestSeriesAreBounded: all kinds of records together have at most 10,000 series, the others
// are counted, each series has command and job, and none is there twice.
func TestSeriesAreBounded(t *testing.T) {
	s := Stream{Started: Starts("check"), Ended: Ends(1, nil)}
	s.Started.Job = "web"
	for i := range 6000 {
		l := Socket(probe.TCP, "10.0.0.1", "ipv4", "any", uint16(i/2))
		l.Inode, l.Backlog = uint64(i), &socket.Backlog{Used: 1, Limit: 128}
		s.Findings = append(s.Findings, local.Verdict{Port: uint16(i), Proto: probe.TCP, Verdict: local.Listening}, l)
	}
	out := string(s.Write(t, "prom"))
	series := make(map[string]bool)
	n := 0
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		name, _, _ := strings.Cut(line, "} ")
		if series[name] || !strings.Contains(name, `{command="check",job="web"`) || strings.Contains(name, "inode") {
			t.Fatalf("twice, or without labels, or with an inode: %s", line)
		}
		series[name] = true
		n++
	}
	if n > 10_100 || !regexp.MustCompile(`(?m)^onmux_left_out\{.*\} [1-9]\d+$`).MatchString(out) {
		t.Errorf("%d series", n)
	}
	if !strings.Contains(out, `port="7",proto="tcp",netns="host"} 2`) {
		t.Error("the backlogs of two sockets at one address are not added up")
	}
}

// TestStableLabels: whatever is found, the performance data has the same labels in the same
// order, and so have the metrics.
func TestStableLabels(t *testing.T) {
	stream := func(states ...probe.State) Stream {
		s := Stream{Started: Starts("probe"), Ended: Ends(uint64(len(states)), map[string]uint64{})}
		for i, state := range states {
			r := probe.Result{Endpoint: probe.Endpoint{Addr: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), Port: 80,
				Proto: probe.TCP}, State: state}
			if state == probe.Open {
				r.Reason, r.RTT = probe.SynAck, 1000
			}
			s.Ended.Summary.States[state.String()]++
			s.Findings = append(s.Findings, r)
		}
		return s
	}
	a := stream(probe.Open, probe.Filtered, probe.Closed)
	b := stream(probe.Filtered, probe.Open, probe.Unreachable)
	b.Findings[0], b.Findings[2] = b.Findings[2], b.Findings[0] // answers come in any order
	label := regexp.MustCompile(`'[^']*'=`)
	first, second := label.FindAllString(string(a.Write(t, "nagios")), -1), label.FindAllString(string(b.Write(t,
		"nagios")), -1)
	if fmt.Sprint(first) != fmt.Sprint(second) || len(first) != 6+3 {
		t.Errorf("labels differ:\n%v\n%v", first, second)
	}
	if out := string(a.Write(t, "nagios")); !strings.Contains(out, "'rtt 10.0.0.1:80/tcp'=U") ||
		!strings.Contains(out, "'open'=1;;;0") || !strings.Contains(out, "'unreachable'=0;;;0") {
		t.Errorf("what is not known is not U, or a count is missing: %s", out)
	}
	many := stream(make([]probe.State, 400)...)
	if out := string(many.Write(t, "nagios")); len(out) > 8<<10 || !strings.Contains(out, "of performance data left out") {
		t.Errorf("%d bytes, or what is left out is not stated", len(out))
	}
}

// TestMarkdownFits: a summary of a step has at most 1 MiB, and states what is missing.
func TestMarkdownFits(t *testing.T) {
	s := Sample()
	s.Findings = nil
	long := strings.Repeat("é&@", 300)
	for i := range 3000 {
		at := probe.Endpoint{Addr: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), Port: 80, Proto: probe.TCP}
		s.Findings = append(s.Findings, probe.Result{Endpoint: at, State: probe.Unknown, Error: long},
			Violation{What: at.String(), Expected: "open", Actual: long})
		s.Ended.Coverage = append(s.Ended.Coverage, long)
	}
	out := string(s.Write(t, "markdown"))
	if len(out) > 1<<20 || len(out) < 1<<19 {
		t.Errorf("%d bytes", len(out))
	}
	for _, want := range []string{"more, which are too long to be listed here",
		"more are not listed: the summary of a step"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q", want)
		}
	}
}

// seconds are the times that junit-10.xsd, of the xUnit plugin of Jenkins, allows.
var seconds = regexp.MustCompile(`^(([0-9]{0,3},)*[0-9]{3}|[0-9]{0,3})*(\.[0-9]{0,3})?$`)

// junitRules is what junit-10.xsd allows of the elements that may be in a report: their
// parents, and their attributes, of which some are required. Its other attributes are strings.
var junitRules = map[string]struct{ parents, required, optional []string }{
	"testsuites": {[]string{""}, nil, []string{"name", "time", "tests", "failures", "errors"}},
	"testsuite": {[]string{"testsuites", "testsuite"}, []string{"name", "tests", "failures", "errors"},
		[]string{"group", "time", "skipped", "timestamp", "hostname", "id", "package", "file", "log", "url"}},
	"properties": {[]string{"testsuite"}, nil, nil},
	"property":   {[]string{"properties"}, []string{"name", "value"}, nil},
	"testcase":   {[]string{"testsuite"}, []string{"name"}, []string{"time", "classname", "group"}},
	"failure":    {[]string{"testcase"}, nil, []string{"type", "message"}},
	"error":      {[]string{"testcase"}, nil, []string{"type", "message"}},
	"skipped":    {[]string{"testcase"}, nil, []string{"type", "message"}},
	"system-out": {[]string{"testcase", "testsuite"}, nil, nil},
	"system-err": {[]string{"testcase", "testsuite"}, nil, nil},
}

// TestJUnitIsValid: reports keep to the strictest schema that there is.
func TestJUnitIsValid(t *testing.T) {
	for _, s := range []Stream{Sample(), passing(), WithText(Hostile), {Started: Starts("scan"), Ended: Ends(0, nil)}} {
		x := xml.NewDecoder(bytes.NewReader(s.Write(t, "junit")))
		path := []string{""}
		times := 0
		for {
			token, err := x.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			parent := path[len(path)-1]
			switch e := token.(type) {
			case xml.StartElement:
				name := e.Name.Local
				rule, known := junitRules[name]
				if !known || !slices.Contains(rule.parents, parent) {
					t.Errorf("<%s> in <%s>", name, parent)
				}
				missing := slices.Clone(rule.required)
				for _, a := range e.Attr {
					missing = slices.DeleteFunc(missing, func(s string) bool { return s == a.Name.Local })
					if !slices.Contains(rule.required, a.Name.Local) && !slices.Contains(rule.optional, a.Name.Local) {
						t.Errorf("<%s> has %s", name, a.Name.Local)
					}
					if a.Name.Local == "time" {
						times++
						if !seconds.MatchString(a.Value) {
							t.Errorf("the time %q", a.Value)
						}
					}
				}
				if len(missing) > 0 {
					t.Errorf("<%s> has no %q", name, missing)
				}
				path = append(path, name)
			case xml.EndElement:
				path = path[:len(path)-1]
			case xml.CharData:
				if strings.HasPrefix(parent, "test") && strings.TrimSpace(string(e)) != "" {
					t.Errorf("text in <%s>: %q", parent, e)
				}
			}
		}
		if times == 0 {
			t.Error("no time")
		}
	}
}
