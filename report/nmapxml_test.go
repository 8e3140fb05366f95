package report_test

import (
	"bytes"
	"encoding/xml"
	"io"
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"onmux/probe"
	. "onmux/report"
	. "onmux/report/compare"
	. "onmux/report/record"
	"onmux/scan"
)

func nmapOf(t *testing.T, o Options, findings ...Finding) string {
	t.Helper()
	var b strings.Builder
	h, err := New("nmap-xml", &b, o)
	if err != nil {
		t.Fatal(err)
	}
	stream{start: starts("scan"), findings: findings, end: ends(1, nil)}.tell(t, h)
	return b.String()
}

// TestNmapRangesWithDashes: what stands in a comment must not end it.
func TestNmapRangesWithDashes(t *testing.T) {
	first := netip.MustParseAddr("fe80::1%a---->b")
	out := nmapOf(t, Options{}, scan.Range{First: first, Last: first, Count: 1 << 20, Port: 417, Proto: probe.TCP, State: probe.Filtered})
	for d := xml.NewDecoder(strings.NewReader(out)); ; {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
}

// TestNmapNames: a port's registered name is told as one that nobody asked for.
func TestNmapNames(t *testing.T) {
	e := probe.Endpoint{Addr: netip.MustParseAddr("10.0.0.1"), Port: 417, Proto: probe.TCP}
	o := Options{PortName: func(p probe.Port) string { return map[uint16]string{417: "onmux"}[p.Number] }}
	for _, c := range []struct {
		r    probe.Result
		want string
	}{
		{probe.Result{Endpoint: e, State: probe.Open}, `<service name="onmux" method="table" conf="3"/>`},
		{probe.Result{Endpoint: e, State: probe.Open, Service: &probe.Service{Name: "unknown"}}, `<service name="onmux" method="table" conf="3"/>`},
		{probe.Result{Endpoint: e, State: probe.Open, Service: &probe.Service{Name: "ssh", Confidence: probe.High}}, `<service name="ssh" method="probed" conf="10"/>`},
	} {
		out := nmapOf(t, o, c.r)
		if !strings.Contains(out, c.want) {
			t.Errorf("no %s in\n%s", c.want, out)
		}
		var saved Saved
		if err := Replay(strings.NewReader(out), &saved); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
	if out := nmapOf(t, Options{}, probe.Result{Endpoint: e, State: probe.Open}); strings.Contains(out, "<service") {
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
	out := nmapOf(t, Options{}, probe.Result{Endpoint: e, Host: "h<o>st", State: probe.Unreachable, Reason: probe.NoNeighbour, RTT: 1, Responder: e.Addr,
		Notes: []string{"a\x1bnote"}, Service: &probe.Service{Name: "]]>", Product: "&", Version: "\"", Confidence: probe.Low}})
	cmd := exec.Command(lint, "--noout", "--dtdvalid", dtd, "-")
	cmd.Stdin = strings.NewReader(strings.Replace(out, `scanner="onmux"`, `scanner="nmap"`, 1))
	if told, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s\n%s", err, told, out)
	}
}

// TestNmapTellsAPortOnce: ndiff takes a port that stands twice for two.
func TestNmapTellsAPortOnce(t *testing.T) {
	at := probe.Endpoint{Addr: addr4, Port: 417, Proto: probe.TCP}
	s := stream{start: starts("probe"), end: ends(2, nil), findings: []Finding{
		probe.Result{Endpoint: at, State: probe.Closed, Reason: probe.Reset},
		probe.Result{Endpoint: at, State: probe.Open, Reason: probe.SynAck},
	}}
	r := newRecorder()
	if err := Replay(bytes.NewReader(s.write(t, "nmap-xml")), r); err != nil {
		t.Fatal(err)
	}
	if len(r.findings) != 1 || r.findings[0].(probe.Result).State != probe.Open {
		t.Errorf("not the last alone: %+v", r.findings)
	}
}
