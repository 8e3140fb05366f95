package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"onmux/probe/nettest"
)

// TestReadme runs the transcripts of the README as they stand there, on a terminal of 80
// columns, while a database answers on 127.0.0.1:5432. Numbers of processes, times, and where
// lines are broken may differ.
func TestReadme(t *testing.T) {
	nettest.Need(t)
	if !nettest.IsAlone() {
		t.Skip("other processes of this machine would be seen")
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(readme), "\n"); n > 200 {
		t.Errorf("the README has %d lines: the rest is for report/help/topics", n)
	}
	database := exec.Command("postgres")
	listening, err := database.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := database.Start(); err != nil {
		t.Fatal(err)
	}
	defer database.Wait()
	defer database.Process.Kill()
	if _, err := listening.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	commands := 0
	blocks := strings.Split(string(readme), "```")
	for i := 1; i < len(blocks); i += 2 {
		text, ok := strings.CutPrefix(blocks[i], "console\n")
		if !ok {
			continue
		}
		for _, transcript := range strings.Split("\n"+text, "\n$ ")[1:] {
			command, want, _ := strings.Cut(transcript, "\n")
			commands++
			if got := onTerminal(t, command); alike(got) != alike(want) {
				t.Errorf("%s prints\n%s\ninstead of\n%s", command, got, want)
			}
		}
	}
	if commands < 3 {
		t.Errorf("%d transcripts", commands)
	}
}

// changing has what differs from run to run, and how it is compared.
var changing = []struct {
	pattern *regexp.Regexp
	is      string
}{
	{regexp.MustCompile(`\[[0-9;]*m`), ""},
	{regexp.MustCompile(`pid \d+`), "pid N"},
	{regexp.MustCompile(`root +\d+ +postgres`), "root N postgres"},
	{regexp.MustCompile(`kill \d+`), "kill N"},
	{regexp.MustCompile(` 0/\d+ `), " 0/LIMIT "}, // net.core.somaxconn
	{regexp.MustCompile(`[\d.]+ (µs|ms|s)\b`), "TIME"},
	{regexp.MustCompile(`\d\d+ probes`), "N probes"},
	{regexp.MustCompile(`\s+`), " "},
	{regexp.MustCompile(`; not every NAT rule and BPF program could be read, and one may send arrivals on`), ""},
}

// alike is an output without what differs from run to run.
func alike(output string) string {
	for _, c := range changing {
		output = c.pattern.ReplaceAllString(output, c.is)
	}
	return strings.TrimSpace(output)
}

// onTerminal runs a command of the shell on a terminal of 80 columns and 24 lines.
func onTerminal(t *testing.T, command string) string {
	t.Helper()
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no terminal can be made:", err)
	}
	defer terminal.Close()
	fd := int(terminal.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err := errors.Join(err, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0),
		unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80})); err != nil {
		t.Skip("no terminal can be made:", err)
	}
	side, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no terminal can be made:", err)
	}
	cmd := exec.Command("sh", "-c", command)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = side, side, side
	cmd.Env = append(os.Environ(), "NO_COLOR=1", "TERM=xterm", "LC_ALL=C.UTF-8")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	side.Close()
	out, _ := io.ReadAll(terminal) // which ends with an error when the last writer has gone
	if err := cmd.Wait(); err != nil {
		t.Logf("%s: %v", command, err)
	}
	return strings.ReplaceAll(string(out), "\r", "")
}
