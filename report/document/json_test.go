package document_test

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"onmux/probe"
	"onmux/probe/local"
	. "onmux/report"
	. "onmux/report/record"
	. "onmux/report/reporttest"
	"onmux/report/schematest"
	"onmux/scan"
)

func TestEmptyDocument(t *testing.T) {
	want := `{"schema":"onmux/1","command":"check","version":"1","started":"2026-03-01T12:00:00.123456789Z",
"findings":[],
"violations":[],
"finished":"2026-03-01T12:00:00.123456789Z","complete":false,"coverage":[],` +
		`"summary":{"targets":0,"states":{},"duration_ms":0}}
`
	if got := string(Empty().Write(t, "json")); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestDocumentStreams(t *testing.T) {
	for _, format := range []string{"json", "jsonl"} {
		var b bytes.Buffer
		h, _ := New(format, &b, Options{})
		s := Sample()
		if err := h.Start(s.Started); err != nil || !strings.Contains(b.String(), "1.2.3") {
			t.Errorf("%s: after the Started: %q, %v", format, b.String(), err)
		}
		if err := Write(h, s.Findings[0]); err != nil || !strings.Contains(b.String(),
			`{"type":"endpoint","address":"fe80::1%eth0"`) {
			t.Errorf("%s: after a finding: %q, %v", format, b.String(), err)
		}
	}
}

func TestEachRecordHasItsLine(t *testing.T) {
	s := Sample()
	lines := strings.Split(strings.TrimSuffix(string(s.Write(t, "jsonl")), "\n"), "\n")
	if len(lines) != len(s.Findings)+2 {
		t.Fatalf("%d lines for %d findings", len(lines), len(s.Findings))
	}
	kinds := []string{"start"}
	for _, f := range s.Findings {
		kinds = append(kinds, f.Kind())
	}
	for i, kind := range append(kinds, "summary") {
		if !strings.HasPrefix(lines[i], `{"type":"`+kind+`",`) {
			t.Errorf("line %d is no %s: %s", i+1, kind, lines[i])
		}
	}
}

// TestNumbersThatAreNone: a share that could not be measured is left out.
func TestNumbersThatAreNone(t *testing.T) {
	s := Empty()
	zero := 0.0
	s.Ended.Summary.Loss = Ptr(zero / zero)
	s.Ended.Summary.ExpectedMissed = Ptr(1 / zero)
	for _, format := range []string{"json", "jsonl"} {
		if got := string(s.Write(t, format)); strings.Contains(got, "loss") || strings.Contains(got, "missed") {
			t.Errorf("%s", got)
		}
	}
}

func TestHostileStrings(t *testing.T) {
	s := Sample()
	for i, f := range s.Findings {
		v := reflect.New(reflect.TypeOf(f)).Elem()
		v.Set(reflect.ValueOf(f))
		poison(v)
		s.Findings[i] = v.Interface().(Finding)
	}
	poison(reflect.ValueOf(&s.Started).Elem())
	poison(reflect.ValueOf(&s.Ended).Elem())
	for _, format := range []string{"json", "jsonl"} {
		out := s.Write(t, format)
		for i, line := range strings.Split(string(out), "\n") {
			for _, r := range line {
				if !unicode.IsPrint(r) || r == utf8.RuneError {
					t.Errorf("%s line %d has a raw %U", format, i+1, r)
				}
			}
			if n := strings.Count(line, `\u001b[31m`); n == 0 && len(line) > 20 && strings.Contains(line, "type") {
				t.Errorf("%s line %d: the test poisoned nothing: %s", format, i+1, line)
			}
		}
		if !strings.Contains(string(out), `\udb40\udc41`) {
			t.Errorf("%s: no surrogate pair for a tag", format)
		}
		var got map[string]any
		if err := json.NewDecoder(bytes.NewReader(out)).Decode(&got); err != nil || got["command"] != Hostile {
			t.Errorf("%s: %v: the command came back as %q", format, err, got["command"])
		}
	}
}

// poison puts the Hostile string wherever a string fits.
func poison(v reflect.Value) {
	switch v.Type() {
	case reflect.TypeFor[time.Time](), reflect.TypeFor[[]byte]():
		return
	case reflect.TypeFor[netip.Addr]():
		v.Set(reflect.ValueOf(netip.IPv6LinkLocalAllNodes().WithZone(Hostile)))
		return
	case reflect.TypeFor[netip.AddrPort]():
		v.Set(reflect.ValueOf(netip.AddrPortFrom(netip.IPv6LinkLocalAllNodes().WithZone(Hostile), 417)))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(Hostile)
	case reflect.Struct:
		for i := range v.NumField() {
			poison(v.Field(i))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			poison(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			poison(v.Index(i))
		}
	case reflect.Map:
		value := reflect.New(v.Type().Elem()).Elem()
		poison(value)
		v.SetMapIndex(reflect.ValueOf(Hostile), value)
	}
}

func TestNoUTF8(t *testing.T) {
	s := Empty()
	s.Started.Version = "\xff�"
	if out := string(s.Write(t, "jsonl")); !strings.Contains(out, `"version":"\ufffd\ufffd"`) {
		t.Error(out)
	}
}

func TestTimesAreUTC(t *testing.T) {
	for _, format := range []string{"json", "jsonl"} {
		if out := string(Sample().Write(t, format)); strings.Contains(out, "+01:00") {
			t.Error(out)
		}
	}
	l := Sample().Findings[5].(local.Listener)
	l.Owners[0].Started = Noon
	empty := Empty()
	empty.Findings = []Finding{l}
	empty.Write(t, "json")
	if l.Owners[0].Started.Location() == time.UTC {
		t.Error("the writer changed the caller's record")
	}
}

func BenchmarkFinding(b *testing.B) {
	for _, format := range []string{"json", "jsonl"} {
		b.Run(format, func(b *testing.B) {
			h, _ := New(format, discard{}, Options{})
			r := scan.Range{First: Addr4, Last: Addr4, Count: 1, Port: 417, Proto: probe.TCP, State: probe.Closed}
			b.ReportAllocs()
			for b.Loop() {
				if err := Write(h, r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// TestStamp: each line has the time at which it was written, but for records that have one, and
// the id of its run.
func TestStamp(t *testing.T) {
	var out bytes.Buffer
	at := Noon
	h, err := New("jsonl", &out, Options{Stamp: true, Now: func() time.Time { at = at.Add(time.Second); return at }})
	if err != nil {
		t.Fatal(err)
	}
	s := Sample()
	h.Start(s.Started)
	for _, f := range s.Findings {
		Write(h, f)
	}
	h.End(s.Ended)
	if err := schematest.Validate("jsonl", bytes.NewReader(out.Bytes())); err != nil {
		t.Error(err)
	}
	runs := make(map[string]bool)
	var before time.Time
	for line := range bytes.Lines(out.Bytes()) {
		var r struct {
			Type, Run string
			Time      time.Time
		}
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		runs[r.Run] = true
		if slices.Contains([]string{"attempt", "event", "arrival"}, r.Type) {
			continue
		}
		if !r.Time.After(before) {
			t.Errorf("%s at %v, which is not after %v", r.Type, r.Time, before)
		}
		before = r.Time
	}
	if len(runs) != 1 || runs[""] {
		t.Errorf("runs %v", runs)
	}
}
