package text_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jedib0t/go-pretty/v6/text"

	"onmux/probe"
	"onmux/probe/nettest/race"
	. "onmux/report"
	. "onmux/report/record"
	. "onmux/report/reporttest"
	"onmux/scan"
)

var update = flag.Bool("update", false, "write the golden files anew")

// variants are the ways in which each stream is written.
var variants = []struct {
	name string
	Options
}{
	{"piped", Options{}},
	{"40", Options{Width: 40}},
	{"80", Options{Width: 80}},
	{"120", Options{Width: 120}},
	{"color", Options{Width: 80, Color: true}},
	{"quiet", Options{Width: 80, Verbosity: Quiet}},
	{"verbose", Options{Width: 80, Verbosity: Verbose}},
}

var sgr = regexp.MustCompile("\x1b\\[[0-9;]*m")

// Every stream, in every variant, is written as its golden file has it; and whatever
// that is, no line is too wide, ends in a space or lets anything from outside
// act on the terminal.
func TestText(t *testing.T) {
	for name, s := range textStreams() {
		for _, v := range variants {
			t.Run(name+"/"+v.name, func(t *testing.T) {
				got := textOf(t, s, v.Options)
				fits(t, got, v.Options)
				golden(t, filepath.Join("testdata", name+"."+v.name+".txt"), got)
			})
		}
	}
}

// The same holds for widths that no sensible terminal has; and colours change
// nothing else.
func TestTextFitsEveryWidth(t *testing.T) {
	for name, s := range textStreams() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for width := 4; width < 130; width += race.Nth + width/8 {
				for _, verbosity := range []Verbosity{Normal, Quiet, Verbose} {
					o := Options{Width: width, Verbosity: verbosity, PortName: portName}
					mono := textOf(t, s, o)
					o.Color = true
					colored := textOf(t, s, o)
					if !fits(t, colored, o) {
						t.Fatalf("%s at %d columns", name, width)
					}
					if bare := sgr.ReplaceAllString(colored, ""); bare != mono {
						t.Fatalf("%s at %d columns: colours change the text:\n%s\n%s", name, width, bare, mono)
					}
				}
			}
		})
	}
}

func portName(p probe.Port) string {
	if p.Number == 417 {
		return "onmux"
	}
	return ""
}

func textOf(t testing.TB, s Stream, o Options) string {
	t.Helper()
	var b bytes.Buffer
	o.PortName = portName
	h, err := New("text", &b, o)
	if err != nil {
		t.Fatal(err)
	}
	s.Replay(t, h)
	return b.String()
}

func fits(t testing.TB, got string, o Options) bool {
	t.Helper()
	if !o.Color && strings.Contains(got, "\x1b") {
		t.Errorf("an escape without colours: %q", got)
	}
	got = sgr.ReplaceAllString(got, "")
	if !utf8.ValidString(got) {
		t.Errorf("no UTF-8: %q", got)
	}
	for line := range strings.Lines(got) {
		line = strings.TrimSuffix(line, "\n")
		if w := text.StringWidthWithoutEscSequences(line); o.Width > 0 && w > o.Width {
			t.Errorf("%d columns of %d: %q", w, o.Width, line)
		}
		if strings.HasSuffix(line, " ") {
			t.Errorf("ends in a space: %q", line)
		}
		if strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("not all of it shows: %q", line)
		}
	}
	return !t.Failed()
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(got),
			0o644)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s (-update writes it anew)\ngot:\n%s\nwant:\n%s", file, got, want)
	}
}

// A handler that gets no start, or of records of another command, or
// whose writer fails, returns an error or writes what it can; it does not panic.
func TestTextOutOfPlace(t *testing.T) {
	t.Parallel()
	for _, v := range variants {
		for name, s := range textStreams() {
			for _, command := range []string{"", "check", "probe", "scan", "merge"} {
				var b bytes.Buffer
				h, _ := New("text", &b, v.Options)
				if command != "" {
					h.Start(Start{Command: command})
				}
				for _, f := range s.Findings {
					if err := Write(h, f); err != nil {
						t.Errorf("%s as %q: %v", name, command, err)
					}
				}
				if err := h.End(s.Ended); err != nil {
					t.Errorf("%s as %q: %v", name, command, err)
				}
				fits(t, b.String(), v.Options)
			}
		}
	}
	h, _ := New("text", broken{}, Options{})
	h.Start(Start{Command: "probe"})
	if err := Write(h, probe.Result{State: probe.Open}); !errors.Is(err, errBroken) {
		t.Errorf("a finding into a broken pipe: %v", err)
	}
	if err := h.End(End{}); !errors.Is(err, errBroken) {
		t.Errorf("an end into a broken pipe: %v", err)
	}
}

var errBroken = errors.New("broken pipe")

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errBroken }

// Where somebody waits for them, open endpoints of a scan and every line of a probe are
// written when they are found, but for the first moment; what a scan found open stands
// once more at the end, in the order of addresses.
func TestTextStreams(t *testing.T) {
	for _, command := range []string{"probe", "scan"} {
		synctest.Test(t, func(t *testing.T) {
			var b bytes.Buffer
			h, _ := New("text", &b, Options{Width: 80, Live: true})
			h.Start(Start{Command: command})
			Write(h, result("10.0.0.9", 417, probe.TCP, probe.Open, probe.SynAck))
			if b.Len() > 0 {
				t.Errorf("%s: written at once: %s", command, &b)
			}
			time.Sleep(2 * time.Second)
			for i := range 3 {
				before := b.Len()
				Write(h, result("10.0.0."+fmt.Sprint(i), 417, probe.TCP, probe.Open, probe.SynAck))
				if b.Len() == before {
					t.Errorf("%s: nothing was written for endpoint %d", command, i)
				}
			}
			found := regexp.MustCompile(`(?m)^10\.0\.0\.\d`)
			if got := strings.Join(found.FindAllString(b.String(), -1), " "); got != "10.0.0.9 10.0.0.0 10.0.0.1 10.0.0.2" {
				t.Errorf("%s: written as found: %s", command, got)
			}
			before := b.Len()
			h.End(End{Complete: true, Summary: scan.Summary{Targets: 4}})
			want := "10.0.0.0 10.0.0.1 10.0.0.2 10.0.0.9"
			if command == "probe" {
				want = ""
			}
			if got := strings.Join(found.FindAllString(b.String()[before:], -1), " "); got != want {
				t.Errorf("%s: at the end: %q, want %q", command, got, want)
			}
		})
	}
}

// A scan ends with what is open, before the line that adds up, also if it was interrupted;
// ports whose other addresses are alike are one row.
func TestTextEndsWithWhatIsOpen(t *testing.T) {
	for _, complete := range []bool{true, false} {
		var b bytes.Buffer
		h, _ := New("text", &b, Options{Width: 80})
		h.Start(Start{Command: "scan"})
		Write(h, result("10.0.0.9", 80, probe.TCP, probe.Open, probe.SynAck))
		Write(h, result("10.0.0.0", 22, probe.TCP, probe.Open, probe.SynAck))
		for _, r := range []scan.Range{
			{First: netip.MustParseAddr("10.0.0.1"), Last: netip.MustParseAddr("10.0.0.255"), Count: 255, Port: 22},
			{First: netip.MustParseAddr("10.0.0.0"), Last: netip.MustParseAddr("10.0.0.8"), Count: 9, Port: 80},
			{First: netip.MustParseAddr("10.0.0.10"), Last: netip.MustParseAddr("10.0.0.255"), Count: 246, Port: 80},
		} {
			r.Proto, r.State, r.Reason = probe.TCP, probe.Closed, probe.Reset
			Write(h, r)
		}
		h.End(End{Complete: complete, Coverage: []string{"asked"}, Summary: scan.Summary{Targets: 512,
			States: map[string]uint64{"open": 2, "closed": 510}}})
		want := "closed  22,80/tcp    510  reset   10.0.0.0-10.0.0.255 but the open ones\n"
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, &b)
		}
		want = "\n\n10.0.0.0  22/tcp  open  syn-ack\n10.0.0.9  80/tcp  open  syn-ack\n\n" +
			"512 endpoints: 2 open, 510 closed"
		if !strings.Contains(b.String(), want) {
			t.Errorf("complete %v: no %q in\n%s", complete, want, &b)
		}
	}
}

// A scan of very many records is written in a bounded space, and counts all.
func TestTextFoldsWhatIsMany(t *testing.T) {
	var b bytes.Buffer
	h, _ := New("text", &b, Options{Width: 80})
	h.Start(Start{Command: "scan"})
	total := uint64(0)
	addr := netip.MustParseAddr("10.0.0.0")
	for i := range 20000 { // every second address: nothing can be joined
		r := probe.Result{Endpoint: probe.Endpoint{Addr: addr, Port: uint16(i%100 + 1), Proto: probe.TCP},
			State: probe.Filtered, Error: fmt.Sprint("error ", i)}
		Write(h, r)
		addr = addr.Next().Next()
		total++
	}
	h.End(End{Complete: true, Summary: scan.Summary{Targets: total, States: map[string]uint64{"filtered": total}}})
	if n := strings.Count(b.String(), "\n"); n > 400 {
		t.Errorf("%d lines", n)
	}
	for _, want := range []string{"and 90 more rows of 18,000 endpoints", "more ranges (-v lists all)",
		"20,000 endpoints"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

// Ports of one host that agree are one row, however many they are.
func TestTextJoinsPorts(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	h, _ := New("text", &b, Options{Width: 80})
	h.Start(Start{Command: "scan"})
	for p := uint16(1); p < 65535; p++ {
		if p != 417 {
			Write(h, result("10.0.0.1", p, probe.TCP, probe.Closed, probe.Reset))
		}
	}
	h.End(End{Complete: true})
	if want := "closed  1-416,418-65534/tcp  65,533  reset   10.0.0.1\n"; !strings.Contains(b.String(), want) {
		t.Errorf("no %q in\n%s", want, b.String())
	}
}

// What is long takes time in proportion: this would run for hours otherwise.
func TestTextOfLongStrings(t *testing.T) {
	for _, piece := range []string{"x", "x ", "世", "\x1b", " "} {
		t.Run(fmt.Sprintf("%q", piece), func(t *testing.T) {
			t.Parallel()
			s := hostileStream(strings.Repeat(piece, 1<<13))
			textOf(t, as("check", s), Options{Width: 80, Verbosity: Verbose})
		})
	}
}

func FuzzText(f *testing.F) {
	f.Add(Hostile, "scan", 80)
	f.Add("世界\u200b\x1b[2J", "check", 7)
	f.Fuzz(func(t *testing.T, text, command string, width int) {
		o := Options{Width: max(width%200, 0), Color: width%2 == 0, Verbosity: Verbosity(uint(width) % 3)}
		if o.Width < 4 {
			o.Width = 0
		}
		s := hostileStream(text)
		s.Started.Command = command
		fits(t, textOf(t, s, o), o)
	})
}

func result(addr string, port uint16, proto probe.Proto, s probe.State, reason probe.Reason) probe.Result {
	return probe.Result{Endpoint: probe.Endpoint{Addr: netip.MustParseAddr(addr), Port: port, Proto: proto}, State: s,
		Reason: reason, Tries: 1}
}

func BenchmarkTextOpen(b *testing.B) {
	h, _ := New("text", &bytes.Buffer{}, Options{Width: 80, Color: true})
	h.Start(Start{Command: "scan"})
	r := result("10.0.0.1", 417, probe.TCP, probe.Open, probe.SynAck)
	r.RTT = probe.Millis(120 * time.Microsecond)
	b.ReportAllocs()
	for b.Loop() {
		Write(h, r)
	}
}

func BenchmarkTextFold(b *testing.B) {
	h, _ := New("text", &bytes.Buffer{}, Options{Width: 80})
	h.Start(Start{Command: "scan"})
	r := scan.Range{First: netip.MustParseAddr("10.0.0.1"), Last: netip.MustParseAddr("10.0.0.9"), Count: 9, Port: 417,
		Proto: probe.TCP, State: probe.Closed, Reason: probe.Reset, Tries: 1}
	b.ReportAllocs()
	for b.Loop() {
		Write(h, r)
	}
}
