package target

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"onmux/scan/files"
)

func stdin(r io.Reader) *files.Inputs { return &files.Inputs{Stdin: r} }

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
	write("utf16", "\xff\xfe1\x000\x00")
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
		{"@-", "-", "", "! cannot read targets from standard input: it cannot be read twice"},
		{"@", "", "", "! @ needs the name of a file, or - for standard input"},
		{"@gone", "", "", "! cannot read targets from gone: " + errors.Unwrap(gone).Error()},
		{"@.", "", "", "! cannot read targets from .: " + errors.Unwrap(folder).Error()},
		{"@bad", "", "", `! bad:3: "10.0.0.300" is not a target: "300" is not a number from 0 to 255`},
		{"@-", "", "\n?\n", `! standard input:2: "?" is not a target: ` + targetForms},
		{"@nested", "", "", `! nested:1: "@more": a file of targets cannot name another one`},
		{"@long", "", "", "! long:2: the line is longer than 65536 bytes: write one target a line"},
		{"@utf16", "", "", `! utf16:1: "\xff\xfe1\x000\x00" is not a host name: write it in its ASCII form, xn--…`},
	} {
		got, err := Read(strings.Fields(tt.args), strings.Fields(tt.from), stdin(strings.NewReader(tt.stdin)))
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
	if _, err := Read([]string{"@-"}, nil, stdin(iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}

func FuzzReadTargets(f *testing.F) {
	f.Add("10.0.0.1\n# c\r\n\n::1 localhost#x")
	f.Add("\ufeff@x")
	f.Add("a b\tc\rd\ve\x00")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := Read([]string{"@-"}, nil, stdin(strings.NewReader(text)))
		if err != nil {
			oneLine(t, err)
			return
		}
		again, err := Read(nil, []string{"-"}, stdin(strings.NewReader(strings.Join(got, "\n"))))
		if err != nil || !slices.Equal(got, again) {
			t.Errorf("%q: read again: %q, %v", got, again, err)
		}
	})
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
		targets, err := Read([]string{"@" + name}, nil, stdin(nil))
		if err != nil || len(targets) != 100_000 {
			b.Fatal(len(targets), err)
		}
		if _, err := NewPlan(b.Context(), Config{Targets: targets, Ports: onmuxTCP}); err != nil {
			b.Fatal(err)
		}
	}
}
