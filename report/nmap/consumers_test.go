package nmap_test

import (
	"bytes"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
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

// everything is a scan with hosts in all states, many alike ports, and what nmap has no words
// for.
func everything() Stream {
	at := func(a string, port uint16, proto probe.Proto) probe.Endpoint {
		return probe.Endpoint{Addr: netip.MustParseAddr(a), Port: port, Proto: proto}
	}
	s := Stream{Started: Starts("scan"), Ended: Ends(4, nil)}
	s.Started.Args = []string{"scan", "10.0.0.0/24", "-p", "1-100"}
	s.Started.Method = map[string]string{"tcp": "syn"}
	s.Findings = []Finding{
		probe.Result{Endpoint: at("10.0.0.1", 22, probe.TCP), Origin: probe.Origin{Host: "a.example"}, State: probe.Open,
			Reason: probe.SynAck, RTT: 1_000_000, TTL: 64, Tries: 1, Confidence: probe.High, Details: probe.Details{
				Service: &probe.Service{Name: "ssh", Product: "OpenSSH", Version: "9.2p1", Info: "protocol 2.0",
					Banner: `SSH-2.0-OpenSSH_9.2p1\r\n`, Probe: "wait", Confidence: probe.High}}},
		probe.Result{Endpoint: at("10.0.0.1", 443, probe.TCP), State: probe.Open, Reason: probe.SynAck, Tries: 1,
			Details: probe.Details{Service: &probe.Service{Name: "https", Product: "nginx", TLS: &probe.TLS{Version: "1.3"},
				Confidence: probe.High}}},
		probe.Result{Endpoint: at("10.0.0.1", 4000, probe.TCP), State: probe.Open, Reason: probe.SynAck},
		probe.Result{Endpoint: at("10.0.0.1", 53, probe.UDP), State: probe.OpenFiltered, Reason: probe.NoResponse, Tries: 11,
			Doubts: []probe.Doubt{{Kind: probe.DoubtHostLimits}}, Notes: []string{"the host limits its ICMP -- answers"}},
		Span("10.0.0.4", "10.0.0.6", 3, 22, probe.TCP, probe.Filtered, probe.NoResponse, 3),
		probe.Result{Endpoint: at("10.0.0.7", 22, probe.TCP), State: probe.Unreachable, Reason: probe.HostUnreach, Tries: 1,
			Responder: netip.MustParseAddr("10.0.0.254"), ICMP: probe.ICMP{Type: 3, Code: 1}},
		probe.Result{Endpoint: at("10.0.0.8", 22, probe.TCP), State: probe.Unknown, Reason: probe.LocalError,
			Error: "no buffers"},
		Span("10.1.0.0", "10.2.255.255", 1<<17, 22, probe.TCP, probe.Unreachable, probe.NoNeighbor, 2),
		Span("10.2.0.0", "10.3.255.255", 1<<17, 53, probe.UDP, probe.OpenFiltered, probe.NoResponse, 2),
		probe.Result{Endpoint: probe.Endpoint{Port: 22, Proto: probe.TCP}, Origin: probe.Origin{Host: "gone.example"},
			Error: "it does not resolve"},
	}
	for port := range uint16(100) {
		if port+1 != 22 {
			s.Findings = append(s.Findings, probe.Result{Endpoint: at("10.0.0.1", port+1, probe.TCP), State: probe.Closed,
				Reason: probe.Reset, Tries: 1, Confidence: probe.High})
		}
		s.Findings = append(s.Findings, Span("10.0.0.2", "10.0.0.3", 2, port+1, probe.TCP, probe.Unreachable,
			probe.NoNeighbor, 2))
	}
	return s
}

// endpoints are those of a stream, ranges expanded, as far as nmap's XML is to keep them.
func endpoints(findings []Finding) map[string]probe.Result {
	all := make(map[string]probe.Result)
	add := func(r probe.Result) {
		r.Evidence, r.TTL, r.RTT = nil, 0, 0
		if r.Addr.IsValid() {
			r.Host = ""
		}
		if s := r.Service; s != nil {
			r.Service = &probe.Service{Name: s.Name, Product: s.Product, Version: s.Version, Info: s.Info,
				Confidence: s.Confidence}
		}
		all[Place(r)] = r
	}
	for _, f := range findings {
		switch f := f.(type) {
		case probe.Result:
			add(f)
		case scan.Range:
			for a := f.First; ; a = a.Next() {
				add(At(f, a))
				if a == f.Last {
					break
				}
			}
		}
	}
	return all
}

// TestNothingIsLost: what is written as nmap's XML is read again, also what nmap has no words
// for.
func TestNothingIsLost(t *testing.T) {
	t.Parallel()
	s := everything()
	r := NewRecorder()
	out := s.Write(t, "nmap-xml")
	if err := Replay(bytes.NewReader(out), r); err != nil {
		t.Fatal(err)
	}
	want, got := endpoints(s.Findings), endpoints(r.Findings)
	if len(want) != len(got) {
		t.Errorf("%d endpoints, want %d", len(got), len(want))
	}
	bad := 0
	for i, place := range slices.Sorted(maps.Keys(want)) {
		if i%race.Nth == 0 && !reflect.DeepEqual(got[place], want[place]) && bad < 5 {
			bad++
			t.Errorf("%s is\n%+v, want\n%+v", place, got[place], want[place])
		}
	}
	var before, after compare.Saved
	defer before.Close()
	defer after.Close()
	s.Replay(t, &before)
	r.Stream.Replay(t, &after)
	if _, err := compare.Diff(&before, &after, func(f Finding) error { return fmt.Errorf("%+v", f) }); err != nil {
		t.Error(err)
	}
}

// TestAsNmapWrites: hosts have nmap's states, alike ports are folded, and the sums have all
// addresses.
func TestAsNmapWrites(t *testing.T) {
	out := string(everything().Write(t, "nmap-xml"))
	host := func(address string) string {
		i := strings.Index(out, `addr="`+address+`"`)
		if i < 0 {
			t.Fatalf("no host %s", address)
		}
		from := strings.LastIndex(out[:i], "<host>")
		return out[from : i+strings.Index(out[i:], "</host>")]
	}
	for _, c := range []struct {
		of   string
		want []string
		not  string
	}{
		{out, []string{`args="onmux scan 10.0.0.0/24 -p 1-100"`, `<scaninfo type="syn" protocol="tcp" numservices="102" ` +
			`services="1-100,443,4000"/>`, `<scaninfo type="udp" protocol="udp" numservices="1" services="53"/>`,
			`<hosts up="1" down="131075" total="196616"/>`}, ""},
		{host("10.0.0.1"), []string{`<status state="up"`, `<hostname name="a.example" type="user"/>`,
			`<extraports state="closed" count="99">`,
			`<extrareasons reason="resets" count="99" proto="tcp" ports="1-21,23-100"/>`,
			`<service name="http" product="nginx" tunnel="ssl" method="probed" conf="10"/>`, `extrainfo="protocol 2.0"`,
			`<script id="banner" output="SSH-2.0-OpenSSH_9.2p1\r\n"/>`,
			`<service name="unknown" method="table" conf="3"/>`, `<times srtt="1000"`}, `portid="80"`},
		{host("10.0.0.2"), []string{`<status state="down" reason="no-response"`, "<hostnames>\n</hostnames>"}, "<ports>"},
		{host("10.0.0.5"), []string{`<status state="unknown" reason="no-response"`}, ""},
		{host("10.0.0.7"), []string{`<status state="down" reason="host-unreach"`}, "<ports>"},
	} {
		for _, w := range c.want {
			if !strings.Contains(c.of, w) {
				t.Errorf("no %s in\n%.3000s", w, c.of)
			}
		}
		if c.not != "" && strings.Contains(c.of, c.not) {
			t.Errorf("%s in\n%s", c.not, c.of)
		}
	}
	closed := Stream{Started: Starts("scan"), Ended: Ends(3000, nil)}
	for port := range uint16(3000) {
		closed.Findings = append(closed.Findings, probe.Result{Endpoint: probe.Endpoint{Addr: Addr4, Port: port,
			Proto: probe.TCP}, State: probe.Closed, Reason: probe.Reset, Tries: 1, Confidence: probe.High, RTT: 1000})
	}
	if n := len(closed.Write(t, "nmap-xml")); n > 2000 {
		t.Errorf("3,000 closed ports take %d bytes", n)
	}
}

// TestNdiff: nmap's own comparison reads the XML, and finds nothing where only times differ.
func TestNdiff(t *testing.T) {
	path, err := exec.LookPath("ndiff")
	if err != nil {
		t.Skip(err)
	}
	t.Parallel()
	a, b := everything(), everything()
	first := b.Findings[0].(probe.Result)
	first.RTT, first.Notes = 77, []string{"another note"}
	b.Findings[0] = first
	c := everything()
	gone := c.Findings[0].(probe.Result)
	gone.State, gone.Reason, gone.Service = probe.Closed, probe.Reset, nil
	c.Findings[0] = gone
	dir := t.TempDir()
	files := make(map[string]string)
	for name, s := range map[string]Stream{"a": a, "b": b, "c": c} {
		files[name] = filepath.Join(dir, name+".xml")
		if err := os.WriteFile(files[name], s.Write(t, "nmap-xml"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command(path, files["a"], files["b"]).CombinedOutput(); err != nil {
		t.Errorf("the same is not: %v\n%s", err, out)
	}
	out, err := exec.Command(path, files["a"], files["c"]).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "-22/tcp") {
		t.Errorf("a closed port is none: %v\n%s", err, out)
	}
}
