package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"onmux/probe/nettest"
	"onmux/report/exitcode"
	"onmux/report/schematest"
)

// A signal ends attempts with what they add up to. It is the end that was asked
// for where no count was.
func TestInterruptedAttempts(t *testing.T) {
	t.Parallel()
	nettest.Need(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for count, want := range map[string]int{"0": exitcode.Holds, "1000": exitcode.Unknown} {
		t.Run(count, func(t *testing.T) {
			cmd := exec.Command(
				"onmux", "probe", l.Addr().String()+"/tcp", "-c", count, "--interval", "20ms", "--no-identify", "--expect",
				"open", "-o", "jsonl",
			)
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewReader(stdout)
			report := ""
			for strings.Count(report, `"attempt"`) < 3 {
				line, err := lines.ReadString('\n')
				if err != nil {
					t.Fatal(err)
				}
				report += line
			}
			cmd.Process.Signal(os.Interrupt)
			rest, _ := io.ReadAll(lines)
			report += string(rest)
			code := 0
			if err := cmd.Wait(); err != nil {
				var exit *exec.ExitError
				if !errors.As(err, &exit) {
					t.Fatal(err)
				}
				code = exit.ExitCode()
			}
			if code != want {
				t.Errorf("exit code %d, want %d", code, want)
			}
			if err := schematest.Validate("jsonl", strings.NewReader(report)); err != nil {
				t.Error(err)
			}
			all := strings.Split(strings.TrimSpace(report), "\n")
			var endpoint struct {
				Type     string
				Attempts struct{ Sent, Answered int }
			}
			var end struct{ Complete bool }
			err = errors.Join(json.Unmarshal([]byte(all[len(all)-2]), &endpoint), json.Unmarshal([]byte(all[len(all)-1]), &end))
			if err != nil {
				t.Fatal(err)
			}
			reported := strings.Count(report, `"type":"attempt"`)
			if endpoint.Type != "endpoint" || endpoint.Attempts.Sent != reported ||
				endpoint.Attempts.Answered != reported ||
				end.Complete != (want == exitcode.Holds) {
				t.Errorf("%d attempts were reported: %s\n%s", reported, all[len(all)-2], all[len(all)-1])
			}
		})
	}
}
