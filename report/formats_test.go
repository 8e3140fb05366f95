package report_test

import (
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"fmt"
	"io"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"onmux/probe"
	"onmux/probe/local"
	. "onmux/report"
	"onmux/report/phrase"
	. "onmux/report/record"
)

// corpus is what hostile peers and processes may have for names.
var corpus = []string{
	hostile,
	"=cmd|' /C calc'!A0", "+1", "-1+1", "@SUM(1)", "'=1", "＝1+1", "－1", "＋1", "＠SUM(1)", "\t=1", "\r=1", "a,b;c\"d\"", "line\nbreak\r\n",
	"]]>", "<script>alert(1)</script>", "&amp;&#0;", "<!-- -->", "--", "\x00\x01", "\xff\xfe", "\ufffe\uffff",
	"::error::injected", "%0A::error::x", "ok 1 # SKIP", "# TODO", "---\n...", "| bar | cell |", "`code` **b** [a](http://x) @user",
	"{label=\"x\"} 1", "\\", "\\n", "\"", "a|b", " leading and trailing ", strings.Repeat("A", 1<<20),
}

// withText is a stream in which text stands wherever somebody else decides
// what stands there.
func withText(text string) stream {
	at := probe.Endpoint{Addr: addr4, Port: 417, Proto: probe.TCP}
	s := sample()
	s.findings = []Finding{
		probe.Result{Endpoint: at, Host: text, State: probe.Unknown, Notes: []string{text}, Error: text,
			Service: &probe.Service{Name: text, Product: text, Version: text, Banner: text}, Evidence: []string{text}},
		Violation{What: at.String(), Expected: "open", Actual: text, Address: "192.0.2.1", Port: 417, Proto: "tcp"},
		local.Verdict{Port: 417, Proto: probe.TCP, Verdict: local.Listening, Why: text},
		local.Listener{Proto: probe.TCP, Address: addr4, Port: 417, State: local.Listening, Owners: []local.Owner{{PID: 1, Name: text, User: text, Place: local.Place{Unit: text}}}},
	}
	s.end.Coverage = []string{text}
	return s
}

// decoders take a format apart as its readers do, into the texts it carries.
// They fail where the form is broken.
var decoders = map[string]func([]byte) ([]string, error){
	"csv":      decodeCSV,
	"nmap-xml": decodeXML,
	"junit":    decodeXML,
	"tap":      decodeTAP,
	"github":   decodeGitHub,
	"markdown": decodeMarkdown,
	"prom":     decodeProm,
	"nagios":   decodeNagios,
	"html":     decodeHTML,
}

func decodeCSV(b []byte) ([]string, error) {
	rows, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
	var out []string
	for _, row := range rows {
		for _, c := range row {
			if first, _ := utf8.DecodeRuneInString(c); strings.ContainsRune("=+-@＝＋－＠\t\r", first) {
				return nil, fmt.Errorf("%.40q is a formula", c)
			}
			out = append(out, strings.TrimPrefix(c, "'"))
		}
	}
	return out, err
}

func decodeXML(b []byte) ([]string, error) {
	var out []string
	d := xml.NewDecoder(bytes.NewReader(b))
	for {
		t, err := d.Token()
		if err == io.EOF {
			return out, nil
		} else if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.CharData:
			out = append(out, string(t))
		case xml.StartElement:
			for _, a := range t.Attr {
				out = append(out, a.Value)
			}
		}
	}
}

func decodeTAP(b []byte) ([]string, error) {
	lines := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	if lines[0] != "TAP version 14" {
		return nil, fmt.Errorf("begins with %q", lines[0])
	}
	var out []string
	points, yaml := 0, false
	for _, l := range lines[1 : len(lines)-1] {
		switch {
		case l == "  ---" || l == "  ...":
			yaml = l == "  ---"
		case yaml:
			_, scalar, ok := strings.Cut(l, ": ")
			if !ok {
				continue
			}
			s, err := strconv.Unquote(scalar)
			if err != nil {
				return nil, fmt.Errorf("%.60q is no scalar", scalar)
			}
			out = append(out, s)
		case strings.HasPrefix(l, "# onmux"):
		default:
			points++
			status, text, ok := strings.Cut(l, fmt.Sprintf("ok %d - ", points))
			text = strings.NewReplacer(`\\`, `\`, `\#`, "#").Replace(text)
			if !ok || status != "" && status != "not " {
				return nil, fmt.Errorf("%.60q is no test point", l)
			}
			out = append(out, text)
		}
	}
	if plan := fmt.Sprintf("1..%d", points); lines[len(lines)-1] != plan && points > 0 {
		return nil, fmt.Errorf("ends with %q instead of %q", lines[len(lines)-1], plan)
	}
	return out, nil
}

func decodeGitHub(b []byte) ([]string, error) {
	var out []string
	unescape := strings.NewReplacer("%3A", ":", "%2C", ",", "%0A", "\n", "%0D", "\r", "%25", "%")
	for l := range strings.Lines(string(b)) {
		head, data, ok := strings.Cut(strings.TrimSuffix(l, "\n")[2:], "::")
		_, title, titled := strings.Cut(head, "title=")
		if !ok || !titled || !strings.HasPrefix(l, "::") {
			return nil, fmt.Errorf("%.60q is no command", l)
		}
		out = append(out, unescape.Replace(title), unescape.Replace(data))
	}
	return out, nil
}

// decodeMarkdown splits table rows at bars that are not escaped.
func decodeMarkdown(b []byte) ([]string, error) {
	var out []string
	for l := range strings.Lines(string(b)) {
		l = strings.TrimSuffix(l, "\n")
		var cell strings.Builder
		for i := 0; i < len(l); i++ {
			switch {
			case l[i] == '\\' && i+1 < len(l):
				i++
				cell.WriteByte(l[i])
			case l[i] == '|':
				out = append(out, cell.String())
				cell.Reset()
			case l[i] == '<' && !strings.Contains(l, "details>"):
				return nil, fmt.Errorf("HTML in %.60q", l)
			default:
				cell.WriteByte(l[i])
			}
		}
		out = append(out, cell.String())
	}
	for i, s := range out {
		out[i] = strings.NewReplacer("&lt;", "<", "&#64;", "@", "&#58;", ":", "&amp;", "&").Replace(strings.TrimPrefix(strings.TrimSuffix(s, " "), " "))
	}
	return out, nil
}

func decodeProm(b []byte) ([]string, error) {
	var out []string
	seen := make(map[string]bool)
	for l := range strings.Lines(string(b)) {
		l = strings.TrimSuffix(l, "\n")
		if strings.HasPrefix(l, "# ") {
			if f := strings.Fields(l); f[1] == "TYPE" && (f[3] != "gauge" || seen[f[2]]) {
				return nil, fmt.Errorf("%q", l)
			} else if f[1] == "TYPE" {
				seen[f[2]] = true
			}
			continue
		}
		series, value, _ := strings.Cut(l, " ")
		if name, labels, ok := strings.Cut(l, "{"); ok {
			series = name
			for labels[0] != '}' {
				_, rest, _ := strings.Cut(strings.TrimPrefix(labels, ","), "=")
				quoted, err := strconv.QuotedPrefix(rest)
				if err != nil {
					return nil, fmt.Errorf("%.60q: %w", rest, err)
				}
				s, _ := strconv.Unquote(quoted)
				out = append(out, s)
				labels = rest[len(quoted):]
			}
			value = strings.TrimPrefix(labels, "} ")
		}
		if _, err := strconv.ParseFloat(value, 64); err != nil || !seen[series] {
			return nil, fmt.Errorf("%.60q: no sample of a family (%v)", l, err)
		}
	}
	return out, nil
}

func decodeNagios(b []byte) ([]string, error) {
	first, long, _ := strings.Cut(string(b), "\n")
	status, rest, ok := strings.Cut(first, " - ")
	if !ok || !slices.Contains([]string{"ONMUX OK", "ONMUX CRITICAL", "ONMUX UNKNOWN"}, status) {
		return nil, fmt.Errorf("%.60q", first)
	}
	text, perfdata, _ := strings.Cut(rest, " | ")
	if strings.Contains(perfdata, "|") || strings.Contains(text, "|") {
		return nil, fmt.Errorf("a bar in %.60q", first)
	}
	return append(strings.Split(long, "\n"), text), nil
}

// TestHostileTextInEveryFormat: whatever a peer calls itself, each format stays
// what it is and says it.
func TestHostileTextInEveryFormat(t *testing.T) {
	for format, decode := range decoders {
		for _, text := range corpus {
			out := withText(text).write(t, format)
			got, err := decode(out)
			if err != nil {
				t.Errorf("%s of %.40q: %v", format, text, err)
				continue
			}
			want := phrase.Visible(text)
			if format == "nagios" {
				want = strings.ReplaceAll(want, "|", "/")
			}
			squeezed := strings.Join(strings.Fields(want), " ")
			if !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, want) || strings.Contains(s, squeezed) }) {
				t.Errorf("%s lost %.40q", format, want)
			}
			for i, r := range string(out) {
				if _, n := utf8.DecodeRune(out[i:]); r != '\n' && r != '\r' && (!unicode.IsPrint(r) || r == utf8.RuneError && n == 1) {
					t.Fatalf("%s of %.40q: %q at %d", format, text, r, i)
				}
			}
		}
	}
}

// TestEveryFormatIsTested: a format without a decoder here is not known to be
// safe.
func TestEveryFormatIsTested(t *testing.T) {
	for _, f := range Formats() {
		if decoders[f] == nil && !slices.Contains([]string{"text", "json", "jsonl"}, f) {
			t.Errorf("%s has no decoder", f)
		}
	}
}

// TestCutFormats: wherever a run is interrupted, each format is whole, and says
// that the run was not.
func TestCutFormats(t *testing.T) {
	whole := sample()
	for format, decode := range decoders {
		for n := range len(whole.findings) + 1 {
			s := whole
			s.findings, s.end.Complete, s.end.Outcome = whole.findings[:n], false, 0
			out := s.write(t, format)
			if _, err := decode(out); err != nil {
				t.Errorf("%s after %d findings: %v\n%s", format, n, err, out)
			}
			if !bytes.Contains(out, []byte("incomplete")) && format != "prom" || format == "prom" && !bytes.Contains(out, []byte("onmux_complete 0")) {
				t.Errorf("%s after %d findings does not say that it is incomplete:\n%s", format, n, out)
			}
		}
	}
}

// TestJUnitNames: Jenkins and GitLab fold cases of the same name.
func TestJUnitNames(t *testing.T) {
	s := sample()
	again := s.findings[1]
	s.findings = append(s.findings, again, Violation{What: "192.0.2.1:417/udp", Expected: "closed", Actual: "open|filtered"})
	var suites struct {
		Suite struct {
			Tests    int `xml:"tests,attr"`
			Failures int `xml:"failures,attr"`
			Errors   int `xml:"errors,attr"`
			Cases    []struct {
				Name    string    `xml:"name,attr"`
				Class   string    `xml:"classname,attr"`
				Failure *struct{} `xml:"failure"`
				Error   *struct{} `xml:"error"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	out := s.write(t, "junit")
	if err := xml.Unmarshal(out, &suites); err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	failures, errors := 0, 0
	for _, c := range suites.Suite.Cases {
		if names[c.Name] || c.Class != "onmux.scan" {
			t.Errorf("%s %q stands twice", c.Class, c.Name)
		}
		names[c.Name] = true
		if c.Failure != nil {
			failures++
		}
		if c.Error != nil {
			errors++
		}
	}
	if failures != 4 || errors != 3 || suites.Suite.Failures != 4 || suites.Suite.Errors != 3 || suites.Suite.Tests != len(suites.Suite.Cases) {
		t.Errorf("%d failures and %d errors:\n%s", failures, errors, out)
	}
}

// TestGitHubLimit: more than ten annotations of a step are not shown.
func TestGitHubLimit(t *testing.T) {
	for _, n := range []int{1, 9, 10, 11, 500} {
		s := empty()
		s.end.Complete = true
		for i := range n {
			s.findings = append(s.findings, Violation{What: fmt.Sprint(i), Expected: "closed", Actual: "open"})
		}
		out := string(s.write(t, "github"))
		if got := strings.Count(out, "::error "); got != min(n, 10) {
			t.Errorf("%d violations make %d errors", n, got)
		}
		if more := fmt.Sprintf("%d more violations", n-9); n > 10 != strings.Contains(out, more) {
			t.Errorf("%d violations:\n%s", n, out)
		}
	}
}

// TestNmapHosts: all that is known of a host stands in one host element, in the
// order of the addresses, whatever the order in which it was found.
func TestNmapHosts(t *testing.T) {
	s := empty()
	a := netip.MustParseAddr("192.0.2.255")
	s.findings = []Finding{
		probe.Result{Endpoint: probe.Endpoint{Addr: a.Next(), Port: 417, Proto: probe.UDP}, State: probe.Unreachable, Reason: probe.NoNeighbour},
		probe.Result{Endpoint: probe.Endpoint{Addr: a, Port: 417, Proto: probe.UDP}, State: probe.OpenFiltered, Reason: probe.NoResponse},
		probe.Result{Endpoint: probe.Endpoint{Addr: addr4, Port: 417, Proto: probe.TCP}, State: probe.Open, Reason: probe.SynAck},
		span("192.0.2.255", "192.0.3.1", 3, 417, probe.TCP, probe.Closed, probe.Reset, 1),
		span("10.0.0.0", "10.1.255.255", 1<<17, 417, probe.TCP, probe.Filtered, probe.NoResponse, 1),
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
	out := s.write(t, "nmap-xml")
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
	want := []string{"192.0.2.1 up tcp:open", "192.0.2.255 up tcp:closed udp:open|filtered", "192.0.3.0 up tcp:closed udp:filtered", "192.0.3.1 up tcp:closed"}
	if !reflect.DeepEqual(got, want) || !bytes.Contains(out, []byte("<!-- 10.0.0.0 to 10.1.255.255, port 417/tcp: 131072 addresses are filtered")) {
		t.Errorf("got\n%s\nwant\n%s\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"), out)
	}
}
