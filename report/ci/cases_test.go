package ci_test

import (
	"encoding/xml"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"onmux/probe"
	"onmux/probe/nettest/race"
	. "onmux/report"
	. "onmux/report/record"
	. "onmux/report/reporttest"
)

// TestNothingIsACase: a report of nothing has a case that passes, as harnesses
// take one without cases for a broken run.
func TestNothingIsACase(t *testing.T) {
	for _, c := range []struct{ format, command, want string }{
		{"junit", "diff", "<testcase classname=\"onmux.diff\" name=\"the whole report\">\n   <system-out>no " +
			"change</system-out>\n  </testcase>"},
		{"junit", "check", "<system-out>nothing was found</system-out>"},
		{"tap", "diff", "\nok 1 - the whole report\n  ---\n  found: \"no change\"\n  ...\n1..1\n"},
	} {
		var b strings.Builder
		h, err := New(c.format, &b, Options{})
		if err != nil {
			t.Fatal(err)
		}
		Stream{Started: Starts(c.command), Ended: Ends(0, nil)}.Replay(t, h)
		if !strings.Contains(b.String(), c.want) {
			t.Errorf("%s of %s: no %q in\n%s", c.format, c.command, c.want, b.String())
		}
	}
}

// TestRuleWithoutItsViolation: a rule that fails is a case that fails, also where what it
// was violated by never comes, as in a report that was cut off.
func TestRuleWithoutItsViolation(t *testing.T) {
	late := Violation{Rule: "r", What: "a port", Expected: "free", Actual: "listening"}
	for _, c := range []struct {
		format string
		then   []Finding
		want   []string
		not    string
	}{
		{"tap", nil, []string{"\nnot ok 1 - r\n", "1..1"}, "\nok"},
		{"tap", []Finding{late}, []string{"\nnot ok 1 - r\n", "1..1"}, "not ok 2"},
		{"junit", nil, []string{`failures="1"`, "what its rule expects"}, ""},
		{"junit", []Finding{late}, []string{`tests="1" failures="1"`, "expected free, found listening"},
			"what its rule expects"},
	} {
		var b strings.Builder
		h, err := New(c.format, &b, Options{})
		if err != nil {
			t.Fatal(err)
		}
		found := append([]Finding{Rule{Name: "r", Outcome: Fails, Found: "80/tcp listening"}}, c.then...)
		Stream{Started: Starts("verify"), Findings: found, Ended: Ends(1, nil)}.Replay(t, h)
		for _, want := range c.want {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%s: no %q in\n%s", c.format, want, b.String())
			}
		}
		if c.not != "" && strings.Contains(b.String(), c.not) {
			t.Errorf("%s: %q in\n%s", c.format, c.not, b.String())
		}
	}
}

// TestJUnitNames: Jenkins and GitLab fold cases of the same name.
func TestJUnitNames(t *testing.T) {
	s := Sample()
	again := s.Findings[1]
	s.Findings = append(s.Findings, again, Violation{What: "192.0.2.1:417/udp", Expected: "closed",
		Actual: "open|filtered"})
	var suites struct {
		Suite struct {
			Tests    int `xml:"tests,attr"`
			Failures int `xml:"failures,attr"`
			Errors   int `xml:"errors,attr"`
			Skipped  int `xml:"skipped,attr"`
			Cases    []struct {
				Name    string    `xml:"name,attr"`
				Class   string    `xml:"classname,attr"`
				Failure *struct{} `xml:"failure"`
				Error   *struct{} `xml:"error"`
				Skipped *struct{} `xml:"skipped"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	out := s.Write(t, "junit")
	if err := xml.Unmarshal(out, &suites); err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	failures, errors, skipped := 0, 0, 0
	for _, c := range suites.Suite.Cases {
		if names[c.Name] || c.Class != "onmux.scan" {
			t.Errorf("%s %q is there twice", c.Class, c.Name)
		}
		names[c.Name] = true
		if c.Failure != nil {
			failures++
		}
		if c.Error != nil {
			errors++
		}
		if c.Skipped != nil {
			skipped++
		}
	}
	if failures != 4 || errors != 2 || skipped != 1 || suites.Suite.Failures != 4 || suites.Suite.Errors != 2 ||
		suites.Suite.Skipped != 1 ||
		suites.Suite.Tests != len(suites.Suite.Cases) {
		t.Errorf("%d failures and %d errors:\n%s", failures, errors, out)
	}
}

// TestJUnitOfMixedStreams: cases stand in the order of their records, and each has the
// violations of its name, also those that come after thousands of other records.
func TestJUnitOfMixedStreams(t *testing.T) {
	dice := rand.New(rand.NewPCG(4, 1))
	type unit struct {
		Name    string `xml:"name,attr"`
		Failure string `xml:"failure"`
		Out     string `xml:"system-out"`
	}
	s := Stream{Started: Starts("scan"), Ended: Ends(1, nil)}
	var want []unit
	known := make(map[string]int)
	reset := strings.Repeat("an answer ", 10)
	for i := range 40_000 / race.Nth {
		a := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		r := probe.Result{Endpoint: probe.Endpoint{Addr: a, Port: 417, Proto: probe.TCP}, State: probe.Open,
			Details: probe.Details{Service: &probe.Service{Name: "ssh", Product: reset}}}
		if dice.IntN(3) > 0 {
			s.Findings = append(s.Findings, r)
			if _, ok := known[r.Endpoint.String()]; !ok {
				known[r.Endpoint.String()] = len(want)
			}
			want = append(want, unit{r.Endpoint.String(), "", "open, ssh " + strings.TrimSpace(reset)})
		}
		if dice.IntN(3) == 0 {
			of := r.Endpoint
			of.Addr = netip.AddrFrom4([4]byte{10, 0, byte(dice.IntN(i+1) >> 8), byte(i)})
			v := Violation{What: of.String(), Expected: "closed", Actual: fmt.Sprint("open ", i)}
			s.Findings = append(s.Findings, v)
			k, ok := known[v.What]
			if !ok {
				k = len(want)
				known[v.What] = k
				want = append(want, unit{Name: v.What})
			}
			want[k].Failure += v.What + ": expected closed, found " + v.Actual + "\n"
		}
	}
	// Violations for which no record came before have a case of their own; a record that
	// comes then has a number.
	seen := make(map[string]bool)
	for i := range want {
		if seen[want[i].Name] {
			want[i].Name += " (2)"
		}
		seen[want[i].Name] = true
	}
	var suites struct {
		Suite struct {
			Cases []unit `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(s.Write(t, "junit"), &suites); err != nil {
		t.Fatal(err)
	}
	got := suites.Suite.Cases
	if len(got) != len(want) {
		t.Fatalf("%d cases, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("case %d: %+v\nwant %+v", i, got[i], want[i])
		}
	}
}

// TestGitHubLimit: more than ten annotations of a step are not shown.
func TestGitHubLimit(t *testing.T) {
	for _, n := range []int{1, 9, 10, 11, 500} {
		s := Empty()
		s.Ended.Complete = true
		for i := range n {
			s.Findings = append(s.Findings, Violation{What: fmt.Sprint(i), Expected: "closed", Actual: "open"})
		}
		out := string(s.Write(t, "github"))
		if got := strings.Count(out, "::error "); got != min(n, 10) {
			t.Errorf("%d violations make %d errors", n, got)
		}
		if more := fmt.Sprintf("%d more violations", n-9); n > 10 != strings.Contains(out, more) {
			t.Errorf("%d violations:\n%s", n, out)
		}
	}
}

// TestGitHubPlaces: annotations of rules are at their place in the policy, and violations that
// are alike are one.
func TestGitHubPlaces(t *testing.T) {
	s := Empty()
	s.Ended.Complete = true
	s.Findings = []Finding{Rule{Name: "net", About: "scan", Outcome: Fails, File: "ci/a,b.yaml", Line: 7}}
	for _, n := range []int{9, 1, 2, 3} {
		at := fmt.Sprintf("10.0.0.%d", n)
		s.Findings = append(s.Findings, Violation{What: at + ":80/tcp", Expected: "closed", Actual: "open", Address: at,
			Port: 80, Proto: "tcp", Rule: "net"})
	}
	s.Findings = append(s.Findings, Rule{Name: "no", About: "probe", Outcome: CannotTell, Error: "why",
		File: "a", Line: 9})
	out := string(s.Write(t, "github"))
	for _, want := range []string{
		"::error file=ci/a%2Cb.yaml,line=7,title=onmux check%3A net::net: 10.0.0.1-10.0.0.3, 10.0.0.9 port 80/tcp (4): " +
			"expected closed, found open\n",
		"::warning file=a,line=9,title=onmux check%3A could not tell::no: why\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if strings.Count(out, "::error ") != 1 {
		t.Error(out)
	}
}
