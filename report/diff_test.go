package report_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"onmux/probe"
	"onmux/probe/local"
	. "onmux/report"
	. "onmux/report/compare"
	. "onmux/report/record"
	"onmux/scan"
)

func save(t testing.TB, s stream) *Saved {
	t.Helper()
	var saved Saved
	s.tell(t, &saved)
	return &saved
}

func diff(t testing.TB, old, now stream) ([]Change, End) {
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
// none, told singly or as ranges as the dice fall, and in any order.
func network(dice *rand.Rand, states []probe.State) stream {
	s := stream{start: starts("scan"), end: ends(uint64(len(states)), nil)}
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
		case states[i] == untold:
		case j == i+1 && dice.IntN(2) == 0:
			s.findings = append(s.findings, probe.Result{Endpoint: probe.Endpoint{Addr: addrs[i], Port: 417, Proto: probe.TCP}, State: states[i]})
		default:
			s.findings = append(s.findings, scan.Range{First: addrs[i], Last: addrs[j-1], Count: uint64(j - i), Port: 417, Proto: probe.TCP, State: states[i]})
		}
		i = j
	}
	dice.Shuffle(len(s.findings), func(i, j int) { s.findings[i], s.findings[j] = s.findings[j], s.findings[i] })
	return s
}

const untold probe.State = 99

// TestDiffIsThatOfEachAddress compares with what one would do by hand: look at
// each address in both.
func TestDiffIsThatOfEachAddress(t *testing.T) {
	dice := rand.New(rand.NewPCG(4, 17))
	choice := []probe.State{probe.Open, probe.Closed, probe.Filtered, untold}
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
			if old[i] != untold && now[i] != untold {
				compared++
			}
			switch {
			case now[i] == old[i] || now[i] == untold && old[i] != probe.Open || old[i] == untold && now[i] != probe.Open:
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
					t.Fatalf("%s is told twice", a)
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
	old := stream{start: starts("scan"), end: ends(0, nil), findings: []Finding{span("2001:db8::", "2001:db8::ffff:ffff:ffff:ffff", 1<<63, 417, probe.UDP, probe.OpenFiltered, probe.NoResponse, 2)}}
	now := stream{start: starts("scan"), end: ends(0, nil), findings: []Finding{
		span("2001:db8::8000:0:0:0", "2001:db8::ffff:ffff:ffff:ffff", 1<<63, 417, probe.UDP, probe.Closed, probe.PortUnreach, 1),
		span("2001:db8::", "2001:db8::7fff:ffff:ffff:ffff", 1<<63, 417, probe.UDP, probe.Closed, probe.PortUnreach, 1),
	}}
	changes, _ := diff(t, old, now)
	if len(changes) != 1 || changes[0].Count != 1<<64-1 || changes[0].Last != netip.MustParseAddr("2001:db8::ffff:ffff:ffff:ffff") {
		t.Errorf("%+v", changes)
	}
}

// TestDoubtfulChanges: what may be no change is told with low confidence, and
// why.
func TestDoubtfulChanges(t *testing.T) {
	at := probe.Endpoint{Addr: addr4, Port: 417, Proto: probe.TCP}
	one := func(r probe.Result, e End) stream {
		r.Endpoint = at
		return stream{start: starts("scan"), findings: []Finding{r}, end: e}
	}
	sure := ends(1, nil)
	lossy, cut := sure, sure
	lossy.Summary.ExpectedMissed = ptr(3.0)
	cut.Complete = false
	open := probe.Result{State: probe.Open, Reason: probe.SynAck, Service: &probe.Service{Name: "ssh"}}
	silent := probe.Result{State: probe.Filtered, Reason: probe.NoResponse}
	for _, c := range []struct {
		name     string
		old, now stream
		want     string
	}{
		{"certain", one(open, sure), one(silent, sure), "vanished high"},
		{"reset in a lossy network", one(open, lossy), one(probe.Result{State: probe.Closed, Reason: probe.Reset}, lossy), "vanished high"},
		{"silent and lossy", one(open, sure), one(silent, lossy), "vanished low [the new report expects to have missed answers]"},
		{"was silent and lossy", one(silent, lossy), one(open, sure), "appeared low [the old report expects to have missed answers]"},
		{"cut off", one(open, sure), one(silent, cut), "vanished low [the new report is incomplete]"},
		{"not measured", one(open, sure), one(probe.Result{Error: "no buffers"}, sure), "vanished low [the new report could not measure it]"},
		{"not sure", one(open, sure), one(probe.Result{State: probe.Closed, Confidence: probe.Low}, sure), "vanished low [the new report is not sure of it]"},
		{"not told", stream{start: starts("scan"), end: sure}, one(open, sure), "appeared low [the old report does not tell of it]"},
		{"closed, and not told", stream{start: starts("scan"), end: sure}, one(silent, sure), ""},
		{"another service", one(open, sure), one(probe.Result{State: probe.Open, Reason: probe.SynAck, Service: &probe.Service{Name: "http"}}, sure), "service high"},
		{"nobody asked what speaks", one(open, sure), one(probe.Result{State: probe.Open, Reason: probe.SynAck}, sure), ""},
	} {
		changes, _ := diff(t, c.old, c.now)
		var got []string
		for _, ch := range changes {
			s := ch.What + " " + string(ch.Confidence)
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
		l := socket(probe.TCP, "::", "dual", "any", port)
		for _, n := range names {
			l.Owners = append(l.Owners, local.Owner{PID: pid, Name: n})
		}
		return l
	}
	old := stream{start: starts("check"), end: ends(3, nil), findings: []Finding{
		verdict(80, local.Listening), held(80, 10, "nginx"), verdict(81, local.Listening), verdict(82, local.Free), verdict(83, local.Bound), verdict(84, local.Free)}}
	now := stream{start: starts("check"), end: ends(3, nil), findings: []Finding{
		verdict(85, local.Listening), verdict(84, local.Unknown), verdict(83, local.Connected), verdict(82, local.Listening),
		held(82, 3, "x"), verdict(80, local.Listening), held(80, 99, "caddy")}}
	changes, end := diff(t, old, now)
	var got []string
	for _, c := range changes {
		got = append(got, fmt.Sprint(c.What, " ", c.Port, " ", c.Old, ">", c.New, " ", c.Confidence))
	}
	want := []string{"vanished 81 listening>not told low", "appeared 82 free>listening high", "state 83 bound>connected high", "state 84 free>unknown low",
		"appeared 85 not told>listening low", "owner 80 nginx>caddy high"}
	if !slices.Equal(got, want) || end.Summary.Targets != 4 {
		t.Errorf("%d compared\ngot  %v\nwant %v", end.Summary.Targets, got, want)
	}
	if same, _ := diff(t, old, old); same != nil {
		t.Errorf("a report differs from itself: %v", same)
	}
}

// TestDiffOfSockets: a port that listens on another address, too, has changed.
func TestDiffOfSockets(t *testing.T) {
	report := func(addrs ...string) stream {
		s := stream{start: starts("check"), end: ends(1, nil), findings: []Finding{local.Verdict{Port: 80, Proto: probe.TCP, Verdict: local.Listening}}}
		for _, a := range addrs {
			s.findings = append(s.findings, socket(probe.TCP, a, "ipv4", "any", 80))
		}
		return s
	}
	changes, _ := diff(t, report("127.0.0.1", "10.0.0.1"), report("0.0.0.0", "10.0.0.1"))
	var got []string
	for _, c := range changes {
		got = append(got, fmt.Sprint(c.What, " ", c.Address, " ", c.Old, ">", c.New, " ", c.Confidence))
	}
	if want := []string{"appeared 0.0.0.0 not there>listening high", "vanished 127.0.0.1 listening>not there high"}; !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// TestReplayNmap reads what nmap 7.93 wrote.
func TestReplayNmap(t *testing.T) {
	b, err := os.ReadFile("testdata/nmap.xml")
	if err != nil {
		t.Fatal(err)
	}
	r := newRecorder()
	if err := Replay(bytes.NewReader(b), r); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range r.findings {
		p := f.(probe.Result)
		line := fmt.Sprint(p.Endpoint, " ", p.Host, " ", p.State, " ", p.Reason)
		if p.Service != nil {
			line += " " + strings.Join([]string{p.Service.Name, p.Service.Product, p.Service.Version, string(p.Service.Confidence)}, "/")
		}
		got = append(got, line)
	}
	want := strings.Split(strings.TrimSpace(nmapFindings), "\n")
	if !slices.Equal(got, want) || !r.end.Complete || r.start.Version != "nmap 7.93" || r.start.Started.Year() != 2026 || r.end.Summary.Targets != uint64(len(got)) {
		t.Errorf("%+v %+v\ngot\n%s\nwant\n%s", r.start, r.end, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for n := range len(bytes.TrimSpace(b)) {
		cut := newRecorder()
		if err := Replay(bytes.NewReader(b[:n]), cut); err != nil && cut.starts > 0 || cut.starts != cut.ends || cut.end.Complete {
			t.Fatalf("cut at byte %d: %v, %d starts, %d ends", n, err, cut.starts, cut.ends)
		}
	}
}

// TestReplayNmapFolded: ports that nmap told together are told one by one.
func TestReplayNmapFolded(t *testing.T) {
	xml := func(extra string) string {
		return `<nmaprun scanner="nmap" start="1" version="7.93"><host><status state="up"/><address addr="10.0.0.1" addrtype="ipv4"/><ports>` + extra +
			`<port protocol="tcp" portid="22"><state state="open" reason="syn-ack"/></port></ports></host>` +
			`<runstats><finished time="2" exit="success"/></runstats></nmaprun>`
	}
	for name, c := range map[string]struct{ extra, want, coverage string }{
		"reset":        {`<extraports state="closed" count="4"><extrareasons reason="resets" count="4" proto="tcp" ports="20-21,23,80"/></extraports>`, "22 open syn-ack, 20 closed reset, 21 closed reset, 23 closed reset, 80 closed reset", ""},
		"two reasons":  {`<extraports state="filtered" count="2"><extrareasons reason="no-responses" count="1" proto="tcp" ports="20"/><extrareasons reason="admin-prohibiteds" count="1" proto="tcp" ports="21"/></extraports>`, "22 open syn-ack, 20 filtered no-response, 21 filtered admin-prohibited", ""},
		"udp":          {`<extraports state="closed" count="1"><extrareasons reason="port-unreaches" count="1" proto="udp" ports="417"/></extraports>`, "22 open syn-ack, 417 closed port-unreach", ""},
		"unreachable":  {`<extraports state="filtered" count="1"><extrareasons reason="host-unreaches" count="1" proto="tcp" ports="417"/></extraports>`, "22 open syn-ack, 417 unreachable host-unreach", ""},
		"no numbers":   {`<extraports state="closed" count="997"><extrareasons reason="resets" count="997"/></extraports>`, "22 open syn-ack", "ports that nmap counted without saying which: 997"},
		"another kind": {`<extraports state="closed" count="1"><extrareasons reason="resets" count="1" proto="sctp" ports="9"/></extraports>`, "22 open syn-ack", ""},
		"nonsense":     {`<extraports state="closed" count="3"><extrareasons reason="" count="3" proto="tcp" ports="9-1,x,70000,5-"/></extraports>`, "22 open syn-ack", "ports that nmap counted without saying which: 3"},
	} {
		r := newRecorder()
		if err := Replay(strings.NewReader(xml(c.extra)), r); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var got []string
		for _, f := range r.findings {
			p := f.(probe.Result)
			got = append(got, fmt.Sprint(p.Port, " ", p.State, " ", p.Reason))
		}
		if s := strings.Join(got, ", "); s != c.want || c.coverage != "" && !slices.Contains(r.end.Coverage, c.coverage) || c.coverage == "" && len(r.end.Coverage) != 1 {
			t.Errorf("%s: %s; %q", name, s, r.end.Coverage)
		}
	}
	all := strings.Repeat("0-65535,", 1000)
	if err := Replay(strings.NewReader(xml(`<extraports state="closed" count="1"><extrareasons reason="resets" count="1" proto="sctp" ports="`+all+`"/></extraports>`)), newRecorder()); err == nil {
		t.Error("a host with more ports than there are is believed")
	}
}

const nmapFindings = `
127.0.0.1:417/tcp  closed reset
127.0.0.1:2222/tcp  open syn-ack ssh/OpenSSH/9.2p1 Debian 2+deb12u10/high
127.0.0.2:417/tcp  closed reset
127.0.0.2:2222/tcp  closed reset
`

// TestNmapThereAndBack: what our XML says is what we read from it.
func TestNmapThereAndBack(t *testing.T) {
	s := stream{start: starts("scan"), end: ends(4, nil), findings: []Finding{
		probe.Result{Endpoint: probe.Endpoint{Addr: addr4, Port: 417, Proto: probe.TCP}, Host: "a.example", State: probe.Open, Reason: probe.SynAck, TTL: 64,
			Service: &probe.Service{Name: "ssh", Product: "OpenSSH", Version: "9.2p1", Confidence: probe.High}},
		probe.Result{Endpoint: probe.Endpoint{Addr: addr4, Port: 417, Proto: probe.UDP}, Host: "a.example", State: probe.OpenFiltered, Reason: probe.NoResponse},
		probe.Result{Endpoint: probe.Endpoint{Addr: addr4.Next(), Port: 417, Proto: probe.TCP}, State: probe.Filtered, Reason: probe.AdminProhibited, Responder: addr4},
		probe.Result{Endpoint: probe.Endpoint{Addr: netip.MustParseAddr("2001:db8::1"), Port: 417, Proto: probe.TCP}, State: probe.Closed, Reason: probe.Reset},
	}}
	r := newRecorder()
	if err := Replay(bytes.NewReader(s.write(t, "nmap-xml")), r); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(r.findings, s.findings) {
		t.Errorf("got\n%+v\nwant\n%+v", r.findings, s.findings)
	}
	if changes, _ := diff(t, s, r.stream); changes != nil {
		t.Errorf("%v", changes)
	}
}
