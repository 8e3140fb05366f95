package target

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"onmux/scan/files"
)

func stdin(r io.Reader) *files.Inputs { return &files.Inputs{Stdin: r} }

// readWords lists the targets of args and of the files from.
func readWords(args, from []string, in *files.Inputs) (out []string, err error) {
	r := reader{in: in, add: func(w word) { out = append(out, w.text) }}
	err = r.read(args, from)
	return out, err
}

func TestReadTargets(t *testing.T) {
	t.Chdir(t.TempDir())
	write := func(name, text string) {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("hosts", "\ufeff# ours\r\n10.0.0.1\r\n\r\n  10.0.0.0/24\t::1 # two\nlocalhost")
	write("more", "10.0.0.2\n")
	write("empty", "")
	write("bad", "10.0.0.1\n# fine\n10.0.0.1 10.0.0.300\n")
	write("nested", "@more\n")
	write("long", "\n"+strings.Repeat("10.0.0.1 ", 10_000))
	write("utf16", "\xff\xfe1\x000\x00.\x000\x00.\x000\x00.\x001\x00\r\x00\n\x00?\x00")
	write("marks", "10.0.0.1\u00a0; ours\r10.0.0.2\u200b10.0.0.3;x")
	_, gone := os.ReadFile("gone") // each system has its own words for these
	_, folder := os.ReadFile(".")
	for _, tt := range []struct {
		args, from, stdin string
		want              string // targets, or the error after "! "
	}{
		{"10.0.0.9 x", "", "", "10.0.0.9 x"},
		{"a @hosts b", "", "", "a 10.0.0.1 10.0.0.0/24 ::1 localhost b"},
		{"a", "hosts more", "", "a 10.0.0.1 10.0.0.0/24 ::1 localhost 10.0.0.2"},
		{"@-", "", "10.0.0.3\n10.0.0.4", "10.0.0.3 10.0.0.4"},
		{"", "-", "10.0.0.3", "10.0.0.3"},
		{"@empty", "", "", ""},
		{"@-", "-", "", "! reading standard input: it cannot be read twice"},
		{"@", "", "", "! @ needs the name of a file, or - for standard input"},
		{"@gone", "", "", "! reading gone: " + errors.Unwrap(gone).Error()},
		{"@.", "", "", "! reading .: " + errors.Unwrap(folder).Error()},
		{"@bad", "", "", `! bad:3: "10.0.0.300" is not a target: "300" is not a number from 0 to 255`},
		{"@-", "", "\n?\n", `! standard input:2: "?" is not a target: ` + targetForms},
		{"@nested", "", "", `! nested:1: "@more": a file of targets cannot name another one`},
		{"@long", "", "", "! long:2: the line is longer than 65536 bytes: break it"},
		{"@utf16", "", "", `! utf16:2: "?" is not a target: ` + targetForms},
		{"@marks", "", "", "10.0.0.1 10.0.0.2 10.0.0.3"},
	} {
		got, err := readWords(strings.Fields(tt.args), strings.Fields(tt.from), stdin(strings.NewReader(tt.stdin)))
		text := strings.Join(got, " ")
		if err != nil {
			text = "! " + err.Error()
			if !IsUsage(err) {
				t.Errorf("%s: not a usage error", text)
			}
		}
		if text != tt.want {
			t.Errorf("%s, from %s:\n got %s\nwant %s", tt.args, tt.from, text, tt.want)
		}
	}
	broken := errors.New("broken")
	if _, err := readWords([]string{"@-"}, nil, stdin(iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}

func FuzzReadTargets(f *testing.F) {
	f.Add("10.0.0.1\n# c\r\n\n::1 localhost#x")
	f.Add("\ufeff@x")
	f.Add("a b\tc\rd\ve\x00")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := readWords([]string{"@-"}, nil, stdin(strings.NewReader(text)))
		if err != nil {
			oneLine(t, err)
			return
		}
		again, err := readWords(nil, []string{"-"}, stdin(strings.NewReader(strings.Join(got, "\n"))))
		if err != nil || !slices.Equal(got, again) {
			t.Errorf("%q: read again: %q, %v", got, again, err)
		}
	})
}

// TestTargetsTakeLittleMemory: what a plan of many single addresses from a file keeps, and
// what it takes to make it.
func TestTargetsTakeLittleMemory(t *testing.T) {
	const n = 200_000
	name := filepath.Join(t.TempDir(), "hosts")
	var text strings.Builder
	for i := range uint64(n) {
		fmt.Fprintln(&text, netip.AddrFrom4([4]byte{10, byte(i >> 15), byte(i >> 7), byte(i << 1)}))
	}
	if err := os.WriteFile(name, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	text.Reset()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	p, err := NewPlan(t.Context(), Config{Targets: []string{"@" + name}, Files: stdin(nil), Ports: onmuxTCP})
	if err != nil || p.AddrCount() != n || countRuns(&p.addrSpace) != n {
		t.Fatal(p, err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	kept := (float64(after.HeapAlloc) - float64(before.HeapAlloc)) / n
	made := float64(after.TotalAlloc-before.TotalAlloc) / n
	if kept > 12 || made > 200 {
		t.Errorf("%.0f bytes kept and %.0f allocated for one address", kept, made)
	}
	t.Logf("%.1f bytes kept and %.0f allocated for one address", kept, made)
	runtime.KeepAlive(p)
}

// TestFilesAreTargets: a plan has what files name, as if it stood among the targets.
func TestFilesAreTargets(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	one, two, cut := write("one", "10.0.0.9\n10.0.0.0/29 ::1\n"), write("two", "10.0.0.8"), write("cut", "10.0.0.3-4")
	c := Config{Targets: []string{"@" + one, "10.0.1.1"}, TargetFiles: []string{two}, Exclude: []string{"@" + cut},
		Files: stdin(nil), Ports: onmuxTCP}
	p, err := NewPlan(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := shown(p), "10.0.0.0-10.0.0.2 10.0.0.5-10.0.0.9 10.0.1.1 ::1"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, tt := range []struct {
		c    Config
		want string
	}{
		{Config{Targets: []string{"@one"}}, "a file cannot be given here"},
		{Config{TargetFiles: []string{write("empty", "# none")}, Files: stdin(nil)}, "no targets: " + targetForms},
		{Config{Targets: []string{"x x", "@" + write("bad", "?")}, Files: stdin(nil)}, "bad:1:"},
		{Config{Targets: []string{"::1"}, Exclude: []string{"@" + write("wrong", "?")}, Files: stdin(nil)}, "--exclude: "},
	} {
		tt.c.Ports = onmuxTCP
		if _, err := NewPlan(t.Context(), tt.c); err == nil || !strings.Contains(err.Error(), tt.want) || !IsUsage(err) {
			t.Errorf("%v: %v, want %s", tt.c.Targets, err, tt.want)
		}
	}
}

// A file of single addresses is the common case: it is read, checked and planned.
func BenchmarkReadTargets(b *testing.B) {
	var text strings.Builder
	for i := range uint64(100_000) {
		a := scramble(i)
		fmt.Fprintln(&text, netip.AddrFrom4([4]byte{10, byte(a >> 16), byte(a >> 8), byte(a)}))
	}
	name := filepath.Join(b.TempDir(), "hosts")
	if err := os.WriteFile(name, []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		c := Config{Targets: []string{"@" + name}, Files: stdin(nil), Ports: onmuxTCP}
		if _, err := NewPlan(b.Context(), c); err != nil {
			b.Fatal(err)
		}
	}
}
