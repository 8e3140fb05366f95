package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"onmux/report/help"
)

// TestBashCompletes asks a real bash what it would offer. Words are as bash takes a line
// apart: at = and @, too.
func TestBashCompletes(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip(err)
	}
	var script bytes.Buffer
	if err := help.Complete(&script, "bash", program(newApp(commandsFor(nil), nil, io.Discard, io.Discard))); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "scan"), 0o700); err != nil { // called as a command is
		t.Fatal(err)
	}
	if strings.Contains(script.String(), "complete -o filenames") {
		t.Error("commands are completed as file names")
	}
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
		{"scan --expect closed,fil", "closed,filtered"},
		{"scan --expect = open,clo", "open,closed"},
		{"check --expect free,else", "free,elsewhere"},
		{"scan @ tar", "targets"},
		{"scan @", "targets first.json scan"},
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
	for _, c := range newApp(commandsFor(nil), nil, io.Discard, io.Discard).Commands {
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

// TestShellsTakeTheirScripts: zsh and fish find nothing wrong, and know lists, files behind =
// and @.
func TestShellsTakeTheirScripts(t *testing.T) {
	for shell, c := range map[string]struct{ ask, want string }{
		"zsh": {`autoload -U compinit; compinit -u -D; %s; [[ -n $_comps[onmux] ]] && echo fine`, "fine"},
		"fish": {`%s; complete -C 'onmux scan --expect closed,fil'; complete -C 'onmux scan --method=s'; ` +
			`complete -C 'onmux scan -o js'`, "closed,filtered --method=syn json jsonl"},
	} {
		t.Run(shell, func(t *testing.T) {
			path, err := exec.LookPath(shell)
			if err != nil {
				t.Skip(err)
			}
			var script, out, errs bytes.Buffer
			if code := run([]string{"completion", shell}, nil, &script, &errs); code != 0 {
				t.Fatal(errs.String())
			}
			file := filepath.Join(t.TempDir(), "script")
			if err := os.WriteFile(file, script.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(path, "-c", strings.Replace(c.ask, "%s", "source "+file, 1))
			cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
			cmd.Stdout, cmd.Stderr = &out, &errs
			err = cmd.Run()
			var got []string // without what the words are about
			for line := range strings.Lines(out.String()) {
				word, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
				got = append(got, word)
			}
			if strings.Join(got, " ") != c.want || err != nil || errs.Len() > 0 {
				t.Errorf("%v: %q, want %q; %s", err, got, c.want, &errs)
			}
		})
	}
}
