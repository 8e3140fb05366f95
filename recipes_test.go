package main

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"onmux/probe/nettest"
	"onmux/report/help"
)

// TestRecipes runs what the topic ci recommends for CI and monitoring as it
// stands there: while the database answers, and when it does not.
func TestRecipes(t *testing.T) {
	t.Parallel()
	nettest.Need(t)
	if !nettest.IsAlone() {
		t.Skip("other processes of this machine would be seen")
	}
	topic, err := os.ReadFile("report/help/topics/ci.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(topic), "```")
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
		found := commandsOf(text)
		if found == nil {
			t.Errorf("no command in\n%s", text)
		}
		commands = append(commands, found...)
	}
	run := func(command, host string) (int, string) {
		cmd := exec.Command("sh", "-c", strings.ReplaceAll(command, "$HOSTADDRESS$", host))
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GITHUB_STEP_SUMMARY="+filepath.Join(dir, "summary.md"))
		out, err := cmd.CombinedOutput()
		if _, exited := err.(*exec.ExitError); err != nil && !exited {
			t.Fatal(err)
		}
		return cmd.ProcessState.ExitCode(), string(out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:5432")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range commands {
		if code, out := run(c, "127.0.0.1"); code != 0 {
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
		if strings.Contains(c, "$HOSTADDRESS$") {
			if code, out := run(c, "::1"); code != 2 ||
				!strings.HasPrefix(out, "ONMUX CRITICAL - [::1]:5432/tcp: expected open, found closed") {
				t.Errorf("%s: exit code %d of an IPv6 address:\n%s", c, code, out)
			}
		}
	}
	for _, c := range commands {
		if strings.Contains(c, "free") {
			continue
		}
		c = strings.ReplaceAll(c, "--wait 30s", "--wait 200ms")
		if code, out := run(c, "127.0.0.1"); code == 0 || code > 2 && code != 124 {
			t.Errorf("%s: exit code %d without the database:\n%s", c, code, out)
		}
	}
}

// commandsOf finds commands as their readers take them: a list of words, or a
// line for a shell. Paths are made those of the test's folder, the database this machine's,
// and the server true(1).
func commandsOf(text string) []string {
	var out []string
	here := strings.NewReplacer("/etc/", "", "/var/lib/node_exporter/", "", "db:", "127.0.0.1:", "/server", "true")
	for _, list := range regexp.MustCompile(`\["onmux", [^\]]*\]`).FindAllString(text, -1) {
		var words []string
		if json.Unmarshal([]byte(list), &words) != nil {
			return nil
		}
		for i := range words {
			words[i] = help.Quote(words[i])
		}
		out = append(out, here.Replace(strings.Join(words, " ")))
	}
	for _, line := range regexp.MustCompile(`onmux (?:probe|check|verify|scan) .*`).FindAllString(text, -1) {
		out = append(out, here.Replace(line))
	}
	return out
}

// TestRecipesFitTheirReaders: what is known to go wrong with each does not.
func TestRecipesFitTheirReaders(t *testing.T) {
	topic, err := os.ReadFile("report/help/topics/ci.md")
	if err != nil {
		t.Fatal(err)
	}
	section := string(topic)
	for what, want := range map[string]string{
		"Docker needs no shell, and knows 0 and 1": `(?m)^HEALTHCHECK CMD \["onmux", .*"--exit-style", "docker"\]$`,
		"Kubernetes waits longer than onmux": `(?m)^  timeoutSeconds: 5\n  exec:\n` +
			`    command: \["onmux", .*"--timeout", "2s"`,
		"cron has another folder and a short PATH": `(?m)^\*/5 \* \* \* \* root ` +
			`/usr/local/bin/onmux verify /\S+ .*-o prom=/\S+\.prom >/dev/null$`,
		"systemd starts what has no shell's syntax": `(?m)^\[Service\]\n(?:ExecStartPre=onmux [a-z0-9./: -]+\n){2}`,
		"Nagios puts IPv6 addresses in": `(?m)onmux probe \$HOSTADDRESS\$ -p \S+ ` +
			`.*-o nagios --exit-style nagios$`,
		"GitHub keeps the summary in a file":          `-o markdown="\$GITHUB_STEP_SUMMARY"`,
		"GitLab keeps the report of a job that fails": `(?m)^  artifacts: \{when: always, reports: \{junit: onmux.xml\}\}$`,
	} {
		if !regexp.MustCompile(want).MatchString(section) {
			t.Errorf("%s: nothing like %s", what, want)
		}
	}
}
