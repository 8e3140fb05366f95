package report_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/probe/local/owner"
	"onmux/probe/local/trace"
	. "onmux/report"
	. "onmux/report/record"
	. "onmux/report/reporttest"
	"onmux/report/schematest"
)

func TestParseOutput(t *testing.T) {
	for in, want := range map[string]Output{
		"text": {Format: "text"}, "json": {Format: "json"}, "jsonl": {Format: "jsonl"}, "json=-": {Format: "json"},
		"json=out.json": {Format: "json", File: "out.json"}, "jsonl=a=b": {Format: "jsonl", File: "a=b"},
		"text=./-":       {Format: "text", File: "./-"},
		"jsonl=a,follow": {Format: "jsonl", File: "a", Follow: true}, "jsonl=a,b": {Format: "jsonl", File: "a,b"},
		"jsonl=a,follow,follow": {Format: "jsonl", File: "a,follow", Follow: true},
	} {
		if got, err := ParseOutput(in); err != nil || got != want {
			t.Errorf("%q: %+v, %v", in, got, err)
		}
	}
	for in, want := range map[string]string{
		"json=": "names no file", "": "is not an output format: the formats are text, json, jsonl",
		"xml":           "is not an output format",
		"json=a,follow": "only jsonl is written as it is found", "jsonl=,follow": "names no file",
		"jsonl=-,follow": "leave ,follow out",
		"JSON":           "is not an output format", "=f": "is not an output format",
	} {
		if _, err := ParseOutput(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", in, err, want)
		}
	}
}

func TestUnknownFormat(t *testing.T) {
	if _, err := New("xml", nil, Options{}); err == nil || !strings.Contains(err.Error(), "text, json, jsonl") {
		t.Error(err)
	}
	if _, err := Open(t.Context(), []Output{{Format: "xml"}}, nil, Options{}); err == nil {
		t.Error("Open takes any format")
	}
}

// open fails the test where outputs can't be opened.
func open(t *testing.T, stdout *bytes.Buffer, outputs ...Output) *Sinks {
	t.Helper()
	s, err := Open(t.Context(), outputs, stdout, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func valid(t *testing.T, format string, document []byte) {
	t.Helper()
	if err := schematest.Validate(format, bytes.NewReader(document)); err != nil {
		t.Errorf("the %s report is not whole: %v", format, err)
	}
}

func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return strings.Join(out, " ")
}

func TestFilesAreReplaced(t *testing.T) {
	dir := t.TempDir()
	old := filepath.Join(dir, "old.json")
	if err := os.WriteFile(old, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(old, 0o640); err != nil {
		t.Fatal(err)
	}
	link, dangling := filepath.Join(dir, "link"), filepath.Join(dir, "dangling")
	for name, to := range map[string]string{link: "old.json", dangling: "new.jsonl"} {
		if err := os.Symlink(to, name); err != nil {
			t.Skip("no symbolic links here:", err)
		}
	}
	var stdout bytes.Buffer
	s := open(t, &stdout, Output{Format: "json", File: link}, Output{Format: "jsonl", File: dangling},
		Output{Format: "jsonl"})
	Sample().Replay(t, s)
	if b, _ := os.ReadFile(old); string(b) != "old" {
		t.Errorf("before Close the file is %q", b)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("the second Close: %v", err)
	}
	for _, name := range []string{link, dangling} {
		if info, err := os.Lstat(name); err != nil || info.Mode()&fs.ModeSymlink == 0 {
			t.Errorf("%s is no link any more", name)
		}
	}
	b, _ := os.ReadFile(old)
	valid(t, "json", b)
	b, _ = os.ReadFile(filepath.Join(dir, "new.jsonl"))
	valid(t, "jsonl", b)
	valid(t, "jsonl", stdout.Bytes())
	// The sample has the command line of a process.
	if info, err := os.Stat(old); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the mode became %v", info.Mode())
	}
	if got := names(t, dir); got != "dangling link new.jsonl old.json" {
		t.Errorf("left in the folder: %s", got)
	}
}

// A file keeps its mode unless it gets the command line of a process.
func TestFileModes(t *testing.T) {
	t.Parallel()
	with := local.Listener{Proto: probe.TCP, Port: 417, Owners: []owner.Owner{{PID: 1, Cmdline: []string{"x"}}}}
	without := local.Listener{Proto: probe.TCP, Port: 417, Owners: []owner.Owner{{PID: 1, Name: "x"}}}
	answered := local.Verdict{Proto: probe.TCP, Port: 417, Trace: []trace.Trace{{Owners: with.Owners}}}
	for _, c := range []struct {
		format string
		f      Finding
		want   fs.FileMode
	}{
		{"json", without, 0o640}, {"json", with, 0o600}, {"jsonl", answered, 0o600}, {"html", with, 0o600},
		{"text", with, 0o600}, {"csv", with, 0o640}, {"prom", with, 0o640}, {"junit", answered, 0o640},
	} {
		file := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(file, nil, 0o640); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, 0o640); err != nil {
			t.Fatal(err)
		}
		s := open(t, new(bytes.Buffer), Output{Format: c.format, File: file})
		Stream{Started: Starts("check"), Ended: Ends(1, nil), Findings: []Finding{c.f}}.Replay(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != c.want && runtime.GOOS != "windows" {
			t.Errorf("%s: the mode is %v, want %v", c.format, info.Mode(), c.want)
		}
	}
}

func TestUnfinishedReportReplacesNothing(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "f")
	if err := os.WriteFile(file, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	s := open(t, nil, Output{Format: "json", File: file})
	if err := s.Start(Sample().Started); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if b, _ := os.ReadFile(file); string(b) != "old" || names(t, dir) != "f" {
		t.Errorf("the file is %q, the folder has %s", b, names(t, dir))
	}
}

func TestTextInAFileIsPlain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	write := func(o Options) string {
		s, err := Open(t.Context(), []Output{{Format: "text", File: file}}, nil, o)
		if err != nil {
			t.Fatal(err)
		}
		Sample().Replay(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	plain := write(Options{})
	if got := write(Options{Color: true, Width: 20}); got != plain || strings.Contains(got, "\x1b") || got == "" {
		t.Errorf("a file has\n%s\nand for a terminal\n%s", plain, got)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "f")
	if err := os.Symlink("f", filepath.Join(dir, "link")); err != nil {
		t.Skip(err)
	}
	if err := os.Symlink("loop", filepath.Join(dir, "loop")); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		outputs []Output
		err     string
	}{
		{[]Output{{Format: "text"}, {Format: "json"}},
			"text and json would both go to standard output: give one a file, as " +
				"in -o json=FILE"},
		{[]Output{{Format: "text"}, {Format: "json", File: "/dev/stdout"}},
			"text and json would both go to standard output: give one a file, as in -o json=FILE"},
		{[]Output{{Format: "text", File: file}, {Format: "json", File: filepath.Join(dir, ".", "link")}},
			"two reports would both go to " +
				filepath.Join(dir, "link") + ": give each a file of its own"},
		{[]Output{{Format: "text", File: file}, {Format: "json", File: filepath.Join(dir, "none", "f")}},
			"cannot write the json report to " +
				filepath.Join(dir, "none", "f") + ": no such file or directory"},
		{[]Output{{Format: "text", File: file}, {Format: "json", File: dir}},
			"cannot write the json report to " + dir + ": is a directory"},
		{[]Output{{Format: "text", File: file}, {Format: "json", File: filepath.Join(dir, "loop")}},
			"cannot write the json report to " +
				filepath.Join(dir, "loop") + ": too many levels of symbolic links"},
	} {
		s, err := Open(t.Context(), test.outputs, nil, Options{})
		if s != nil || err == nil || err.Error() != test.err {
			t.Errorf("%v:\n%v, want\n%s", test.outputs, err, test.err)
		}
		if got := names(t, dir); got != "link loop" {
			t.Errorf("%v: left in the folder: %s", test.outputs, got)
		}
	}
}

// writes counts what is written at a time.
type writes int

func (w *writes) Write(b []byte) (int, error) { *w++; return len(b), nil }

// Where nobody waits for a single finding, all take few writes.
func TestAtOnce(t *testing.T) {
	for atOnce, want := range map[bool]int{true: 2, false: 2 + len(Sample().Findings)} {
		var n writes
		s, err := Open(t.Context(), []Output{{Format: "jsonl"}}, &n, Options{AtOnce: atOnce})
		if err != nil {
			t.Fatal(err)
		}
		Sample().Replay(t, s)
		if err := s.Close(); err != nil || int(n) != want {
			t.Errorf("at once %t: %d writes, want %d; %v", atOnce, n, want, err)
		}
	}
}

// brokenPipe takes so many bytes and then fails.
type brokenPipe int

func (b *brokenPipe) Write(p []byte) (int, error) {
	if *b -= brokenPipe(len(p)); *b < 0 {
		return 0, errors.New("broken pipe")
	}
	return len(p), nil
}

// An output that fails disturbs no other; only when none is left the stream has an error,
// which a replay stops at.
func TestOutputsFail(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	pipe := brokenPipe(0)
	s, err := Open(t.Context(), []Output{{Format: "jsonl"}, {Format: "json", File: file}}, &pipe, Options{})
	if err != nil {
		t.Fatal(err)
	}
	Sample().Replay(t, s) // which fails at an error
	want := "cannot write the jsonl report to standard output: broken pipe"
	if err := s.Close(); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	valid(t, "json", b)

	pipe = brokenPipe(1000)
	if s, err = Open(t.Context(), []Output{{Format: "jsonl"}}, &pipe, Options{}); err != nil {
		t.Fatal(err)
	}
	if err := Replay(bytes.NewReader(b), s); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("the replay: %v, want %s", err, want)
	}
	if err := s.Close(); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
