package policy_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"onmux/probe"
	"onmux/probe/local"
	. "onmux/report/policy"
	"onmux/report/record"
	"onmux/scan"
)

// found is what every command finds.
type found struct {
	findings []record.Finding
	end      record.End
	err      error
}

func (f found) Check(context.Context, local.Request) (local.Report, error) {
	var r local.Report
	for _, finding := range f.findings {
		switch finding := finding.(type) {
		case local.Verdict:
			r.Verdicts = append(r.Verdicts, finding)
		case local.Listener:
			r.Listeners = append(r.Listeners, finding)
		}
	}
	return r, f.err
}

func (f found) Probe(_ context.Context, _ *Probe, _ bool, emit func(record.Finding) error) (record.End, error) {
	return f.all(emit)
}

func (f found) Scan(_ context.Context, _ *Scan, emit func(record.Finding) error) (record.End, error) {
	return f.all(emit)
}

func (f found) all(emit func(record.Finding) error) (record.End, error) {
	for _, finding := range f.findings {
		if err := emit(finding); err != nil {
			return record.End{}, err
		}
	}
	return f.end, f.err
}

// verify is the only rule of p and its violations, judged by what was found.
func verify(t *testing.T, p Policy, f found) (rule record.Rule, violations []record.Violation) {
	t.Helper()
	_, err := Verify(t.Context(), p, f, func(f record.Finding) error {
		switch f := f.(type) {
		case record.Rule:
			rule = f
		case record.Violation:
			violations = append(violations, f)
		}
		return nil
	})
	if err != nil || len(p.Rules) != 1 {
		t.Fatalf("%d rules: %v", len(p.Rules), err)
	}
	return rule, violations
}

// judgement is verify in one line.
func judgement(t *testing.T, p Policy, f found) string {
	t.Helper()
	rule, violations := verify(t, p, f)
	out := rule.Outcome.String() + " " + rule.Found + " " + rule.Error
	for _, v := range violations {
		if v.Rule != rule.Name {
			t.Errorf("a violation of %q, not of %q", v.Rule, rule.Name)
		}
		out += fmt.Sprintf(" [%s: %s, not %s]", v.What, v.Actual, v.Expected)
	}
	return out
}

func TestJudgements(t *testing.T) {
	cut := record.End{}
	a := netip.MustParseAddr("10.0.0.7")
	at := func(a netip.Addr, s probe.State) probe.Result {
		return probe.Result{Endpoint: probe.Endpoint{Addr: a, Port: 417, Proto: probe.TCP}, State: s}
	}
	at418 := func(s probe.State) probe.Result {
		r := at(netip.MustParseAddr("10.0.0.8"), s)
		r.Port = 418
		return r
	}
	run := func(s probe.State) scan.Range {
		return scan.Range{First: a, Last: netip.MustParseAddr("10.0.0.9"), Count: 3, Port: 417, Proto: probe.TCP, State: s}
	}
	network := "scan: [{name: n, targets: 10.0.0.0/28, port: 417/tcp, expect: closed, count: closed>=2, " +
		"except: [{endpoint: 10.0.0.8, expect: filtered}]}]"
	ssh := "probe: [{name: p, endpoint: '10.0.0.7:417', service: ssh, max-rtt: 5ms}]"
	answered := at(a, probe.Open)
	answered.RTT = probe.Millis(time.Millisecond)
	answered.Service = &probe.Service{Name: "ssh"}
	certified := "probe: [{name: p, endpoint: '10.0.0.7:417', certificate-days: 14}]"
	until := func(end time.Time) probe.Result {
		r := at(a, probe.Open)
		r.Service = &probe.Service{Name: "https", TLS: &probe.TLS{Expires: end}}
		return r
	}
	lost := at(a, probe.Unknown)
	lost.Error = "no buffer space"
	slow := answered
	slow.RTT = probe.Millis(time.Second)
	other := answered
	other.Service = &probe.Service{Name: "http"}
	silent := answered
	silent.Service = nil
	for _, c := range []struct {
		name, policy string
		end          record.End
		failed       error
		found        []record.Finding
		want         string
	}{
		{"a range with an exception in it", network, whole, nil, []record.Finding{run(probe.Filtered)},
			"fails 2 filtered  [10.0.0.7-10.0.0.9 port 417/tcp: filtered, not closed] [count: closed=0, not closed>=2]"},
		{
			"exceptions that overlap",
			"scan: [{name: n, targets: 10.0.0.0/28, port: 417/tcp, count: filtered=2, except: [{endpoint: 10.0.0.8, " +
				"expect: filtered}, {endpoint: '10.0.0.8:417', expect: filtered}]}]",
			whole, nil, []record.Finding{run(probe.Filtered)}, "holds 2 filtered ",
		},
		{
			"an exception of a port within one of its host",
			"scan: [{name: n, targets: 10.0.0.0/28, port: '417,418/tcp', count: filtered=2, except: [{endpoint: 10.0.0.8, " +
				"expect: closed}, {endpoint: '10.0.0.8:417', expect: filtered}]}]",
			whole, nil, []record.Finding{run(probe.Filtered), at418(probe.Closed)}, "holds 2 filtered ",
		},
		{
			"the exception is not as it should be", network, whole, nil, []record.Finding{run(probe.Closed)},
			"fails 2 closed  [10.0.0.8:417/tcp: closed, not filtered]",
		},
		{
			"holds", network, whole, nil,
			[]record.Finding{at(a, probe.Closed), at(a.Next(), probe.Filtered), at(a.Next().Next(), probe.Closed)},
			"holds 10.0.0.7:417/tcp closed; 10.0.0.9:417/tcp closed "},
		{
			"the exception was not probed", network, whole, nil,
			[]record.Finding{at(a, probe.Closed), at(a.Prev(), probe.Closed)},
			"cannot-tell 10.0.0.7:417/tcp closed; 10.0.0.6:417/tcp closed the exception 10.0.0.8 was not probed"},
		{
			"incomplete", network, cut, nil,
			[]record.Finding{at(a, probe.Closed), at(a.Next(), probe.Filtered), at(a.Prev(), probe.Closed)},
			"cannot-tell 10.0.0.7:417/tcp closed; 10.0.0.6:417/tcp closed not everything could be probed"},
		{"no route", network, cut, errors.New("no route"), nil, "cannot-tell  no route"},
		{"as expected", ssh, whole, nil, []record.Finding{answered}, "holds 10.0.0.7:417/tcp open (1.00 ms), ssh "},
		{
			"a certificate for long enough", certified, whole, nil, []record.Finding{until(noon.AddDate(0, 0, 15))},
			"holds 10.0.0.7:417/tcp open, https ",
		},
		{"a certificate for too short", certified, whole, nil, []record.Finding{until(noon.AddDate(0, 0, 13))},
			"fails 10.0.0.7:417/tcp open, https  [the certificate of 10.0.0.7:417/tcp: valid until 2026-03-14, " +
				"not valid until 2026-03-15]"},
		{
			"no certificate", certified, whole, nil, []record.Finding{at(a, probe.Open)},
			"cannot-tell 10.0.0.7:417/tcp open 10.0.0.7:417/tcp: no certificate was seen",
		},
		{
			"no certificate of another service", certified, whole, nil, []record.Finding{answered},
			"cannot-tell 10.0.0.7:417/tcp open (1.00 ms), ssh 10.0.0.7:417/tcp: no certificate was seen: the service " +
				"is ssh",
		},
		{
			"no version", "probe: [{name: p, endpoint: '10.0.0.7:417', version: '9'}]", whole, nil,
			[]record.Finding{answered},
			"cannot-tell 10.0.0.7:417/tcp open (1.00 ms), ssh 10.0.0.7:417/tcp: ssh does not report its version",
		},
		{
			"no time", "probe: [{name: p, endpoint: '10.0.0.7:417', max-rtt: 5ms}]", whole, nil,
			[]record.Finding{at(a, probe.Open)},
			"cannot-tell 10.0.0.7:417/tcp open 10.0.0.7:417/tcp: no round-trip time was measured",
		},
		{
			"not measured", "probe: [{name: p, endpoint: '10.0.0.7:417'}]", whole, nil, []record.Finding{lost},
			"cannot-tell 10.0.0.7:417/tcp unknown 10.0.0.7:417/tcp could not be measured: no buffer space",
		},
		{
			"too few to count", "scan: [{name: n, targets: 10.0.0.0/28, count: closed=0}]", whole, nil,
			[]record.Finding{lost}, "cannot-tell 10.0.0.7:417/tcp unknown closed=0: 0 closed, and 1 could not be determined",
		},
		{
			"slow", ssh, whole, nil, []record.Finding{slow},
			"fails 10.0.0.7:417/tcp open (1.0 s), ssh  [the round-trip time of 10.0.0.7:417/tcp: 1000 ms, not at most 5 ms]",
		},
		{
			"another service", ssh, whole, nil, []record.Finding{other},
			"fails 10.0.0.7:417/tcp open (1.00 ms), http  [the service of 10.0.0.7:417/tcp: http, not ssh]",
		},
		{
			"no service found", ssh, whole, nil, []record.Finding{silent},
			"cannot-tell 10.0.0.7:417/tcp open (1.00 ms) 10.0.0.7:417/tcp: the service was not recognized",
		},
		{"closed", ssh, whole, nil, []record.Finding{at(a, probe.Closed)},
			"fails 10.0.0.7:417/tcp closed  [10.0.0.7:417/tcp: closed, not open]"},
	} {
		if got := judgement(t, parse(t, c.policy), found{c.found, c.end, c.failed}); got != c.want {
			t.Errorf("%s:\n got %q\nwant %q", c.name, got, c.want)
		}
	}
}

// TestViolationsAreBounded: a rule reports everything that violates it, up to a bound.
func TestViolationsAreBounded(t *testing.T) {
	p := parse(t, "scan: [{name: n, targets: 10.0.0.0/16, port: 417/tcp, expect: closed}]")
	for _, c := range []struct {
		n, reported int
		found       string
	}{{500, 500, "500 open"}, {10_002, 10_000, "10,002 open; 2 more violations"}} {
		open, a := found{end: whole}, netip.MustParseAddr("10.0.0.0")
		for range c.n {
			endpoint := probe.Endpoint{Addr: a, Port: 417, Proto: probe.TCP}
			open.findings = append(open.findings, probe.Result{Endpoint: endpoint, State: probe.Open})
			a = a.Next()
		}
		rule, violations := verify(t, p, open)
		if len(violations) != c.reported || rule.Found != c.found {
			t.Errorf("of %d, %d reported: %s", c.n, len(violations), rule.Found)
		}
	}
}
