package html_test

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"onmux/probe"
	"onmux/probe/traffic"
	. "onmux/report"
	. "onmux/report/record"
	. "onmux/report/reporttest"
	"onmux/scan"
	"onmux/scan/control"
	"onmux/scan/wire"
)

// TestPagePolicy: the policy in the head allows the style and the script that
// stand in the page, and nothing from anywhere.
func TestPagePolicy(t *testing.T) {
	out := string(Sample().Write(t, "html"))
	policy := regexp.MustCompile(`Content-Security-Policy" content="([^"]*)"`).FindStringSubmatch(out)
	if policy == nil {
		t.Fatal("no policy")
	}
	rules := html.UnescapeString(policy[1])
	if !strings.HasPrefix(rules, "default-src 'none';") || strings.Contains(rules, "unsafe") ||
		strings.Contains(rules, "http") {
		t.Error(rules)
	}
	for what, re := range map[string]string{"style-src": `(?s)<style>(.*?)</style>`,
		"script-src": `(?s)<script>(.*?)</script>`} {
		all := regexp.MustCompile(re).FindAllStringSubmatch(out, -1)
		if len(all) != 1 {
			t.Fatalf("%d elements for %s", len(all), what)
		}
		sum := sha256.Sum256([]byte(all[0][1]))
		if want := what + " 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(rules,
			want) {
			t.Errorf("%q is not allowed by %q", want, rules)
		}
	}
}

// TestPageIsBounded: a page of more rows than a browser can show states how many it
// does not have, and its counts are of all.
func TestPageIsBounded(t *testing.T) {
	var out bytes.Buffer
	h, err := New("html", &out, Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := Sample()
	h.Start(s.Started)
	const n = 200_017
	a := netip.MustParseAddr("10.0.0.0")
	for range n {
		Write(h, probe.Result{Endpoint: probe.Endpoint{Addr: a, Port: 417, Proto: probe.TCP}, State: probe.Closed,
			Reason: probe.Reset})
		a = a.Next()
	}
	s.Ended.Summary.States = map[string]uint64{"closed": n}
	h.End(s.Ended)
	if got := len(columnsOf(t, out.Bytes()).Place); got != 200_000 {
		t.Errorf("%d rows", got)
	}
	if !strings.Contains(out.String(), "17 more rows are not on this page") || !strings.Contains(out.String(),
		"200,017") {
		t.Error("the page does not state what it leaves out")
	}
}

// columnsOf reads the rows of a page.
func columnsOf(t *testing.T, page []byte) (c struct {
	Place []string `json:"p"`
	First []any    `json:"a"`

	Details struct {
		Texts []string `json:"v"`
	} `json:"d"`
}) {
	t.Helper()
	_, text, _ := bytes.Cut(page, []byte(`id="rows">`))
	text, _, _ = bytes.Cut(text, []byte("<"))
	inflated := flate.NewReader(base64.NewDecoder(base64.StdEncoding, bytes.NewReader(text)))
	if err := json.NewDecoder(inflated).Decode(&c); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestPageIsSmall: a page of 65,536 open endpoints, each with a service and a time of its
// own, takes 3 MB at most.
func TestPageIsSmall(t *testing.T) {
	page := manyOpen().Write(t, "html")
	if len(page) > 3_000_000 {
		t.Errorf("%d bytes", len(page))
	}
	if c := columnsOf(t, page); len(c.First) != 65536 || c.First[0] != float64(10<<24+20<<16) || c.First[1] != 1.0 {
		t.Errorf("%d rows, %v", len(c.First), c.First[:2])
	}
	if !bytes.Contains(page, []byte("and 65,336 more, which a script of this page would show")) {
		t.Error("the page does not state how many rows are not in it as text")
	}
}

// manyOpen is a scan of 10.20.0.0/16 in which everything is open.
func manyOpen() Stream {
	s := Sample()
	s.Findings = nil
	a := netip.MustParseAddr("10.20.0.0")
	for i := range 65536 {
		s.Findings = append(s.Findings, probe.Result{Endpoint: probe.Endpoint{Addr: a, Port: 22, Proto: probe.TCP},
			State: probe.Open, Reason: probe.SynAck, RTT: probe.Millis(1000 * (i*7919%50000 + 1)), Tries: 1, TTL: 64,
			Details: probe.Details{
				Service: &probe.Service{Name: "ssh", Product: "OpenSSH", Version: fmt.Sprintf("%d.%dp1", i%9+1, i%7),
					Banner: fmt.Sprintf("SSH-2.0-OpenSSH_%d.%dp1", i%9+1, i%7), Confidence: probe.High, Rule: "ssh"},
			}})
		a = a.Next()
	}
	s.Ended.Complete = true
	s.Ended.Summary = scan.Summary{Targets: 65536, States: map[string]uint64{"open": 65536}}
	return s
}

// TestPageHasMAC: the MAC of a host stands among its evidence, once.
func TestPageHasMAC(t *testing.T) {
	for _, evidence := range [][]string{nil, {"its MAC is 52:54:00:12:34:56"}} {
		s := network24()
		s.Findings = []Finding{probe.Result{Endpoint: probe.Endpoint{Addr: Addr4, Port: 22, Proto: probe.TCP},
			State: probe.Open, Evidence: evidence, Details: probe.Details{MAC: "52:54:00:12:34:56"}}}
		c := columnsOf(t, s.Write(t, "html"))
		if fmt.Sprint(c.Details.Texts) != "[its MAC is 52:54:00:12:34:56]" {
			t.Errorf("%q", c.Details.Texts)
		}
	}
}

// TestPageStates: the page has the command, the machine and the time in its title, and how
// it was found out in its footer.
func TestPageStates(t *testing.T) {
	out := string(Sample().Write(t, "html"))
	for _, want := range []string{
		"<title>onmux scan 192.0.2.0/24 -p 417, from here, 2026-03-01 12:00 UTC</title>",
		"<dt>command</dt><dd>onmux scan 192.0.2.0/24 -p 417</dd>", "<dt>on</dt><dd>here</dd>",
		"<dt>method</dt><dd>tcp by syn, udp by udp-raw</dd>", "What was and was not looked at",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q", want)
		}
	}
}

// TestPageDrawsControls: the footer draws the windows of the controls at their times, and has
// the worst of them in words.
func TestPageDrawsControls(t *testing.T) {
	window := func(from, to, asked, answered int) control.Window {
		at := func(second int) time.Time { return Noon.Add(time.Duration(second) * time.Second) }
		return control.Window{From: at(from), To: at(to), Asked: uint64(asked), Answered: uint64(answered)}
	}
	s := Sample()
	s.Ended.Summary.Controls = &control.Summary{Asked: 19, Answered: 12, Windows: []control.Window{
		window(0, 1, 10, 10), window(1, 2, 8, 0), window(9, 10, 1, 2)}}
	out := string(s.Write(t, "html"))
	for _, want := range []string{
		"<dt>controls</dt><dd>probed endpoints known to answer again: 12 of 19 probes answered</dd>",
		"least: 0 of 8 after 1.0 s</span><span>10.0 s</span>",
		`<title>10 of 10 at the start</title><rect class="asked" x="0.0" y="0" width="100.0" height="40"/>` +
			`<rect x="0.0" y="0.0" width="100.0" height="40.0"/>`,
		`<rect class="asked lost" x="100.0"`, `<rect x="900.0" y="0.0" width="100.0" height="40.0"/>`,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out[strings.Index(out, "<footer"):strings.Index(out, "</footer")])
		}
	}
	s.Ended.Summary.Controls.Windows = s.Ended.Summary.Controls.Windows[:1]
	if strings.Contains(string(s.Write(t, "html")), `class="controls"`) {
		t.Error("one window is drawn")
	}
}

// TestPageFoldsViolations: many that are alike are one row, in the order of addresses.
func TestPageFoldsViolations(t *testing.T) {
	s := Sample()
	s.Findings = nil
	for _, n := range []int{12, 3, 2, 1} {
		at := fmt.Sprintf("10.0.0.%d", n)
		s.Findings = append(s.Findings, Violation{What: at + ":80/tcp", Expected: "closed", Actual: "open", Address: at,
			Port: 80, Proto: "tcp"})
	}
	want := "<th scope=\"row\">10.0.0.1-10.0.0.3, 10.0.0.12 port 80/tcp (4)</th><td>closed</td><td>open</td>"
	if out := string(s.Write(t, "html")); !strings.Contains(out, want) {
		t.Errorf("no %q", want)
	}
}

// office is a watch in which 40 clients talk to 30 endpoints, client i to those whose number is a
// multiple of its own.
func office() Stream {
	const clients, endpoints = 40, 30
	s := Stream{Started: Starts("watch"), Ended: Ends(endpoints, map[string]uint64{"open": 20, "closed": 10})}
	for e := 1; e <= endpoints; e++ {
		at := probe.Endpoint{Addr: netip.AddrFrom4([4]byte{192, 0, 2, byte(e)}), Port: 417, Proto: probe.TCP}
		state, reason := probe.Open, probe.SynAck
		if e%3 == 0 {
			state, reason = probe.Closed, probe.Reset
		}
		s.Findings = append(s.Findings, probe.Result{Endpoint: at, State: state, Reason: reason, Details: probe.Details{
			Traffic: &traffic.Totals{Clients: 1, Connections: 1, First: Noon, Last: Noon}}})
		for c := 1; c <= clients; c++ {
			if e%c != 0 && c != 1 {
				continue
			}
			f := wire.Flow{Peer: wire.Peer{Client: netip.MustParseAddr(fmt.Sprintf("2001:db8:1234:5678:9abc:def0:1234:%x", c)),
				ClientPort: 40000}, Endpoint: at, State: state, Reason: reason, First: Noon.Add(time.Duration(e) * time.Minute),
				Last: Noon.Add(time.Duration(e+c) * time.Minute)}
			if state == probe.Open {
				f.Sent.Bytes, f.Received.Bytes = 10, 1000
			}
			s.Findings = append(s.Findings, f)
		}
	}
	return s
}

// TestPageDrawsFlows: a watch has a lane for each of the endpoints with the most flows, and lines from
// clients to endpoints; what has no place of its own is counted.
func TestPageDrawsFlows(t *testing.T) {
	page := string(office().Write(t, "html"))
	for _, want := range []string{
		`<span class="name">all endpoints</span>`, `<span class="name">6 other endpoints</span>`,
		`Times are of 2026-03-01, UTC.`, `<span>12:01:00</span>`, `UTC</span></p>`,
		`aria-label="192.0.2.30:417/tcp, 12:30:00 to 13:00:00"`,
		"<p class=\"meta\">30 clients and 30 endpoints,", `<span class="name">14 other clients</span>`,
		`<span class="name">14 other endpoints</span>`,
		`<span class="name">192.0.2.20:417/tcp</span><span class="note">open, 6 flows, 6.1 kB</span>`,
		`<li class="is-closed"><span class="name">192.0.2.30:417/tcp</span><span class="note">closed, 8 flows</span>`,
		`<tr><th scope="row">2001:db8:1234:5678:9abc:def0:1234:1</th><td data-name="endpoint">14 other endpoints</td>` +
			`<td data-name="state">open</td><td data-name="flows">14</td><td data-name="sent">120 bytes</td>` +
			`<td data-name="received">12.0 kB</td></tr>`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q", want)
		}
	}
	if n := strings.Count(page, "<li class=\"is-"); n != 24+2+16 {
		t.Errorf("%d endpoints and states have a place", n)
	}
	for _, name := range []string{"time", "talkers"} {
		if strings.Contains(string(network24().Write(t, "html")), `<section id="`+name+`"`) {
			t.Errorf("a scan has a section %q", name)
		}
	}
}

// TestPageDrawsOddFlows: flows without time, of one moment, of ranges of clients, and those that only
// began.
func TestPageDrawsOddFlows(t *testing.T) {
	at := probe.Endpoint{Addr: Addr6, Port: 417, Proto: probe.UDP}
	s := Stream{Started: Starts("watch"), Ended: Ends(1, nil)}
	began := wire.Flow{Peer: wire.Peer{Client: Addr4}, Endpoint: at, State: probe.Open, First: Noon, Event: wire.Began}
	s.Findings = []Finding{began}
	if page := string(s.Write(t, "html")); strings.Contains(page, "Time line") || strings.Contains(page, "talks to") {
		t.Error("a flow that only began is drawn")
	}
	s.Findings = []Finding{wire.Flow{Peer: wire.Peer{Client: Addr4, LastClient: Addr4.Next()}, Connections: 7,
		Endpoint: at, State: probe.OpenFiltered}}
	page := string(s.Write(t, "html"))
	if strings.Contains(page, "Time line") || !strings.Contains(page,
		`<span class="name">192.0.2.1-192.0.2.2</span><span class="note">7 flows</span>`) {
		t.Error("a flow without a time, of two clients")
	}
	s.Findings = []Finding{wire.Flow{Peer: wire.Peer{Client: Addr4}, Endpoint: at, State: probe.Unknown, First: Noon}}
	page = string(s.Write(t, "html"))
	if !strings.Contains(page, "<path d=\"M0 40V37.0h1V40z\"/>") || !strings.Contains(page, "12:00:00.123") {
		t.Error("a flow of one moment")
	}
}
