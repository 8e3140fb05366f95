package nmap_test

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"

	"onmux/probe"
	"onmux/probe/nettest/race"
	. "onmux/report"
	"onmux/report/compare"
	. "onmux/report/record"
	. "onmux/report/reporttest"
	"onmux/scan"
)

func nmapOf(t *testing.T, o Options, findings ...Finding) string {
	t.Helper()
	var b strings.Builder
	h, err := New("nmap-xml", &b, o)
	if err != nil {
		t.Fatal(err)
	}
	Stream{Started: Starts("scan"), Findings: findings, Ended: Ends(1, nil)}.Replay(t, h)
	return b.String()
}

// TestNmapRangesWithDashes: what stands in a comment must not end it.
func TestNmapRangesWithDashes(t *testing.T) {
	first := netip.MustParseAddr("fe80::1%a---->b")
	out := nmapOf(t, Options{}, scan.Range{First: first, Last: first, Count: 1 << 20, Port: 417, Proto: probe.TCP,
		State: probe.Filtered})
	for d := xml.NewDecoder(strings.NewReader(out)); ; {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
}

// TestNmapNames: a port's registered name is marked as one from a table.
func TestNmapNames(t *testing.T) {
	e := probe.Endpoint{Addr: netip.MustParseAddr("10.0.0.1"), Port: 417, Proto: probe.TCP}
	o := Options{PortName: func(p probe.Port) string { return map[uint16]string{417: "onmux"}[p.Number] }}
	for _, c := range []struct {
		r    probe.Result
		want string
	}{
		{probe.Result{Endpoint: e, State: probe.Open}, `<service name="onmux" method="table" conf="3"/>`},
		{probe.Result{Endpoint: e, State: probe.Open, Details: probe.Details{Service: &probe.Service{Name: "unknown"}}},
			`<service name="onmux" method="table" conf="3"/>`},
		{probe.Result{Endpoint: e, State: probe.Open,
			Details: probe.Details{Service: &probe.Service{Name: "ssh", Confidence: probe.High}}},
			`<service name="ssh" method="probed" conf="10"/>`},
	} {
		out := nmapOf(t, o, c.r)
		if !strings.Contains(out, c.want) {
			t.Errorf("no %s in\n%s", c.want, out)
		}
		var saved compare.Saved
		if err := Replay(strings.NewReader(out), &saved); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
	// node-nmap 4 needs the element for what is open.
	if out := nmapOf(t, Options{}, probe.Result{Endpoint: e, State: probe.Open}); !strings.Contains(out,
		`<service name="unknown" method="table" conf="3"/>`) {
		t.Errorf("an open port without a service in\n%s", out)
	}
	if out := nmapOf(t, Options{}, probe.Result{Endpoint: e, State: probe.Closed}); strings.Contains(out, "<service") {
		t.Errorf("a name of no table in\n%s", out)
	}
}

// TestNmapDTD holds a report against nmap's own DTD where there are the tools.
func TestNmapDTD(t *testing.T) {
	const dtd = "/usr/share/nmap/nmap.dtd"
	lint, err := exec.LookPath("xmllint")
	if err != nil || exec.Command("test", "-r", dtd).Run() != nil {
		t.Skip("needs xmllint and nmap.dtd")
	}
	e := probe.Endpoint{Addr: netip.MustParseAddr("2001:db8::1"), Port: 417, Proto: probe.UDP}
	out := nmapOf(t, Options{}, probe.Result{Endpoint: e, Origin: probe.Origin{Host: "h<o>st"},
		State:  probe.Unreachable,
		Reason: probe.NoNeighbor, RTT: 1, Responder: e.Addr,
		Notes: []string{"a\x1bnote"}, Details: probe.Details{Service: &probe.Service{Name: "]]>", Product: "&",
			Version:    "\"",
			Confidence: probe.Low}}})
	cmd := exec.Command(lint, "--noout", "--dtdvalid", dtd, "-")
	cmd.Stdin = strings.NewReader(strings.Replace(out, `scanner="onmux"`, `scanner="nmap"`, 1))
	if message, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s\n%s", err, message, out)
	}
}

// TestNmapHasAPortOnce: ndiff takes a port that is there twice for two.
func TestNmapHasAPortOnce(t *testing.T) {
	at := probe.Endpoint{Addr: Addr4, Port: 417, Proto: probe.TCP}
	s := Stream{Started: Starts("probe"), Ended: Ends(2, nil), Findings: []Finding{
		probe.Result{Endpoint: at, State: probe.Closed, Reason: probe.Reset},
		probe.Result{Endpoint: at, State: probe.Open, Reason: probe.SynAck},
	}}
	r := NewRecorder()
	if err := Replay(bytes.NewReader(s.Write(t, "nmap-xml")), r); err != nil {
		t.Fatal(err)
	}
	if len(r.Findings) != 1 || r.Findings[0].(probe.Result).State != probe.Open {
		t.Errorf("not the last alone: %+v", r.Findings)
	}
}

// TestNmapOfMixedStreams: whatever the order of endpoints and ranges, every endpoint stands
// once, in order, with what was last stated of it; ranges count as after all endpoints.
func TestNmapOfMixedStreams(t *testing.T) {
	dice := rand.New(rand.NewPCG(4, 2))
	states := []probe.State{probe.Open, probe.Closed, probe.Filtered}
	reasons := []probe.Reason{probe.SynAck, probe.Reset, probe.NoResponse}
	for range 100 / race.Nth {
		endpoints, ranges := make(map[probe.Endpoint]probe.State), make(map[probe.Endpoint]probe.State)
		s := Stream{Started: Starts("scan"), Ended: Ends(1, nil)}
		for range dice.IntN(300) {
			k := dice.IntN(3)
			at := probe.Endpoint{Addr: netip.AddrFrom4([4]byte{10, 0, 0, byte(dice.IntN(20))}),
				Port: uint16(1 + dice.IntN(3)), Proto: probe.Protos()[dice.IntN(2)]}
			if dice.IntN(4) > 0 {
				s.Findings = append(s.Findings, probe.Result{Endpoint: at, State: states[k], Reason: reasons[k],
					RTT: probe.Millis(dice.IntN(1e7)), TTL: uint8(dice.IntN(3))})
				endpoints[at] = states[k]
				continue
			}
			r := scan.Range{First: at.Addr, Last: at.Addr, Port: at.Port, Proto: at.Proto, State: states[k],
				Reason: reasons[k]}
			for r.Count = 1; ; r.Count++ {
				ranges[probe.Endpoint{Addr: r.Last, Port: at.Port, Proto: at.Proto}] = states[k]
				if dice.IntN(3) == 0 {
					break
				}
				r.Last = r.Last.Next()
			}
			s.Findings = append(s.Findings, r)
		}
		maps.Copy(endpoints, ranges)
		got := NewRecorder()
		if err := Replay(bytes.NewReader(s.Write(t, "nmap-xml")), got); err != nil {
			t.Fatal(err)
		}
		if len(got.Findings) != len(endpoints) {
			t.Fatalf("%d endpoints, want %d", len(got.Findings), len(endpoints))
		}
		var before probe.Endpoint
		for i, f := range got.Findings {
			r := f.(probe.Result)
			if want := endpoints[r.Endpoint]; r.State != want {
				t.Fatalf("%s is %s, want %s", r.Endpoint, r.State, want)
			}
			if c := cmp.Or(r.Addr.Compare(before.Addr), cmp.Compare(r.Proto, before.Proto),
				cmp.Compare(r.Port, before.Port)); i > 0 && c <= 0 {
				t.Fatalf("%s stands behind %s", r.Endpoint, before)
			}
			before = r.Endpoint
		}
	}
}

// TestNmapHosts: all that is known of a host stands in one host element, in the
// order of the addresses, whatever the order in which it was found.
func TestNmapHosts(t *testing.T) {
	s := Empty()
	a := netip.MustParseAddr("192.0.2.255")
	s.Findings = []Finding{
		probe.Result{Endpoint: probe.Endpoint{Addr: a.Next(), Port: 417, Proto: probe.UDP}, State: probe.Unreachable,
			Reason: probe.NoNeighbor},
		probe.Result{Endpoint: probe.Endpoint{Addr: a, Port: 417, Proto: probe.UDP}, State: probe.OpenFiltered,
			Reason: probe.NoResponse},
		probe.Result{Endpoint: probe.Endpoint{Addr: Addr4, Port: 417, Proto: probe.TCP}, State: probe.Open,
			Reason: probe.SynAck},
		Span("192.0.2.255", "192.0.3.1", 3, 417, probe.TCP, probe.Closed, probe.Reset, 1),
		Span("10.0.0.0", "10.1.255.255", 1<<17, 417, probe.TCP, probe.Filtered, probe.NoResponse, 1),
	}
	var run struct {
		Hosts []struct {
			Status struct {
				State string `xml:"state,attr"`
			} `xml:"status"`
			Address struct {
				Addr string `xml:"addr,attr"`
			} `xml:"address"`
			Ports []struct {
				Proto string `xml:"protocol,attr"`
				State struct {
					State string `xml:"state,attr"`
				} `xml:"state"`
			} `xml:"ports>port"`
		} `xml:"host"`
	}
	out := s.Write(t, "nmap-xml")
	if err := xml.Unmarshal(out, &run); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, h := range run.Hosts {
		line := h.Address.Addr + " " + h.Status.State
		for _, p := range h.Ports {
			line += " " + p.Proto + ":" + p.State.State
		}
		got = append(got, line)
	}
	want := []string{"192.0.2.1 up tcp:open", "192.0.2.255 up tcp:closed udp:open|filtered",
		"192.0.3.0 up tcp:closed udp:filtered", "192.0.3.1 up tcp:closed"}
	if !reflect.DeepEqual(got, want) || !bytes.Contains(out,
		[]byte("<!-- 10.0.0.0 to 10.1.255.255, port 417/tcp: 131072 addresses are filtered")) {
		t.Errorf("got\n%s\nwant\n%s\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"), out)
	}
}

// TestReplayNmap reads what nmap 7.93 wrote.
func TestReplayNmap(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("testdata/nmap.xml")
	if err != nil {
		t.Fatal(err)
	}
	r := NewRecorder()
	if err := Replay(bytes.NewReader(b), r); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range r.Findings {
		p := f.(probe.Result)
		line := fmt.Sprint(p.Endpoint, " ", p.Host, " ", p.State, " ", p.Reason)
		if p.Service != nil {
			line += " " + strings.Join([]string{p.Service.Name, p.Service.Product, p.Service.Version,
				string(p.Service.Confidence)}, "/")
		}
		got = append(got, line)
	}
	want := strings.Split(strings.TrimSpace(nmapFindings), "\n")
	if !slices.Equal(got, want) || !r.Ended.Complete || r.Started.Version != "nmap 7.93" ||
		r.Started.Started.Year() != 2026 || r.Ended.Summary.Targets != uint64(len(got)) {
		t.Errorf("%+v %+v\ngot\n%s\nwant\n%s", r.Started, r.Ended, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for n := range len(bytes.TrimSpace(b)) {
		cut := NewRecorder()
		if err := Replay(bytes.NewReader(b[:n]), cut); err != nil && cut.Starts > 0 || cut.Starts != cut.Ends ||
			cut.Ended.Complete {
			t.Fatalf("cut at byte %d: %v, %d starts, %d ends", n, err, cut.Starts, cut.Ends)
		}
	}
}

// TestReplayNmapFolded: ports that nmap reports together are read one by one.
func TestReplayNmapFolded(t *testing.T) {
	xml := func(extra string) string {
		return `<nmaprun scanner="nmap" start="1" version="7.93"><host><status state="up"/><address addr="10.0.0.1" ` +
			`addrtype="ipv4"/><ports>` + extra +
			`<port protocol="tcp" portid="22"><state state="open" reason="syn-ack"/></port></ports></host>` +
			`<runstats><finished time="2" exit="success"/></runstats></nmaprun>`
	}
	for name, c := range map[string]struct{ extra, want, coverage string }{
		"reset": {`<extraports state="closed" count="4"><extrareasons reason="resets" count="4" proto="tcp" ` +
			`ports="20-21,23,80"/></extraports>`,
			"22 open syn-ack, 20 closed reset, 21 closed reset, 23 closed reset, 80 closed reset", ""},
		"two reasons": {`<extraports state="filtered" count="2"><extrareasons reason="no-responses" count="1" ` +
			`proto="tcp" ports="20"/><extrareasons reason="admin-prohibiteds" count="1" proto="tcp" ` +
			`ports="21"/></extraports>`, "22 open syn-ack, 20 filtered no-response, 21 filtered admin-prohibited", ""},
		"udp": {`<extraports state="closed" count="1"><extrareasons reason="port-unreaches" count="1" ` +
			`proto="udp" ports="417"/></extraports>`, "22 open syn-ack, 417 closed port-unreach", ""},
		"unreachable": {`<extraports state="filtered" count="1"><extrareasons reason="host-unreaches" count="1" ` +
			`proto="tcp" ports="417"/></extraports>`, "22 open syn-ack, 417 unreachable host-unreach", ""},
		"no numbers": {`<extraports state="closed" count="997"><extrareasons reason="resets" ` +
			`count="997"/></extraports>`, "22 open syn-ack", "ports that nmap counted without naming them: 997"},
		"another kind": {`<extraports state="closed" count="1"><extrareasons reason="resets" count="1" proto="sctp" ` +
			`ports="9"/></extraports>`, "22 open syn-ack", "not read: ports of other protocols than TCP and UDP: 1"},
		"nonsense": {`<extraports state="closed" count="3"><extrareasons reason="" count="3" proto="tcp" ` +
			`ports="9-1,x,70000,5-"/></extraports>`, "22 open syn-ack",
			"ports that nmap counted without naming them: 3"},
	} {
		r := NewRecorder()
		if err := Replay(strings.NewReader(xml(c.extra)), r); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var got []string
		for _, f := range r.Findings {
			p := f.(probe.Result)
			got = append(got, fmt.Sprint(p.Port, " ", p.State, " ", p.Reason))
		}
		if s := strings.Join(got, ", "); s != c.want || c.coverage != "" && !slices.Contains(r.Ended.Coverage,
			c.coverage) || c.coverage == "" && len(r.Ended.Coverage) != 1 {
			t.Errorf("%s: %s; %q", name, s, r.Ended.Coverage)
		}
	}
	all := strings.Repeat("0-65535,", 1000)
	if err := Replay(strings.NewReader(xml(`<extraports state="closed" count="1"><extrareasons reason="resets" `+
		`count="1" proto="sctp" ports="`+all+`"/></extraports>`)), NewRecorder()); err == nil {
		t.Error("a host with more ports than there are is believed")
	}
}

// TestNmapThereAndBack: what our XML has is what we read from it.
func TestNmapThereAndBack(t *testing.T) {
	s := Stream{Started: Starts("scan"), Ended: Ends(4, nil), Findings: []Finding{
		probe.Result{Endpoint: probe.Endpoint{Addr: Addr4, Port: 417, Proto: probe.TCP},
			Origin: probe.Origin{Host: "a.example"},
			State:  probe.Open, Reason: probe.SynAck, TTL: 64,
			Details: probe.Details{Service: &probe.Service{Name: "ssh", Product: "OpenSSH", Version: "9.2p1",
				Confidence: probe.High}}},
		probe.Result{Endpoint: probe.Endpoint{Addr: Addr4, Port: 417, Proto: probe.UDP},
			Origin: probe.Origin{Host: "a.example"},
			State:  probe.OpenFiltered, Reason: probe.NoResponse},
		probe.Result{Endpoint: probe.Endpoint{Addr: Addr4.Next(), Port: 417, Proto: probe.TCP}, State: probe.Filtered,
			Reason: probe.AdminProhibited, Responder: Addr4},
		probe.Result{Endpoint: probe.Endpoint{Addr: netip.MustParseAddr("2001:db8::1"), Port: 417, Proto: probe.TCP},
			State: probe.Closed, Reason: probe.Reset},
	}}
	r := NewRecorder()
	if err := Replay(bytes.NewReader(s.Write(t, "nmap-xml")), r); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(r.Findings, s.Findings) {
		t.Errorf("got\n%+v\nwant\n%+v", r.Findings, s.Findings)
	}
	var before, after compare.Saved
	s.Replay(t, &before)
	r.Stream.Replay(t, &after)
	_, err := compare.Diff(&before, &after, func(f Finding) error { return fmt.Errorf("%+v", f) })
	if err != nil {
		t.Error(err)
	}
}

const nmapFindings = `
127.0.0.1:417/tcp  closed reset
127.0.0.1:2222/tcp  open syn-ack ssh/OpenSSH/9.2p1 Debian 2+deb12u10/high
127.0.0.2:417/tcp  closed reset
127.0.0.2:2222/tcp  closed reset
`

// TestReadAgain: what is read names the command that wrote it, and with which arguments where that is
// certain. What has no endpoints of its own is read as a scan.
func TestReadAgain(t *testing.T) {
	for _, c := range []struct {
		command string
		args    []string
		want    string
		read    []string
	}{
		{"scan", []string{"scan", "10.0.0.0/24", "-p", "80"}, "scan", []string{"scan", "10.0.0.0/24", "-p", "80"}},
		{"probe", []string{"probe", "db1:5432"}, "probe", []string{"probe", "db1:5432"}},
		{"watch", []string{"watch", "a b.pcap"}, "watch", nil},
		{"merge", nil, "merge", []string{"merge"}},
		{"check", []string{"check", "80"}, "scan", []string{"check", "80"}},
	} {
		s := Stream{Started: Starts(c.command), Ended: Ends(0, nil)}
		s.Started.Args = c.args
		r := NewRecorder()
		if err := Replay(bytes.NewReader(s.Write(t, "nmap-xml")), r); err != nil {
			t.Fatal(err)
		}
		if r.Started.Command != c.want || !slices.Equal(r.Started.Args, c.read) {
			t.Errorf("%q is read as %s, %q", c.args, r.Started.Command, r.Started.Args)
		}
	}
	for _, args := range []string{"onmux", "", "nmap watch", "onmux"} {
		r := NewRecorder()
		err := Replay(strings.NewReader(`<nmaprun scanner="onmux" args="`+args+`"></nmaprun>`), r)
		if err != nil || r.Started.Command != "scan" || r.Started.Args != nil {
			t.Errorf("%q is read as %s, %q, %v", args, r.Started.Command, r.Started.Args, err)
		}
	}
}
