package main

import (
	"bytes"
	"io"
	"onmux/report/help"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// TestBashCompletes asks a real bash what it would offer. Words are as bash takes a line
// apart: at = and @, too.
func TestBashCompletes(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip(err)
	}
	var script bytes.Buffer
	if err := help.Complete(&script, "bash", program(newApp(nil, io.Discard, io.Discard))); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"first.json", "targets"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ words, want string }{
		{"sc", "scan schema"},
		{"scan --method ", "auto syn connect"},
		{"scan --method = c", "connect"},
		{"scan --output = js", "json jsonl"},
		{"scan -o = ", "text json jsonl csv nmap-xml junit tap github markdown prom nagios html"},
		{"scan -o html = fi", "first.json"},
		{"scan -o ht", "html"},
		{"scan @ tar", "targets"},
		{"scan @", "targets first.json"},
		{"scan --timeout ", ""},
		{"scan --rate fi", ""},
		{"scan --checkpoint fi", "first.json"},
		{"diff fi", "first.json"},
		{"diff --exit-style na", "nagios"},
		{"verify --wait ", ""},
		{"completion b", "bash"},
	} {
		cmd := exec.Command("bash", "-c", script.String()+`
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_onmux
printf '%s\n' "${COMPREPLY[@]}"`, "bash")
		cmd.Args = append(cmd.Args, append([]string{"onmux"}, strings.Split(c.words, " ")...)...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		got, want := strings.Fields(string(out)), strings.Fields(c.want)
		slices.Sort(got)
		slices.Sort(want)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v %q, want %q", c.words, err, got, want)
		}
	}
}

// TestHelpFits: every page has room on a terminal of 80 columns.
func TestHelpFits(t *testing.T) {
	before := cli.FlagStringer
	cli.FlagStringer = flagLine // as main does
	t.Cleanup(func() { cli.FlagStringer = before })
	pages := [][]string{{"-h"}}
	for _, c := range newApp(nil, io.Discard, io.Discard).Commands {
		pages = append(pages, []string{c.Name, "-h"})
	}
	for _, args := range pages {
		var out, errs bytes.Buffer
		if code := run(args, nil, &out, &errs); code != 0 || errs.Len() > 0 {
			t.Fatalf("%s: exit code %d: %s", args, code, &errs)
		}
		for line := range strings.Lines(out.String()) {
			line = strings.TrimSuffix(line, "\n")
			if len([]rune(line)) > 80 || strings.TrimRight(line, " ") != line {
				t.Errorf("%s: %d columns: %q", args, len([]rune(line)), line)
			}
		}
	}
}
