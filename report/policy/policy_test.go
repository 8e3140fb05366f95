package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	. "onmux/report/policy"
	"onmux/report/record"
	"onmux/scan/files"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// whole ends a command that found out everything.
var whole = record.End{Complete: true}

func parse(t testing.TB, text string) Policy {
	t.Helper()
	p, err := Parse("policy", []byte(text), noon)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestParse(t *testing.T) {
	p := parse(t, `
version: 1
check:
  - port: 443
  - {name: dns, port: 53, expect: "bound,listening", user: 0, max-backlog: 9}
  - {port: 1000-1002/udp, expect: [free]}
probe:
  - {endpoint: "[2001:db8::1]:417/udp", expect: [open, open|filtered], version: 9.2, max-rtt: 50ms}
scan:
  - targets: 10.0.0.0/24, 10.0.1.0/24
    count: open=0
    except: [{endpoint: 10.0.0.7, expect: open}, {endpoint: "[::ffff:10.0.0.8]:417/udp", expect: [open, closed]}]
`)
	var got []string
	for _, r := range p.Rules {
		line := r.Name + ":"
		for _, e := range r.Expect {
			line += " " + e.String()
		}
		switch {
		case r.Check != nil:
			line += fmt.Sprint(" ", r.Check.Ports)
		case r.Probe != nil:
			line += fmt.Sprint(" ", r.Probe.Host, r.Probe.Ports)
		case r.Scan != nil:
			line += fmt.Sprint(" ", r.Scan.Targets, r.Scan.Ports)
			for _, x := range r.Scan.Except {
				line += fmt.Sprint(" ", x.Addr, " ", x.Port.Number, " ", x.Expect)
			}
		}
		got = append(got, line)
	}
	want := []string{
		"check 443: listening [443/tcp]",
		"dns: bound,listening holder [53/tcp 53/udp]",
		"check 1000-1002/udp: free [1000/udp 1001/udp 1002/udp]",
		"probe [2001:db8::1]:417/udp: open,open|filtered endpoint 2001:db8::1[417/udp]",
		"scan 10.0.0.0/24,10.0.1.0/24: open=0 [10.0.0.0/24 10.0.1.0/24] [417/tcp 417/udp] 10.0.0.7 0 open" +
			" 10.0.0.8 417 open,closed",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestOnly(t *testing.T) {
	p := parse(t, "check: [{name: web, port: 80}, {name: dns, port: 53}]")
	if one, err := p.Only([]string{"dns"}); err != nil || len(one.Rules) != 1 || one.Rules[0].Name != "dns" {
		t.Errorf("%v, %v", one, err)
	}
	if _, err := p.Only([]string{"wbe"}); err == nil || err.Error() != `no rule is named "wbe"; did you mean web?` {
		t.Errorf("%v", err)
	}
	if _, err := p.Only([]string{"mail"}); err == nil || err.Error() != `no rule is named "mail": the rules are web, dns` {
		t.Errorf("%v", err)
	}
}

// The example that packages have is a policy.
func TestExample(t *testing.T) {
	t.Parallel()
	p, err := Read(&files.Inputs{}, "../../testdata/onmux.yaml", time.Now())
	if err != nil || len(p.Rules) < 5 {
		t.Errorf("%d rules, %v", len(p.Rules), err)
	}
}
