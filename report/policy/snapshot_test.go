package policy_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/probe/local/owner"
	"onmux/probe/local/socket"
	. "onmux/report/policy"
	"onmux/report/record"
	"onmux/scan"
)

// describe is the policy that describes what was found.
func describe(t *testing.T, p Policy, f found) string {
	t.Helper()
	text, err := Describe(t.Context(), p, f, noon)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestSnapshotHolds: the snapshot of a report holds for that report, whatever the names of
// processes.
func TestSnapshotHolds(t *testing.T) {
	for _, name := range []string{
		"sshd", "- x: 1", "a: b", "#", "\"", "'", "{", "*a", "&a", "!!int", "yes", "null", "417", "1e3", "\x1b[31m",
		"line\nbreak", "\t", " ", "世界", "a\\b", "-", "?", "|", ">", "%", "@", "`", "\u2028", "\U000e0041",
	} {
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

// TestSnapshotOfRules: expected properties are written as they are now, others are not, and
// unknown ones are left out; the snapshot holds.
func TestSnapshotOfRules(t *testing.T) {
	socket := local.Listener{
		Proto: probe.TCP, Address: netip.MustParseAddr("127.0.0.1"), Port: 417, State: local.Listening,
		Reach: "loopback", NetNS: "host", Backlog: &socket.Backlog{Used: 9, Limit: 128},
		Owners: []owner.Owner{{PID: 1, Name: "caddy", User: "www", Place: owner.Place{Unit: "caddy.service"}}},
	}
	unseen := socket
	unseen.Owners, unseen.Backlog = nil, nil
	listening := local.Verdict{Port: 417, Proto: probe.TCP, Verdict: local.Listening}
	https := probe.Result{
		Endpoint: probe.Endpoint{Addr: netip.MustParseAddr("10.0.0.7"), Port: 417, Proto: probe.TCP},
		State:    probe.Open, RTT: probe.Millis(30 * time.Millisecond),
		Details: probe.Details{Service: &probe.Service{
			Name: "https", Product: "nginx", Version: "1.27", TLS: &probe.TLS{Expires: noon.AddDate(0, 0, 10)},
		}},
	}
	mute := probe.Result{Endpoint: https.Endpoint, State: probe.Open}
	held := "check: [{name: n, port: 417/tcp, address: any, process: nginx, user: root, unit: nginx.service, " +
		"max-backlog: 5}]"
	identified := "probe: [{name: n, endpoint: '10.0.0.7:417', service: ssh, product: x, version: '1', " +
		"certificate-days: 30, max-rtt: 5ms}]"
	for _, c := range []struct {
		name, policy string
		found        []record.Finding
		want         string
	}{
		{
			"another owner", held, []record.Finding{listening, socket},
			"expect: listening, address: loopback, process: caddy, user: www, unit: caddy.service, max-backlog: 9",
		},
		{
			"what was not expected", "check: [{name: n, port: 417/tcp, max-backlog: 50}]",
			[]record.Finding{listening, socket}, "expect: listening, max-backlog: 50",
		},
		{"owner and queue unknown", held, []record.Finding{listening, unseen}, "expect: listening, address: loopback"},
		{"free", held, []record.Finding{local.Verdict{Port: 417, Proto: probe.TCP, Verdict: local.Free}}, "expect: free"},
		{
			"another service", identified, []record.Finding{https},
			"expect: open, service: https, product: nginx, version: \"1.27\", certificate-days: 10, max-rtt: \"61ms\"",
		},
		{
			"bounds that hold", "probe: [{name: n, endpoint: '10.0.0.7:417', certificate-days: 7, max-rtt: 1s}]",
			[]record.Finding{https}, "expect: open, certificate-days: 7, max-rtt: \"1s\"",
		},
		{"no service found", identified, []record.Finding{mute}, "expect: open"},
		{
			"closed", identified, []record.Finding{probe.Result{Endpoint: https.Endpoint, State: probe.Closed}},
			"expect: closed",
		},
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
