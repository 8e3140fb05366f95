package main

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"onmux/probe/nettest"
)

// TestRecipes runs what the README recommends for CI and monitoring as it
// stands there: while the database answers, and when it does not.
func TestRecipes(t *testing.T) {
	nettest.Need(t)
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := bytes.Cut(readme, []byte("\n## In CI and monitoring\n"))
	section, _, _ = bytes.Cut(section, []byte("\n## "))
	blocks := strings.Split(string(section), "```")
	if len(blocks) < 10 {
		t.Fatalf("%d blocks in the section", len(blocks))
	}
	dir := t.TempDir()
	var commands []string
	for i := 1; i < len(blocks); i += 2 {
		_, text, _ := strings.Cut(blocks[i], "\n")
		if strings.HasPrefix(text, "# onmux.yaml\n") {
			if err := os.WriteFile(filepath.Join(dir, "onmux.yaml"), []byte(text), 0o666); err != nil {
				t.Fatal(err)
			}
			continue
		}
		found := regexp.MustCompile(`onmux (?:probe|check|verify|scan) [^\n\]]*`).FindAllString(text, -1)
		if found == nil {
			t.Errorf("no command in\n%s", text)
		}
		for _, c := range found {
			if strings.Count(c, `"`)%2 == 1 { // the end of a quoted one
				c = strings.TrimSuffix(c, `"`)
			}
			commands = append(commands, c)
		}
	}
	run := func(command string) (int, string) {
		cmd := exec.Command("sh", "-c", strings.ReplaceAll(command, "$HOSTADDRESS$", "127.0.0.1"))
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GITHUB_STEP_SUMMARY="+filepath.Join(dir, "summary.md"))
		out, err := cmd.CombinedOutput()
		if _, exited := err.(*exec.ExitError); err != nil && !exited {
			t.Fatal(err)
		}
		return cmd.ProcessState.ExitCode(), string(out)
	}
	onPath(t)
	l, err := net.Listen("tcp", "127.0.0.1:5432")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range commands {
		if code, out := run(c); code != 0 {
			t.Errorf("%s: exit code %d while all is well:\n%s", c, code, out)
		}
	}
	for _, name := range []string{"summary.md", "onmux.xml", "onmux.prom"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	l.Close()
	for _, c := range commands {
		if strings.Contains(c, "free") {
			continue
		}
		c = strings.ReplaceAll(c, "--wait 30s", "--wait 200ms")
		if code, out := run(c); code == 0 || code > 2 && code != 124 {
			t.Errorf("%s: exit code %d without the database:\n%s", c, code, out)
		}
	}
}

// onPath makes this test binary the onmux that a shell finds.
func onPath(t *testing.T) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(self, filepath.Join(bin, "onmux")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
}
