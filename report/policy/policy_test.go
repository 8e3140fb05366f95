package policy_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/probe/local/owner"
	"onmux/probe/local/socket"
	. "onmux/report/policy"
	"onmux/report/record"
	"onmux/scan"
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
		"probe [2001:db8::1]:417/udp: open,open|filtered speaker 2001:db8::1[417/udp]",
		"scan 10.0.0.0/24,10.0.1.0/24: open=0 [10.0.0.0/24 10.0.1.0/24] [417/tcp 417/udp] 10.0.0.7 0 open 10.0.0.8 417 open,closed",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestErrors: what is wrong is said in one line, with the place.
func TestErrors(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "1:1: the policy has no rules: write what must hold under check, probe or scan"},
		{"version: 1", "1:1: the policy has no rules: write what must hold under check, probe or scan"},
		{"check: []", "1:1: the policy has no rules: write what must hold under check, probe or scan"},
		{"version: 2", "1:10: version is 2: this onmux reads 1"},
		{"check: 5", "1:8: check is a whole number, not a list"},
		{"check:\n  - port: [1]", "2:11: check rule 1, port is a list, not a text or a whole number"},
		{"chek: []", `1:1: the policy has no "chek"; did you mean check?`},
		{"check:\n  - port: 417\n    proces: x", `3:5: check rule 1 has no "proces"; did you mean process?`},
		{"check:\n  - name: x", "2:5: check rule 1 needs port"},
		{"check:\n  - port: 417\n    expect: [free, fre]", "3:20: check rule 1, expect, entry 2: fre is not among listening, bound, redirected, elsewhere, connected, free, unknown; did you mean free?"},
		{"check:\n  - port: 417\n    expect: fre", `3:13: check rule 1: "fre" is not among the words: listening, bound, redirected, elsewhere, connected, free, unknown; did you mean free?`},
		{"check:\n  - port: 70000", "2:11: check rule 1: port 70000 is out of range: ports are 1 to 65535"},
		{"check:\n  - port: 1\n    address: here", `3:14: check rule 1: "here" is no address to expect: loopback, any or an IP address`},
		{"check:\n  - port: 1\n  - port: 1", `3:5: two rules are named "check 1": give one another name`},
		{"check:\n  - {name: a, port: 1}\nprobe:\n  - {name: a, endpoint: 'b:1'}", `4:12: two rules are named "a": give one another name`},
		{"check:\n  - port: 1\n    port: 2", `3:5: mapping key "port" already defined at [2:5]`},
		{"check:\n  - port: 417\n    process: 7", "3:14: check rule 1, process is a whole number, not a text"},
		{"check:\n  - port: 417\n    user:", "3:5: check rule 1, user is empty"},
		{"check:\n  - port: 417\n  -", "3:5: check rule 2 is empty, not a mapping"},
		{"check:\n  - port: 417\n    unit: \"\"", "3:11: check rule 1, unit is empty"},
		{"check:\n  - port: 417\n    name: " + strings.Repeat("é", 201), "3:11: check rule 1, name has more than 200 characters"},
		{"check:\n  - port: 417\n    expect: []", "3:13: check rule 1, expect is an empty list"},
		{"check:\n  - port: 417\n    expect: [free, [free]]", "3:20: check rule 1, expect, entry 2 is a list, not a text"},
		{"check: [{prot: 1, exect: free}]", `1:10: check rule 1 has no "prot"; did you mean port?`},
		{"check:\n  - port: 1\n    max-backlog: 4294967296", "3:18: check rule 1, max-backlog: 4294967296 is more than 4294967295"},
		{"check:\n  - port: 1\n    max-backlog: 1.5", "3:18: check rule 1, max-backlog is a number, not a whole number"},
		{"check:\n  - port: true", "2:11: check rule 1, port is true or false, not a text or a whole number"},
		{"scan:\n  - targets: a\n    expect: open\n    except: [{endpoint: 10.0.0.1}]", "4:14: scan rule 1, except, entry 1 needs expect"},
		{"scan:\n  - targets: a\n    expect: open\n    except: {endpoint: 10.0.0.1, expect: open}", "4:13: scan rule 1, except is a mapping, not a list"},
		{"check:\n  - port: -5", "2:11: check rule 1, port: -5 is less than 1"},
		{"check:\n  - port: 1\n---\ncheck:\n  - port: 2", "4:1: a policy is one document: nothing may follow ---"},
		{"probe:\n  - endpoint: ':80'", "2:15: probe rule 1: the endpoint names no host"},
		{"probe:\n  - endpoint: 10.0.0.0/24:80", `2:15: probe rule 1: "10.0.0.0/24" is not one host: ask about networks under scan`},
		{"scan:\n  - targets: 10.0.0.0/33\n    count: open=0", `2:14: scan rule 1: "10.0.0.0/33" is no network: the prefix length of IPv4 is 0 to 32`},
		{"scan:\n  - targets: [db1, 10.0.0.0/x]\n    count: open=0", `2:20: scan rule 1: "10.0.0.0/x" is no network: "x" is no prefix length, 0 to 32`},
		{"scan:\n  - targets: 10.0.0.1\n    exclude: 10.0.0.0/8\n    count: open=0", "2:14: scan rule 1: no targets: everything named is excluded"},
		{"scan:\n  - targets: 10.0.0.1\n    exclude: [db1, '10.0.0.1-']\n    count: open=0", `3:20: scan rule 1: "10.0.0.1-" is no target: "" is not a number from 0 to 255`},
		{"probe:\n  - endpoint: db1", `2:15: probe rule 1: "db1" names no port`},
		{"probe:\n  - endpoint: a:80\n    max-rtt: soon", `3:14: probe rule 1: "soon" is no time: write 50ms or 1.5s`},
		{"probe:\n  - endpoint: a:80\n    certificate-days: -1", "3:23: probe rule 1, certificate-days: -1 is less than 0"},
		{"scan:\n  - expect: open", "2:5: scan rule 1 needs targets"},
		{"scan:\n  - targets: 127.0.0.1", "2:5: scan rule 1 needs expect or count"},
		{"scan:\n  - targets: 127.0.0.1\n    count: open", `3:12: scan rule 1: "open" is no count: write open=0, open>=1 or open<3`},
		{"scan:\n  - targets: a\n    expect: open\n    except: [{endpoint: a, expect: open}]", `4:25: scan rule 1: "a" is no address`},
		{"scan:\n  - targets: 10.0.0.0/30\n    expect: closed\n    except:\n      - endpoint: 10.0.0.4\n        expect: open", "5:19: scan rule 1: 10.0.0.4 is no exception: the rule does not ask about it"},
		{"scan:\n  - targets: 10.0.0.0/30\n    expect: closed\n    except:\n      - endpoint: 10.0.0.1:22\n        expect: open", "5:19: scan rule 1: 10.0.0.1:22 is no exception: the rule does not ask about it"},
		{"scan:\n  - targets: 10.0.0.0/30\n    expect: closed\n    except: [{endpoint: 10.0.0.1, expect: open}, {endpoint: '::ffff:10.0.0.1', expect: open}]", "4:61: scan rule 1: two exceptions are about ::ffff:10.0.0.1"},
		{"scan:\n  - targets: 10.0.0.0/30\n    expect: closed\n    except: [{endpoint: 10.0.0.1, expect: opn}]", `4:43: scan rule 1: "opn" is not among the words: open, closed, filtered, open|filtered, unreachable, unknown; did you mean open?`},
		{"scan:\n  - {targets: 10.0.0.0/30}", "2:5: scan rule 1 needs expect or count"},
		{"scan: [", "1:7: sequence end token ']' not found"},
		{"scan: &a\n  - *a", "1:7: a policy has no anchors and aliases: write it out"},
		{strings.Repeat("#", 2<<20), "a policy has at most 1048576 bytes"},
	} {
		_, err := Parse("policy", []byte(c.text), noon)
		if err == nil {
			t.Errorf("%.60q: no error", c.text)
			continue
		}
		got := strings.TrimLeft(strings.TrimPrefix(err.Error(), "policy:"), " ")
		if got != c.want {
			t.Errorf("%.60q:\n got %s\nwant %s", c.text, got, c.want)
		}
	}
}

// schema is the JSON Schema of policies, for editors.
func schema(t testing.TB) []byte {
	t.Helper()
	text, err := os.ReadFile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// library validates a policy by the schema.
func library(t testing.TB) func(string) error {
	t.Helper()
	var doc any
	if err := json.Unmarshal(schema(t), &doc); err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("x", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("x")
	if err != nil {
		t.Fatal(err)
	}
	return func(text string) error {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			return err
		}
		return s.Validate(v)
	}
}

// FuzzSchema: what the types of a policy take is what the schema describes.
func FuzzSchema(f *testing.F) {
	for _, s := range []string{
		`{"version":1}`, `{"version":1.0}`, `{"version":2}`, `{"check":[{"port":1}]}`, `{"check":[{"port":1.5}]}`,
		`{"check":[{"port":"","max-backlog":-1}]}`, `{"check":[{"port":1,"expect":[]}]}`,
		`{"check":[{"port":1,"expect":["x"]}]}`, `{"check":[{"port":1,"expect":""}]}`,
		`{"check":[{"port":1,"max-backlog":4294967296}]}`, `{"check":[{"port":1,"max-backlog":4294967295}]}`,
		`{"check":[{"port":true,"name":""}]}`, `{"check":[{"port":0}]}`, `{"check":[{"port":-1}]}`, `{"check":{}}`,
		`{"check":[null]}`, `{"check":null}`, `{"check":[[]]}`, `{"check":[{}]}`, `{"check":[{"port":{"a":1}}]}`,
		`{"check":[{"port":1,"user":0}]}`, `{"check":[{"port":1,"user":""}]}`, `{"check":[{"port":1,"process":7}]}`,
		`{"check":[{"port":1,"address":null}]}`, `{"check":[{"port":1,"unit":""}]}`,
		`{"check":[{"port":1,"name":"` + strings.Repeat("é", 200) + `"}]}`,
		`{"check":[{"port":1,"name":"` + strings.Repeat("é", 201) + `"}]}`,
		`{"probe":[{"endpoint":"a","version":1000.0,"certificate-days":10.0}]}`, `{"probe":[{"endpoint":null}]}`,
		`{"probe":[{"endpoint":"a","version":true}]}`, `{"probe":[{"endpoint":"a","certificate-days":36501}]}`,
		`{"probe":[{"endpoint":"a","certificate-days":1.5}]}`, `{"probe":[{"endpoint":"a","max-rtt":5}]}`,
		`{"scan":[{"targets":["a"]}]}`, `{"scan":[{"targets":["a",""],"count":"x"}]}`, `{"scan":[{"count":"x"}]}`,
		`{"scan":[{"targets":["a",5],"count":"x"}]}`, `{"scan":[{"targets":["a"],"count":["x"],"exclude":[]}]}`,
		`{"scan":[{"targets":"a","expect":["open"],"except":[{"endpoint":"a","expect":"open","x":1}]}]}`,
		`{"scan":[{"targets":"a","expect":["open"],"except":[{"endpoint":"a"}]}]}`,
		`{"scan":[{"targets":"a","expect":["open","listening"]}]}`, `[]`, `5`, `null`, `{"x":1}`, `{"Check":[]}`,
	} {
		f.Add(s)
	}
	valid := library(f)
	f.Fuzz(func(t *testing.T, text string) {
		if !json.Valid([]byte(text)) || exponent.MatchString(text) {
			return
		}
		yaml, ours := Decode(text)
		if theirs := valid(text); yaml && (ours == nil) != (theirs == nil) {
			t.Errorf("%s: %v; the library has %v", text, ours, theirs)
		}
	})
}

// exponent begins one, without which numbers are the same in JSON and YAML.
var exponent = regexp.MustCompile(`[0-9][eE]`)

func FuzzParse(f *testing.F) {
	f.Add("check:\n  - port: 417\n    expect: [free]\nprobe:\n  - {endpoint: a:80, max-rtt: 1s}\nscan:\n  - targets: [a]\n    count: open=0\n    except: [{endpoint: 10.0.0.1, expect: open}]")
	f.Add("{\"version\": 1, \"check\": [{\"port\": 1}]}")
	f.Add("a: &a [*a, *a]")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse("policy", []byte(text), noon)
		var at *Error
		if errors.As(err, &at) && (at.Line < 1 || at.Column < 0 || strings.Contains(at.Err.Error(), "\n")) {
			t.Errorf("%q: %v", text, err)
		}
		if err == nil && len(p.Rules) == 0 {
			t.Errorf("%q: no rules", text)
		}
	})
}

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

// describe is the policy that describes what was found.
func describe(t *testing.T, p Policy, f found) string {
	t.Helper()
	text, err := Describe(t.Context(), p, f, noon)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestJudgements(t *testing.T) {
	cut := record.End{}
	a := netip.MustParseAddr("10.0.0.7")
	at := func(a netip.Addr, s probe.State) probe.Result {
		return probe.Result{Endpoint: probe.Endpoint{Addr: a, Port: 417, Proto: probe.TCP}, State: s}
	}
	run := func(s probe.State) scan.Range {
		return scan.Range{First: a, Last: netip.MustParseAddr("10.0.0.9"), Count: 3, Port: 417, Proto: probe.TCP, State: s}
	}
	network := "scan: [{name: n, targets: 10.0.0.0/28, port: 417/tcp, expect: closed, count: closed>=2, except: [{endpoint: 10.0.0.8, expect: filtered}]}]"
	speaks := "probe: [{name: p, endpoint: '10.0.0.7:417', service: ssh, max-rtt: 5ms}]"
	spoken := at(a, probe.Open)
	spoken.RTT = probe.Millis(time.Millisecond)
	spoken.Service = &probe.Service{Name: "ssh"}
	certified := "probe: [{name: p, endpoint: '10.0.0.7:417', certificate-days: 14}]"
	until := func(end time.Time) probe.Result {
		r := at(a, probe.Open)
		r.Service = &probe.Service{Name: "https", TLS: &probe.TLS{Expires: end}}
		return r
	}
	lost := at(a, probe.Unknown)
	lost.Error = "no buffer space"
	slow := spoken
	slow.RTT = probe.Millis(time.Second)
	other := spoken
	other.Service = &probe.Service{Name: "http"}
	silent := spoken
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
		{"exceptions that overlap", "scan: [{name: n, targets: 10.0.0.0/28, port: 417/tcp, count: filtered=2, except: [{endpoint: 10.0.0.8, expect: filtered}, {endpoint: '10.0.0.8:417', expect: filtered}]}]",
			whole, nil, []record.Finding{run(probe.Filtered)}, "holds 2 filtered "},
		{"an exception of a port within one of its host", "scan: [{name: n, targets: 10.0.0.0/28, port: '417,418/tcp', count: filtered=2, except: [{endpoint: 10.0.0.8, expect: closed}, {endpoint: '10.0.0.8:417', expect: filtered}]}]",
			whole, nil, []record.Finding{run(probe.Filtered), probe.Result{Endpoint: probe.Endpoint{Addr: netip.MustParseAddr("10.0.0.8"), Port: 418, Proto: probe.TCP}, State: probe.Closed}}, "holds 2 filtered "},
		{"the exception is not as it should be", network, whole, nil, []record.Finding{run(probe.Closed)}, "fails 2 closed  [10.0.0.8:417/tcp: closed, not filtered]"},
		{"all is well", network, whole, nil, []record.Finding{at(a, probe.Closed), at(a.Next(), probe.Filtered), at(a.Next().Next(), probe.Closed)},
			"holds 10.0.0.7:417/tcp closed; 10.0.0.9:417/tcp closed "},
		{"the exception was not asked", network, whole, nil, []record.Finding{at(a, probe.Closed), at(a.Prev(), probe.Closed)},
			"cannot-tell 10.0.0.7:417/tcp closed; 10.0.0.6:417/tcp closed the exception 10.0.0.8 was not asked"},
		{"cut short", network, cut, nil, []record.Finding{at(a, probe.Closed), at(a.Next(), probe.Filtered), at(a.Prev(), probe.Closed)},
			"cannot-tell 10.0.0.7:417/tcp closed; 10.0.0.6:417/tcp closed not everything could be asked"},
		{"nobody could ask", network, cut, errors.New("no route"), nil, "cannot-tell  no route"},
		{"as expected", speaks, whole, nil, []record.Finding{spoken}, "holds 10.0.0.7:417/tcp open (1 ms), ssh "},
		{"a certificate for long enough", certified, whole, nil, []record.Finding{until(noon.AddDate(0, 0, 15))}, "holds 10.0.0.7:417/tcp open, https "},
		{"a certificate for too short", certified, whole, nil, []record.Finding{until(noon.AddDate(0, 0, 13))},
			"fails 10.0.0.7:417/tcp open, https  [the certificate of 10.0.0.7:417/tcp: valid until 2026-03-14, not valid until 2026-03-15]"},
		{"no certificate", certified, whole, nil, []record.Finding{at(a, probe.Open)}, "cannot-tell 10.0.0.7:417/tcp open 10.0.0.7:417/tcp: no certificate was seen"},
		{"no certificate of another service", certified, whole, nil, []record.Finding{spoken}, "cannot-tell 10.0.0.7:417/tcp open (1 ms), ssh 10.0.0.7:417/tcp: no certificate was seen: what speaks there is ssh"},
		{"no version", "probe: [{name: p, endpoint: '10.0.0.7:417', version: '9'}]", whole, nil, []record.Finding{spoken}, "cannot-tell 10.0.0.7:417/tcp open (1 ms), ssh 10.0.0.7:417/tcp: ssh does not report its version"},
		{"no time", "probe: [{name: p, endpoint: '10.0.0.7:417', max-rtt: 5ms}]", whole, nil, []record.Finding{at(a, probe.Open)}, "cannot-tell 10.0.0.7:417/tcp open 10.0.0.7:417/tcp: no round-trip time was measured"},
		{"not measured", "probe: [{name: p, endpoint: '10.0.0.7:417'}]", whole, nil, []record.Finding{lost}, "cannot-tell 10.0.0.7:417/tcp unknown 10.0.0.7:417/tcp could not be measured: no buffer space"},
		{"too few to count", "scan: [{name: n, targets: 10.0.0.0/28, count: closed=0}]", whole, nil, []record.Finding{lost}, "cannot-tell 10.0.0.7:417/tcp unknown closed=0: 0 closed, and 1 could not be determined"},
		{"slow", speaks, whole, nil, []record.Finding{slow}, "fails 10.0.0.7:417/tcp open (1000 ms), ssh  [the round-trip time of 10.0.0.7:417/tcp: 1000 ms, not at most 5ms]"},
		{"another service", speaks, whole, nil, []record.Finding{other}, "fails 10.0.0.7:417/tcp open (1 ms), http  [the service of 10.0.0.7:417/tcp: http, not ssh]"},
		{"it says nothing", speaks, whole, nil, []record.Finding{silent}, "cannot-tell 10.0.0.7:417/tcp open (1 ms) 10.0.0.7:417/tcp: what speaks there was not recognized"},
		{"closed", speaks, whole, nil, []record.Finding{at(a, probe.Closed)},
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
	}{{500, 500, "500 open"}, {10_002, 10_000, "10002 open; 2 more violations"}} {
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

// TestReadingIsBounded: a byte order mark is skipped, and what nests without end is refused
// before the parser reads it.
func TestReadingIsBounded(t *testing.T) {
	p, err := Parse("p", []byte("\ufeffcheck: [{port: 80/tcp, expect: free}]"), noon)
	if err != nil || len(p.Rules) != 1 {
		t.Errorf("a byte order mark: %v", err)
	}
	var indented strings.Builder
	for i := range 300 {
		indented.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	for _, text := range []string{
		strings.Repeat("[", 100_000), strings.Repeat("{a: ", 50_000), strings.Repeat("- ", 300_000),
		strings.Repeat("? ", 300_000), indented.String(),
	} {
		if _, err := Parse("p", []byte(text), noon); err == nil || !strings.Contains(err.Error(), "nests") {
			t.Errorf("%.8q…: %v", text, err)
		}
	}
}

// TestScalars: values are taken as they are written.
func TestScalars(t *testing.T) {
	p := parse(t, `
check: [{port: 0x1bb, name: !!str 7}]
probe: [{endpoint: "a:80", service: x, version: 1.20}]
`)
	rule, _ := verify(t, Policy{p.Rules[1:]}, found{end: whole, findings: []record.Finding{probe.Result{
		State: probe.Open, Service: &probe.Service{Name: "x", Version: "1.20"},
	}}})
	if fmt.Sprint(p.Rules[0].Check.Ports) != "[443/tcp]" || p.Rules[0].Name != "7" || rule.Outcome != record.Holds {
		t.Errorf("%v %s, %+v", p.Rules[0].Check.Ports, p.Rules[0].Name, rule)
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

// TestSnapshotHolds: what a snapshot says of a report holds of that report,
// whatever processes call themselves.
func TestSnapshotHolds(t *testing.T) {
	for _, name := range []string{"sshd", "- x: 1", "a: b", "#", "\"", "'", "{", "*a", "&a", "!!int", "yes", "null", "417", "1e3", "\x1b[31m", "line\nbreak", "\t", " ", "世界", "a\\b", "-", "?", "|", ">", "%", "@", "`", "\u2028", "\U000e0041"} {
		verdict := local.Verdict{Port: 417, Proto: probe.TCP, Verdict: local.Listening}
		socket := local.Listener{
			Proto: probe.TCP, Address: netip.IPv6Unspecified(), Port: 417, State: local.Listening, Reach: "any",
			NetNS: "host", Owners: []owner.Owner{{PID: 1, Name: name, User: "root"}},
		}
		f := found{findings: []record.Finding{verdict, socket}}
		text := describe(t, Policy{}, f)
		p := parse(t, text)
		if got := judgement(t, p, f); !strings.HasPrefix(got, "holds ") {
			t.Errorf("%q: %s\n%s", name, got, text)
		}
		socket.Owners[0].Name = "other"
		if got := judgement(t, p, f); !strings.HasPrefix(got, "fails ") {
			t.Errorf("%q: of another process: %s\n%s", name, got, text)
		}
	}
}

// TestSnapshotOfRules: what rules ask for is written as it is now, what they do not ask for
// is not, and what nobody can tell is left out; what comes of it holds.
func TestSnapshotOfRules(t *testing.T) {
	socket := local.Listener{Proto: probe.TCP, Address: netip.MustParseAddr("127.0.0.1"), Port: 417, State: local.Listening, Reach: "loopback", NetNS: "host",
		Backlog: &socket.Backlog{Used: 9, Limit: 128}, Owners: []owner.Owner{{PID: 1, Name: "caddy", User: "www", Place: owner.Place{Unit: "caddy.service"}}}}
	unseen := socket
	unseen.Owners, unseen.Backlog = nil, nil
	listening := local.Verdict{Port: 417, Proto: probe.TCP, Verdict: local.Listening}
	https := probe.Result{Endpoint: probe.Endpoint{Addr: netip.MustParseAddr("10.0.0.7"), Port: 417, Proto: probe.TCP}, State: probe.Open, RTT: probe.Millis(30 * time.Millisecond),
		Service: &probe.Service{Name: "https", Product: "nginx", Version: "1.27", TLS: &probe.TLS{Expires: noon.AddDate(0, 0, 10)}}}
	mute := probe.Result{Endpoint: https.Endpoint, State: probe.Open}
	held := "check: [{name: n, port: 417/tcp, address: any, process: nginx, user: root, unit: nginx.service, max-backlog: 5}]"
	spoken := "probe: [{name: n, endpoint: '10.0.0.7:417', service: ssh, product: x, version: '1', certificate-days: 30, max-rtt: 5ms}]"
	for _, c := range []struct {
		name, policy string
		found        []record.Finding
		want         string
	}{
		{"another holder", held, []record.Finding{listening, socket}, "expect: listening, address: loopback, process: caddy, user: www, unit: caddy.service, max-backlog: 9"},
		{"what was not asked for", "check: [{name: n, port: 417/tcp, max-backlog: 50}]", []record.Finding{listening, socket}, "expect: listening, max-backlog: 50"},
		{"nobody can tell", held, []record.Finding{listening, unseen}, "expect: listening, address: loopback"},
		{"free", held, []record.Finding{local.Verdict{Port: 417, Proto: probe.TCP, Verdict: local.Free}}, "expect: free"},
		{"another service", spoken, []record.Finding{https}, "expect: open, service: https, product: nginx, version: \"1.27\", certificate-days: 10, max-rtt: \"61ms\""},
		{"bounds that hold", "probe: [{name: n, endpoint: '10.0.0.7:417', certificate-days: 7, max-rtt: 1s}]", []record.Finding{https}, "expect: open, certificate-days: 7, max-rtt: \"1s\""},
		{"it says nothing", spoken, []record.Finding{mute}, "expect: open"},
		{"closed", spoken, []record.Finding{probe.Result{Endpoint: https.Endpoint, State: probe.Closed}}, "expect: closed"},
	} {
		f := found{findings: c.found, end: whole}
		text := describe(t, parse(t, c.policy), f)
		_, fields, _ := strings.Cut(text, "    expect: ")
		if got := "expect: " + strings.ReplaceAll(strings.TrimSpace(fields), "\n    ", ", "); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
		if got := judgement(t, parse(t, text), f); !strings.HasPrefix(got, "holds ") {
			t.Errorf("%s: %s\n%s", c.name, got, text)
		}
	}
}

func TestSnapshotOfNetwork(t *testing.T) {
	p := parse(t, "scan: [{name: n, targets: 10.0.0.0/28, port: 417/tcp, expect: closed}]")
	open := probe.Result{
		Endpoint: probe.Endpoint{Addr: netip.MustParseAddr("10.0.0.7"), Port: 417, Proto: probe.TCP},
		State:    probe.Open,
	}
	silent := scan.Range{
		First: netip.MustParseAddr("10.0.0.8"), Last: netip.MustParseAddr("10.0.0.9"), Count: 2,
		Port: 417, Proto: probe.TCP, State: probe.Filtered,
	}
	both := found{findings: []record.Finding{open, silent}, end: whole}
	text := describe(t, p, both)
	p = parse(t, text)
	if got := judgement(t, p, both); got != "holds 2 filtered " {
		t.Errorf("%q\n%s", got, text)
	}
	one := found{findings: []record.Finding{silent}, end: whole}
	if got := judgement(t, p, one); !strings.HasPrefix(got, "cannot-tell ") {
		t.Errorf("without the open one: %q", got)
	}
}

// TestSchema: the schema is one, and has each field that is read and no other.
func TestSchema(t *testing.T) {
	library(t)
	var doc map[string]any
	if err := json.Unmarshal(schema(t), &doc); err != nil {
		t.Fatal(err)
	}
	for section, fields := range Fields() {
		item := doc["properties"].(map[string]any)[section].(map[string]any)["items"].(map[string]any)
		var got []string
		for k := range item["properties"].(map[string]any) {
			got = append(got, k)
		}
		slices.Sort(got)
		slices.Sort(fields)
		if !reflect.DeepEqual(got, fields) {
			t.Errorf("%s: the schema has %v, the struct %v", section, got, fields)
		}
	}
}
