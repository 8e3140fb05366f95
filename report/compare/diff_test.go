package compare_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/probe/local/owner"
	. "onmux/report/compare"
	. "onmux/report/record"
	. "onmux/report/reporttest"
	"onmux/scan"
)

func save(t testing.TB, s Stream) *Saved {
	t.Helper()
	var saved Saved
	s.Replay(t, &saved)
	return &saved
}

func diff(t testing.TB, old, now Stream) ([]Change, End) {
	t.Helper()
	var out []Change
	end, err := Diff(save(t, old), save(t, now), func(f Finding) error {
		out = append(out, f.(Change))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out, end
}

// network is a scan's stream about a small network: a state for each address, or
// none, singly or in ranges at random, and in any order.
func network(dice *rand.Rand, states []probe.State) Stream {
	s := Stream{Started: Starts("scan"), Ended: Ends(uint64(len(states)), nil)}
	base := netip.MustParseAddr("10.0.0.250")
	addrs := []netip.Addr{base}
	for range states {
		addrs = append(addrs, addrs[len(addrs)-1].Next())
	}
	for i := 0; i < len(states); {
		j := i + 1
		for j < len(states) && states[j] == states[i] && dice.IntN(3) > 0 {
			j++
		}
		switch {
		case states[i] == absent:
		case j == i+1 && dice.IntN(2) == 0:
			s.Findings = append(s.Findings, probe.Result{Endpoint: probe.Endpoint{Addr: addrs[i], Port: 417,
				Proto: probe.TCP}, State: states[i]})
		default:
			s.Findings = append(s.Findings, scan.Range{First: addrs[i], Last: addrs[j-1], Count: uint64(j - i),
				Port: 417, Proto: probe.TCP, State: states[i]})
		}
		i = j
	}
	dice.Shuffle(len(s.Findings), func(i, j int) { s.Findings[i], s.Findings[j] = s.Findings[j], s.Findings[i] })
	return s
}

const absent probe.State = 99

// TestDiffIsThatOfEachAddress compares with the simplest way: look at each address in
// both.
func TestDiffIsThatOfEachAddress(t *testing.T) {
	t.Parallel()
	dice := rand.New(rand.NewPCG(4, 17))
	choice := []probe.State{probe.Open, probe.Closed, probe.Filtered, absent}
	for range 2000 {
		n := 1 + dice.IntN(20)
		old, now := make([]probe.State, n), make([]probe.State, n)
		want := make(map[string]string)
		var compared uint64
		a := netip.MustParseAddr("10.0.0.250")
		for i := range n {
			old[i], now[i] = choice[dice.IntN(4)], choice[dice.IntN(4)]
			if dice.IntN(2) == 0 {
				now[i] = old[i]
			}
			if old[i] != absent && now[i] != absent {
				compared++
			}
			switch {
			case now[i] == old[i] || now[i] == absent && old[i] != probe.Open ||
				old[i] == absent && now[i] != probe.Open:
			case now[i] == probe.Open:
				want[a.String()] = Appeared
			case old[i] == probe.Open:
				want[a.String()] = Vanished
			default:
				want[a.String()] = Changed
			}
			a = a.Next()
		}
		changes, end := diff(t, network(dice, old), network(dice, now))
		got := make(map[string]string)
		for _, c := range changes {
			a := c.Address
			for range max(c.Count, 1) {
				if got[a.String()] != "" {
					t.Fatalf("%s is there twice", a)
				}
				got[a.String()] = c.What
				a = a.Next()
			}
			if c.Count > 1 && a.Prev() != c.Last {
				t.Fatalf("%d addresses from %s to %s", c.Count, c.Address, c.Last)
			}
		}
		if !reflect.DeepEqual(got, want) || end.Summary.Targets != compared {
			t.Fatalf("%v\n%v\ngot  %v, %d compared\nwant %v, %d", old, now, got, end.Summary.Targets, want, compared)
		}
	}
}

func TestDiffOfRuns(t *testing.T) {
	old := Stream{Started: Starts("scan"), Ended: Ends(0, nil),
		Findings: []Finding{Span("2001:db8::", "2001:db8::ffff:ffff:ffff:ffff", 1<<63, 417, probe.UDP,
			probe.OpenFiltered, probe.NoResponse, 2)}}
	now := Stream{Started: Starts("scan"), Ended: Ends(0, nil), Findings: []Finding{
		Span("2001:db8::8000:0:0:0", "2001:db8::ffff:ffff:ffff:ffff", 1<<63, 417, probe.UDP, probe.Closed,
			probe.PortUnreach, 1),
		Span("2001:db8::", "2001:db8::7fff:ffff:ffff:ffff", 1<<63, 417, probe.UDP, probe.Closed, probe.PortUnreach, 1),
	}}
	changes, _ := diff(t, old, now)
	if len(changes) != 1 || changes[0].Count != 1<<64-1 ||
		changes[0].Last != netip.MustParseAddr("2001:db8::ffff:ffff:ffff:ffff") {
		t.Errorf("%+v", changes)
	}
}

// TestDoubtfulChanges: what may be no change has low confidence, and
// why.
func TestDoubtfulChanges(t *testing.T) {
	at := probe.Endpoint{Addr: Addr4, Port: 417, Proto: probe.TCP}
	one := func(r probe.Result, e End) Stream {
		r.Endpoint = at
		return Stream{Started: Starts("scan"), Findings: []Finding{r}, Ended: e}
	}
	sure := Ends(1, nil)
	lossy, cut := sure, sure
	lossy.Summary.ExpectedMissed = Ptr(3.0)
	cut.Complete = false
	open := probe.Result{State: probe.Open, Reason: probe.SynAck,
		Details: probe.Details{Service: &probe.Service{Name: "ssh"}}}
	silent := probe.Result{State: probe.Filtered, Reason: probe.NoResponse}
	silentUDP := probe.Result{State: probe.OpenFiltered, Reason: probe.NoResponse}
	noted := silentUDP
	noted.Doubts, noted.Notes = []probe.Doubt{{Kind: probe.DoubtHostLimits}}, []string{"the host limits its ICMP answers"}
	refused := probe.Result{State: probe.Closed, Reason: probe.PortUnreach}
	for _, c := range []struct {
		name     string
		old, now Stream
		want     string
	}{
		{"certain", one(open, sure), one(silent, sure), "vanished high"},
		{"reset in a lossy network", one(open, lossy), one(probe.Result{State: probe.Closed, Reason: probe.Reset},
			lossy), "vanished high"},
		{"silent and lossy", one(open, sure), one(silent, lossy),
			"vanished low [the new report expects to have missed answers]"},
		{"was silent and lossy", one(silent, lossy), one(open, sure),
			"appeared low [the old report expects to have missed answers]"},
		{"cut off", one(open, sure), one(silent, cut), "vanished low [the new report is incomplete]"},
		{"not measured", one(open, sure), one(probe.Result{Error: "no buffers"}, sure),
			"vanished low [the new report could not measure it]"},
		{"silence with a note", one(open, sure), one(noted, sure), "vanished low [the new report has it silent, " +
			"which decides nothing]"},
		{"refused, then silent with a note", one(refused, sure), one(noted, sure), "state low undecided [the new report " +
			"has it silent, which decides nothing]"},
		{"silent where ICMP may be limited, then refused", one(silentUDP, sure), one(refused, sure),
			"state low undecided [the old report has it silent, which decides nothing]"},
		{"reset, then silent", one(probe.Result{State: probe.Closed, Reason: probe.Reset}, sure), one(silent, sure),
			"state high"},
		{"host down", one(open, sure), one(probe.Result{State: probe.Unreachable,
			Doubts: []probe.Doubt{{Kind: probe.DoubtHostDown}}}, sure), "vanished high"},
		{"not sure", one(open, sure), one(probe.Result{State: probe.Closed, Confidence: probe.Low}, sure),
			"vanished low [the new report is not sure of it]"},
		{"not reported", Stream{Started: Starts("scan"), Ended: sure}, one(open, sure),
			"appeared low [the old report does not have it]"},
		{"closed, and absent", Stream{Started: Starts("scan"), Ended: sure}, one(silent, sure), ""},
		{"another service", one(open, sure), one(probe.Result{State: probe.Open, Reason: probe.SynAck,
			Details: probe.Details{Service: &probe.Service{Name: "http"}}}, sure), "service high"},
		{"nobody identified the service", one(open, sure), one(probe.Result{State: probe.Open, Reason: probe.SynAck}, sure),
			""},
	} {
		changes, _ := diff(t, c.old, c.now)
		var got []string
		for _, ch := range changes {
			s := ch.What + " " + string(ch.Confidence)
			if ch.Undecided {
				s += " undecided"
			}
			if ch.Notes != nil {
				s += fmt.Sprint(" ", ch.Notes)
			}
			got = append(got, s)
		}
		if s := strings.Join(got, ";"); s != c.want {
			t.Errorf("%s: %q, want %q", c.name, s, c.want)
		}
	}
}

func TestDiffOfLocalPorts(t *testing.T) {
	verdict := func(port uint16, w local.Word) local.Verdict {
		return local.Verdict{Port: port, Proto: probe.TCP, Verdict: w}
	}
	held := func(port uint16, pid int, names ...string) local.Listener {
		l := Socket(probe.TCP, "::", "dual", "any", port)
		for _, n := range names {
			l.Owners = append(l.Owners, owner.Owner{PID: pid, Name: n})
		}
		return l
	}
	old := Stream{Started: Starts("check"), Ended: Ends(3, nil), Findings: []Finding{
		verdict(80, local.Listening), held(80, 10, "nginx"), verdict(81, local.Listening), verdict(82, local.Free),
		verdict(83, local.Bound), verdict(84, local.Free)}}
	now := Stream{Started: Starts("check"), Ended: Ends(3, nil), Findings: []Finding{
		verdict(85, local.Listening), verdict(84, local.Unknown), verdict(83, local.Connected),
		verdict(82, local.Listening),
		held(82, 3, "x"), verdict(80, local.Listening), held(80, 99, "caddy")}}
	changes, end := diff(t, old, now)
	var got []string
	for _, c := range changes {
		got = append(got, fmt.Sprint(c.What, " ", c.Port, " ", c.Old, ">", c.New, " ", c.Confidence))
	}
	want := []string{"vanished 81 listening>not reported low", "appeared 82 free>listening high",
		"state 83 bound>connected high", "state 84 free>unknown low",
		"appeared 85 not reported>listening low", "owner 80 nginx>caddy high"}
	if !slices.Equal(got, want) || end.Summary.Targets != 4 {
		t.Errorf("%d compared\ngot  %v\nwant %v", end.Summary.Targets, got, want)
	}
	if same, _ := diff(t, old, old); same != nil {
		t.Errorf("a report differs from itself: %v", same)
	}
}

// One report may have the names of processes as the kernel cuts them.
func TestDiffOfCutNames(t *testing.T) {
	report := func(name string) Stream {
		l := Socket(probe.TCP, "::", "dual", "any", 80)
		l.Owners = []owner.Owner{{PID: 1, Name: name}}
		return Stream{Started: Starts("check"), Ended: Ends(1, nil), Findings: []Finding{
			local.Verdict{Port: 80, Proto: probe.TCP, Verdict: local.Listening}, l}}
	}
	if changes, _ := diff(t, report("postgres_export"), report("postgres_exporter")); changes != nil {
		t.Errorf("%v", changes)
	}
	if changes, _ := diff(t, report("postgres_backup"), report("postgres_exporter")); len(changes) != 1 {
		t.Errorf("%v", changes)
	}
}

// TestDiffOfSockets: a port that listens on another address, too, has changed.
func TestDiffOfSockets(t *testing.T) {
	report := func(addrs ...string) Stream {
		s := Stream{Started: Starts("check"), Ended: Ends(1, nil),
			Findings: []Finding{local.Verdict{Port: 80, Proto: probe.TCP, Verdict: local.Listening}}}
		for _, a := range addrs {
			s.Findings = append(s.Findings, Socket(probe.TCP, a, "ipv4", "any", 80))
		}
		return s
	}
	changes, _ := diff(t, report("127.0.0.1", "10.0.0.1"), report("0.0.0.0", "10.0.0.1"))
	var got []string
	for _, c := range changes {
		got = append(got, fmt.Sprint(c.What, " ", c.Address, " ", c.Old, ">", c.New, " ", c.Confidence))
	}
	if want := []string{"appeared 0.0.0.0 not there>listening high",
		"vanished 127.0.0.1 listening>not there high"}; !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// TestServiceDetails: the same service with more or less detail is no change.
func TestServiceDetails(t *testing.T) {
	service := func(name, product, version string) Stream {
		return Stream{Started: Starts("scan"), Ended: Ends(1, nil), Findings: []Finding{probe.Result{
			Endpoint: probe.Endpoint{Addr: Addr4, Port: 417, Proto: probe.TCP}, State: probe.Open, Reason: probe.SynAck,
			Details: probe.Details{Service: &probe.Service{Name: name, Product: product, Version: version}}}}}
	}
	type one struct{ name, product, version string }
	for _, c := range []struct {
		a, b one
		want string // what changed, and how certain that is
	}{
		{one{"ssh", "OpenSSH", "9.2p1"}, one{"ssh", "OpenSSH", "9.2p1 Debian 2+deb12u3"}, ""},
		{one{"http", "SimpleHTTP", "0.6"}, one{"http", "SimpleHTTPServer", "0.6"}, ""},
		{one{"https", "nginx", "1.22.1"}, one{"http", "nginx", ""}, ""},
		{one{"dns", "", ""}, one{"domain", "ISC BIND", "9.18.1"}, ""},
		{one{"smb", "Samba smbd", "4"}, one{"netbios-ssn", "Samba smbd", "4"}, ""},
		{one{"ssh", "OpenSSH", "9.2"}, one{"ssh", "OpenSSH", "9.22"}, "service high"},
		{one{"http", "nginx", "1.2"}, one{"http", "nginx", "1.2.1"}, "service high"},
		{one{"ssh", "OpenSSH", "9.2p1 Debian 2"}, one{"ssh", "OpenSSH", "9.2p1 Debian 3"}, "service high"},
		{one{"http", "nginx", ""}, one{"http", "Apache httpd", ""}, "service high"},
		{one{"http", "", ""}, one{"ssh", "", ""}, "service high"},
		{one{"http", "nginx", ""}, one{"unknown", "", ""}, "service low"},
	} {
		for _, pair := range [][2]one{{c.a, c.b}, {c.b, c.a}} {
			changes, _ := diff(t, service(pair[0].name, pair[0].product, pair[0].version),
				service(pair[1].name, pair[1].product, pair[1].version))
			got := ""
			for _, ch := range changes {
				got += ch.What + " " + string(ch.Confidence)
			}
			if got != c.want {
				t.Errorf("%v: %q, want %q", pair, got, c.want)
			}
		}
	}
}
