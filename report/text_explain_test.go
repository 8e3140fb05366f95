package report_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"onmux/probe"
	. "onmux/report"
	"onmux/scan/local"
	"onmux/scan/packet"
)

var updateExplain = flag.Bool("update-explain", false, "rewrite the golden texts of explain")

func explained(ports ...local.Port) stream {
	s := stream{start: Start{Schema: Schema, Command: "explain", Version: "1", Started: noon},
		end: End{Finished: noon, Complete: true, Coverage: []string{"IANA's names"}}}
	for _, p := range ports {
		s.findings = append(s.findings, p)
	}
	return s
}

// onmux is 417 as an ordinary user of Linux has it explained.
func onmux() local.Port {
	return local.Port{Port: 417, Protos: probe.Protos(), Range: local.System,
		Names:    []local.Name{{Name: "onmux", Proto: probe.TCP, Source: "IANA"}, {Name: "onmux", Proto: probe.UDP, Source: "IANA"}},
		Services: local.Services{File: "/etc/services"}, LowFrom: ptr(1024), MayBind: ptr(false),
		Ephemeral: ptr(false), Local: &local.Span{First: 32768, Last: 60999}, Reserved: ptr(false), Story: packet.Story(417)}
}

// others are ports about which other things are known.
func others() []local.Port {
	iana := func(name string, p probe.Proto) local.Name { return local.Name{Name: name, Proto: p, Source: "IANA"} }
	return []local.Port{
		{Port: 512, Protos: []probe.Proto{probe.UDP}, Range: local.System, Services: local.Services{File: "/etc/services",
			Lines: []local.Service{{Line: 7, Name: "biff", Proto: "udp", Aliases: []string{"comsat", "mail"}, Comment: "new mail"}}},
			Names:   []local.Name{iana("exec", probe.TCP), iana("comsat", probe.UDP), {Name: "biff", Proto: probe.UDP, Source: "/etc/services"}},
			LowFrom: ptr(1024), MayBind: ptr(true)},
		{Port: 512, Protos: probe.Protos(), Range: local.System, Services: local.Services{File: "/etc/services", Error: "there is no such file"},
			Names: []local.Name{iana("exec", probe.TCP), iana("comsat", probe.UDP)}, LowFrom: ptr(1024)},
		{Port: 6000, Protos: probe.Protos(), Range: local.User, Services: local.Services{File: "services"},
			Names: []local.Name{{Name: "x11", Proto: probe.TCP, Source: "services"}}, LowFrom: ptr(0), MayBind: ptr(true)},
		{Port: 50000, Protos: []probe.Proto{probe.TCP}, Range: local.Dynamic, Services: local.Services{File: "services"},
			LowFrom: ptr(1024), MayBind: ptr(true), Ephemeral: ptr(true), Local: &local.Span{First: 32768, Last: 60999}},
		{Port: 50001, Protos: probe.Protos(), Range: local.Dynamic, Services: local.Services{File: "services"},
			Ephemeral: ptr(true), Local: &local.Span{First: 32768, Last: 60999}, Reserved: ptr(true)},
		{Port: 80, Protos: probe.Protos(), Range: local.System, Services: local.Services{File: "services"}, Reserved: ptr(true),
			Notes: []string{"on most Unix systems a port below 1024 takes root to bind; whether this one agrees is not known"}},
	}
}

func tellText(t testing.TB, s stream, o Options) string {
	t.Helper()
	var b bytes.Buffer
	h, err := New("text", &b, o)
	if err != nil {
		t.Fatal(err)
	}
	s.tell(t, h)
	return b.String()
}

func TestExplainText(t *testing.T) {
	for name, c := range map[string]struct {
		s stream
		o Options
	}{
		"417":        {explained(onmux()), Options{Width: 80}},
		"417-narrow": {explained(onmux()), Options{Width: 40}},
		"417-wide":   {explained(onmux()), Options{Width: 200}},
		"417-pipe":   {explained(onmux()), Options{}},
		"others":     {explained(others()...), Options{Width: 80}},
		"quiet":      {explained(append(others(), onmux())...), Options{Width: 80, Verbosity: Quiet}},
		"verbose":    {explained(others()[3]), Options{Width: 80, Verbosity: Verbose}},
	} {
		got := tellText(t, c.s, c.o)
		file := filepath.Join("testdata", "explain", name+".txt")
		if *updateExplain {
			os.MkdirAll(filepath.Dir(file), 0o755)
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil || got != string(want) {
			t.Errorf("%s: %v, got\n%s\nwant\n%s", name, err, got, want)
		}
		for line := range strings.Lines(got) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); c.o.Width > 0 && n > min(c.o.Width, 80) || strings.HasSuffix(line, " \n") {
				t.Errorf("%s: %d columns: %q", name, n, line)
			}
		}
	}
}

var escapes = regexp.MustCompile("\x1b\\[[0-9;]*m")

// Colour changes nothing but the colour, and ends with its line.
func TestExplainColour(t *testing.T) {
	s := explained(append(others(), onmux())...)
	plain, painted := tellText(t, s, Options{Width: 80}), tellText(t, s, Options{Width: 80, Color: true})
	if got := escapes.ReplaceAllString(painted, ""); got != plain || painted == plain {
		t.Errorf("without colour\n%s\nwithout its escapes\n%s", plain, got)
	}
	for line := range strings.Lines(painted) {
		all := escapes.FindAllString(line, -1)
		if len(all)%2 != 0 {
			t.Errorf("the colour runs on: %q", line)
		}
	}
}

// Whatever a services file says, a terminal is not obeyed and lines end.
func TestExplainHostile(t *testing.T) {
	bad := "\x1b]0;x\a\r\n" + strings.Repeat("w", 300)
	p := onmux()
	p.Names[0].Name, p.Names[0].Source = bad, bad
	p.Services = local.Services{File: bad, Error: bad, Lines: []local.Service{{Line: 1, Name: bad, Proto: bad, Aliases: []string{bad}, Comment: bad}}}
	p.Notes, p.Story = []string{bad}, []packet.Fact{{Fact: bad, Source: bad}}
	for _, o := range []Options{{Width: 80}, {Width: 5}, {}, {Verbosity: Quiet}} {
		got := tellText(t, explained(p), o)
		if strings.ContainsAny(got, "\x1b\a\r") {
			t.Errorf("%+v: %q", o, got)
		}
		for line := range strings.Lines(got) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); o.Width > 0 && n > o.Width {
				t.Errorf("width %d: %d columns: %q", o.Width, n, line)
			}
		}
	}
}

func TestReplayRefusesPorts(t *testing.T) {
	start := strings.SplitAfter(string(sample().write(t, "jsonl")), "\n")[0]
	for _, c := range []struct{ record, err string }{
		{`"port":417,"protos":["tcp"],"range":"user","services":{"file":"x"}`, "port 417 is not in the range"},
		{`"port":417,"protos":["sctp"],"range":"system","services":{"file":"x"}`, "sctp"},
		{`"port":417,"protos":["tcp"],"range":"system","services":{"file":"x"},"names":[{"name":"x","source":"y"}]`, "no protocol"},
		{`"port":70000,"protos":["tcp"],"range":"dynamic","services":{"file":"x"}`, "70000"},
	} {
		err := Replay(strings.NewReader(start+`{"type":"port",`+c.record+"}\n"), &recorder{})
		if err == nil || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v, want %q", c.record, err, c.err)
		}
	}
}
