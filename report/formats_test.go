package report_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"

	. "onmux/report"
	"onmux/report/phrase"
	. "onmux/report/reporttest"
	"onmux/scan/wire"
)

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
	if lines[0] != "TAP version 13" {
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
				return nil, fmt.Errorf("%.60q is not a scalar", scalar)
			}
			out = append(out, s)
		case strings.HasPrefix(l, "# onmux"):
		default:
			points++
			status, text, ok := strings.Cut(l, fmt.Sprintf("ok %d - ", points))
			text = strings.NewReplacer(`\\`, `\`, `\#`, "#").Replace(text)
			if !ok || status != "" && status != "not " {
				return nil, fmt.Errorf("%.60q is not a test point", l)
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
			return nil, fmt.Errorf("%.60q is not a command", l)
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
		out[i] = strings.NewReplacer("&lt;", "<", "&#64;", "@", "&#58;", ":", "&amp;",
			"&").Replace(strings.TrimPrefix(strings.TrimSuffix(s, " "), " "))
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
// valid and carries the name.
func TestHostileTextInEveryFormat(t *testing.T) {
	for format, decode := range decoders {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			for _, text := range Corpus {
				out := WithText(text).Write(t, format)
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
				if !slices.ContainsFunc(got, func(s string) bool {
					return strings.Contains(s, want) ||
						strings.Contains(s, squeezed)
				}) {
					t.Errorf("%s lost %.40q", format, want)
				}
				for i, r := range string(out) {
					if _, n := utf8.DecodeRune(out[i:]); r != '\n' && r != '\r' && (!unicode.IsPrint(r) ||
						r == utf8.RuneError && n == 1) {
						t.Fatalf("%s of %.40q: %q at %d", format, text, r, i)
					}
				}
			}
		})
	}
}

// TestNoBreaks: spaces at which no line is broken are spaces, and not escaped, in every format.
func TestNoBreaks(t *testing.T) {
	t.Parallel()
	s := Sample()
	for i, f := range s.Findings {
		if f, ok := f.(wire.Flow); ok { // some formats leave out those that go on
			f.Event = ""
			s.Findings[i] = f
		}
	}
	for _, format := range Formats() {
		if out := s.Write(t, format); bytes.Contains(out, []byte("u00a0")) || bytes.Contains(out, []byte(phrase.NoBreak)) {
			i := max(bytes.Index(out, []byte("u00a0")), bytes.Index(out, []byte(phrase.NoBreak)))
			t.Errorf("%s: %q", format, out[max(0, i-60):i+20])
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

// TestCutFormats: wherever a run is interrupted, each format is whole, and states
// that the run was not.
func TestCutFormats(t *testing.T) {
	t.Parallel()
	whole := Sample()
	for format, decode := range decoders {
		for n := range len(whole.Findings) + 1 {
			s := whole
			s.Findings, s.Ended.Complete, s.Ended.Outcome = whole.Findings[:n], false, 0
			out := s.Write(t, format)
			if _, err := decode(out); err != nil {
				t.Errorf("%s after %d Findings: %v\n%s", format, n, err, out)
			}
			if !bytes.Contains(out, []byte("incomplete")) && format != "prom" ||
				format == "prom" && !bytes.Contains(out, []byte(`onmux_complete{command="scan",job="scan"} 0`)) {
				t.Errorf("%s after %d findings does not state that it is incomplete:\n%s", format, n, out)
			}
		}
	}
}

// decodeHTML takes a page apart as a browser does: what it shows as text, and
// what stands in its rows. It fails where there is an element or an attribute
// that our pages do not have.
func decodeHTML(b []byte) ([]string, error) {
	var out []string
	var inside []string
	z := html.NewTokenizer(bytes.NewReader(b))
	for {
		kind := z.Next()
		t := z.Token()
		in := ""
		if len(inside) > 0 {
			in = inside[len(inside)-1]
		}
		switch kind {
		case html.ErrorToken:
			if len(inside) > 0 {
				return nil, fmt.Errorf("%q are not closed", inside)
			}
			return out, nil
		case html.StartTagToken, html.SelfClosingTagToken:
			if !strings.Contains(" html head meta title link style script body header main section footer h1 h2 p ul "+
				"li b div table thead tbody tr th td details summary code dl dt dd h3 ol span br wbr svg path ",
				" "+t.Data+" ") {
				return nil, fmt.Errorf("<%s>", t.Data)
			}
			for _, a := range t.Attr {
				if strings.HasPrefix(a.Key, "on") || a.Key == "src" || a.Key == "style" ||
					a.Key == "href" && a.Val != "data:," {
					return nil, fmt.Errorf("<%s %s=%q>", t.Data, a.Key, a.Val)
				}
			}
			if kind == html.StartTagToken && !strings.Contains(" meta link br wbr ", " "+t.Data+" ") {
				inside = append(inside, t.Data)
			}
		case html.EndTagToken:
			if in != t.Data {
				return nil, fmt.Errorf("</%s> inside <%s>", t.Data, in)
			}
			inside = inside[:len(inside)-1]
		case html.CommentToken:
			return nil, fmt.Errorf("a comment: %.60q", t.Data)
		case html.TextToken:
			if in != "script" && in != "style" {
				out = append(out, t.Data)
			} else if strings.HasPrefix(t.Data, "[") {
				var rows []map[string]any
				if err := json.Unmarshal([]byte(t.Data), &rows); err != nil {
					return nil, err
				}
				for _, r := range rows {
					for _, v := range r {
						if list, ok := v.([]any); ok {
							for _, s := range list {
								out = append(out, fmt.Sprint(s))
							}
							continue
						}
						out = append(out, fmt.Sprint(v))
					}
				}
			}
		}
	}
}
