package report_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	. "onmux/report"
	. "onmux/report/expect"
	. "onmux/report/record"
	. "onmux/report/reporttest"
	"onmux/scan"
)

func TestReplayIsTheSameReport(t *testing.T) {
	for name, s := range map[string]Stream{"sample": Sample(), "empty": Empty()} {
		for _, format := range []string{"json", "jsonl"} {
			saved := s.Write(t, format)
			for way, r := range map[string]io.Reader{"whole": bytes.NewReader(saved),
				"byte by byte": iotest.OneByteReader(bytes.NewReader(saved))} {
				var again bytes.Buffer
				h, _ := New(format, &again, Options{})
				if err := Replay(r, h); err != nil {
					t.Errorf("%s as %s %s: %v", name, format, way, err)
				} else if !bytes.Equal(saved, again.Bytes()) {
					t.Errorf("%s as %s %s:\n%s\ncame back as\n%s", name, format, way, saved, again.Bytes())
				}
			}
		}
	}
}

// TestReplayIsDirect: a replay of a json or jsonl document is, in every format, what the run
// wrote in that format.
func TestReplayIsDirect(t *testing.T) {
	t.Parallel()
	streams := map[string]Stream{"sample": Sample(), "empty": Empty(), "hostile": WithText(Hostile)}
	// Of documents of every command, the jsonl is the stream.
	saved, err := filepath.Glob("../testdata/documents/*.jsonl")
	if err != nil || len(saved) == 0 {
		t.Fatal(saved, err)
	}
	for _, file := range saved {
		r := NewRecorder()
		b, err := os.ReadFile(file)
		if err == nil {
			err = Replay(bytes.NewReader(b), r)
		}
		if err != nil {
			t.Fatal(file, err)
		}
		streams[filepath.Base(file)] = r.Stream
		if old, err := os.ReadFile(strings.TrimSuffix(file, "l")); err != nil {
			t.Fatal(err)
		} else if !bytes.Contains(old, []byte(`"command":"check"`)) { // whose sockets have violations that stand behind them
			compareReplays(t, file+" from json", r.Stream, old)
		}
	}
	// Two records of one name, of which the second alone violates something.
	twice := Sample()
	again := twice.Findings[1]
	twice.Findings = append([]Finding{again}, twice.Findings...)
	streams["twice"] = twice
	for name, s := range streams {
		for _, from := range []string{"json", "jsonl"} {
			compareReplays(t, name+" from "+from, s, s.Write(t, from))
		}
	}
}

func compareReplays(t *testing.T, name string, s Stream, saved []byte) {
	t.Helper()
	for _, format := range Formats() {
		if Fits(format, s.Started.Command) != nil {
			continue
		}
		var b bytes.Buffer
		h, err := New(format, &b, Options{})
		if err == nil {
			err = Replay(iotest.HalfReader(bytes.NewReader(saved)), h)
		}
		if want := s.Write(t, format); err != nil || !bytes.Equal(b.Bytes(), want) {
			t.Errorf("%s as %s: %v\n%s\nwant\n%s", name, format, err, b.Bytes(), want)
		}
	}
}

func TestReplayAcrossFormats(t *testing.T) {
	s := Sample()
	var lines bytes.Buffer
	h, _ := New("jsonl", &lines, Options{})
	if err := Replay(bytes.NewReader(s.Write(t, "json")), h); err != nil {
		t.Fatal(err)
	}
	var document bytes.Buffer
	h, _ = New("json", &document, Options{})
	if err := Replay(&lines, h); err != nil {
		t.Fatal(err)
	}
	if want := s.Write(t, "json"); !bytes.Equal(document.Bytes(), want) {
		t.Errorf("got\n%s\nwant\n%s", document.Bytes(), want)
	}
}

// TestReplayCutOff cuts a report anywhere.
func TestReplayCutOff(t *testing.T) {
	for _, format := range []string{"json", "jsonl"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			s := Sample()
			saved := bytes.TrimSpace(s.Write(t, format))
			for n := 0; n < len(saved); n += 1 + n/512 { // at every byte of the first records
				r := NewRecorder()
				err := Replay(bytes.NewReader(saved[:n]), r)
				if r.Starts != r.Ends {
					t.Fatalf("%s, %d bytes: %d starts, %d ends", format, n, r.Starts, r.Ends)
				}
				if r.Starts == 0 {
					if err == nil {
						t.Fatalf("%s, %d bytes: no start and no error", format, n)
					}
					continue
				}
				if err != nil || r.Ended.Complete || !strings.Contains(strings.Join(r.Ended.Coverage, ""), "cut off") {
					t.Fatalf("%s, %d bytes: %v, %+v", format, n, err, r.Ended)
				}
			}
			r := NewRecorder()
			at := bytes.LastIndex(saved, []byte(`"finished"`))
			if err := Replay(bytes.NewReader(saved[:at]), r); err != nil || len(r.Findings) != len(s.Findings) {
				t.Errorf("%s: %v, %d findings of %d", format, err, len(r.Findings), len(s.Findings))
			}
			if r.Ended.Summary.Targets != 7 || r.Ended.Summary.States["unknown"] != 3 {
				t.Errorf("%s: the summary of the records is %+v", format, r.Ended.Summary)
			}
		})
	}
}

// TestReplaySorted reads what jq -S makes of a document.
func TestReplaySorted(t *testing.T) {
	r := NewRecorder()
	err := Replay(strings.NewReader(`{
  "command": "scan", "complete": true, "coverage": [], "finished": "2026-03-01T12:00:00Z",
  "findings": [ {"address": "192.0.2.1", "port": 417, "proto": "tcp", "state": "open", "type": "endpoint"} ],
  "later": {"than": ["this"]}, "schema": "onmux/1", "started": "2026-03-01T12:00:00Z",
  "summary": {"targets": 1, "states": {"open": 1}, "duration_ms": 1}, "version": "1", "violations": []
}`), r)
	if err != nil || r.Started.Command != "scan" || len(r.Findings) != 1 || !r.Ended.Complete {
		t.Errorf("%v: %+v", err, r)
	}
}

func TestReplayRefuses(t *testing.T) {
	lines := strings.SplitAfter(string(Sample().Write(t, "jsonl")), "\n")
	start, summary := lines[0], lines[len(lines)-2]
	document := string(Sample().Write(t, "json"))
	tests := []struct{ name, in, err string }{
		{"nothing", "", "ends before"},
		{"blank", "\n\n \n", "ends before"},
		{"text", "192.0.2.1 is open\n", "write it with"},
		{"XML without an element", "<?xml version=\"1.0\"?>\n<!DOCTYPE nmaprun>", "no element nmaprun"},
		{"words", "open 192.0.2.1\n", "not JSON"},
		{"an array", "[]", "write it with"},
		{"another object", `{"a":1}`, `no "schema"`},
		{"another schema", strings.Replace(document, "onmux/1", "onmux/9", 1), "schema onmux/1"},
		{"another schema, lines", strings.Replace(start, "onmux/1", "onmux/9", 1), "schema onmux/1"},
		{"no type", start + "{}\n" + summary, "line 2: a record has no type"},
		{"a type of the future", start + `{"type":"packet"}` + "\n" + summary, `line 2: records of type "packet"`},
		{"a broken line", start + "{\"type\":\n" + summary, "line 2: a record is not JSON"},
		{"after the summary", start + summary + start, "line 3: nothing may follow"},
		{"two documents", document + document, "something follows"},
		{"a state", start + `{"type":"endpoint","address":"192.0.2.1","port":1,"proto":"tcp","state":"ajar"}` + "\n",
			`"ajar" is not a state`},
		{"a verdict", start + `{"type":"verdict","port":1,"proto":"tcp","verdict":"idle","why":""}` + "\n",
			`"idle" is not a verdict`},
		{"no protocol", start + `{"type":"verdict","port":1,"verdict":"free","why":""}` + "\n", "no protocol"},
		{"a range backwards", start +
			`{"type":"range","first":"192.0.2.2","last":"192.0.2.1","count":1,"port":1,"proto":"tcp","state":"open"}` +
			"\n", "is none"},
		{"a long line", start + `{"type":"verdict","why":"` + strings.Repeat("x", 1<<20) + "\"}\n",
			"line 2: a record is longer"},
		{"a long record", strings.Replace(document, "could not look", strings.Repeat("x", 2<<20), 1),
			"longer than 1048576 bytes"},
		{"findings twice", strings.Replace(document, `"violations":`, `"findings":`, 1), "is there twice"},
		{"findings that are none", `{"findings":{}}`, "is not an array"},
		{"too deep", start + strings.Repeat("[", 20000), ""},
	}
	for _, test := range tests {
		r := NewRecorder()
		err := Replay(strings.NewReader(test.in), r)
		if test.err == "" {
			continue // no panic is all
		}
		if err == nil || !strings.Contains(err.Error(), test.err) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", test.name, err, test.err)
		}
		if r.Starts != r.Ends {
			t.Errorf("%s: %d starts, %d ends", test.name, r.Starts, r.Ends)
		}
	}
}

func TestReplayPassesErrorsOn(t *testing.T) {
	broken := errors.New("broken")
	for _, format := range []string{"json", "jsonl"} {
		saved := Sample().Write(t, format)
		r := NewRecorder()
		r.Fail = broken
		if err := Replay(bytes.NewReader(saved), r); !errors.Is(err, broken) {
			t.Errorf("%s: the handler failed: %v", format, err)
		}
		half := io.MultiReader(bytes.NewReader(saved[:len(saved)/2]), iotest.ErrReader(broken))
		r = NewRecorder()
		if err := Replay(half, r); !errors.Is(err, broken) || r.Ends != 1 {
			t.Errorf("%s: reading failed: %v, %d ends", format, err, r.Ends)
		}
		if err := Replay(iotest.ErrReader(broken), r); !errors.Is(err, broken) {
			t.Errorf("%s: reading failed at once: %v", format, err)
		}
	}
}

func FuzzReplay(f *testing.F) {
	for _, s := range []Stream{Sample(), Empty()} {
		for _, format := range []string{"json", "jsonl"} {
			saved := s.Write(f, format)
			f.Add(saved)
			f.Add(saved[:len(saved)/2])
		}
	}
	f.Add(Sample().Write(f, "nmap-xml"))
	f.Fuzz(func(t *testing.T, in []byte) {
		r := NewRecorder()
		if err := Replay(bytes.NewReader(in), r); r.Starts != r.Ends || r.Starts == 0 && err == nil {
			t.Errorf("%d starts, %d ends, %v", r.Starts, r.Ends, err)
		}
		// Whatever was read can be held against an expectation and written.
		j := NewJudge(nil)
		var b bytes.Buffer
		h, _ := New("jsonl", &b, Options{})
		if r.Starts == 0 || h.Start(r.Started) != nil {
			return
		}
		for _, f := range r.Findings {
			j.Finding(f)
			if Write(h, f) != nil {
				return // a time that RFC 3339 does not have in UTC
			}
			if l, ok := f.(scan.Range); ok && l.Count == 0 {
				t.Error("a range of nothing")
			}
		}
		j.End(r.Ended)
		if h.End(r.Ended) != nil {
			return
		}
		if err := Replay(&b, NewRecorder()); err != nil {
			t.Errorf("what was written can't be read again: %v", err)
		}
	})
}
