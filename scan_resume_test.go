package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"onmux/probe"
	"onmux/probe/nettest"
	"onmux/report/schematest"
	"onmux/scan/checkpoint"
)

// ending is the last line of a jsonl report.
type ending struct {
	Complete bool     `json:"complete"`
	Coverage []string `json:"coverage"`
	Summary  struct {
		Targets int            `json:"targets"`
		Passes  int            `json:"passes"`
		States  map[string]int `json:"states"`
	} `json:"summary"`
}

func endOf(t *testing.T, report []byte) (e ending) {
	t.Helper()
	if err := schematest.Validate("jsonl", bytes.NewReader(report)); err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSpace(report), []byte("\n"))
	if err := json.Unmarshal(lines[len(lines)-1], &e); err != nil {
		t.Fatal(err)
	}
	return e
}

// A scan whose process is killed goes on from the last checkpoint, and ends with
// the report of one that was not.
func TestKilledScanIsResumed(t *testing.T) {
	t.Parallel()
	nettest.Need(t)
	for _, at := range []string{"127.0.0.3:6001", "127.0.0.4:6002"} {
		l, err := net.Listen("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		c, err := net.ListenPacket("udp", at) // answers nothing
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
	}
	for _, method := range []string{"syn", "connect"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			killAndResume(t, method)
		})
	}
}

// verdicts are those of a jsonl report with a record for each endpoint, without what
// differs from run to run.
func verdicts(t *testing.T, report []byte) map[probe.Endpoint]string {
	t.Helper()
	found := make(map[probe.Endpoint]string)
	for line := range bytes.Lines(report) {
		var r struct {
			Type string `json:"type"`
			probe.Result
		}
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		if r.Type == "endpoint" {
			found[r.Endpoint] = fmt.Sprint(r.State, r.Reason, r.Responder)
		}
	}
	return found
}

func killAndResume(t *testing.T, method string) {
	dir := t.TempDir()
	file := filepath.Join(dir, "state")
	what := []string{
		"scan",
		"127.0.0.0/26",
		"-p",
		"6000-6003",
		"--seed",
		"1",
		"--all",
		"--method",
		method,
		"-o",
		"jsonl",
	}
	whole, err := exec.Command("onmux", what...).Output()
	if err != nil {
		t.Fatal(err)
	}

	// 512 endpoints at 40 a second, 13 seconds: the checkpoints come every two seconds.
	cmd := exec.Command("onmux", append(what, "--rate", "40", "--checkpoint", file)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for range look.C { // until a checkpoint with something in it is there
		if c, err := checkpoint.Read(file); err == nil && c.Sent > 0 {
			break
		} else if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	second, err := exec.Command("onmux", "scan", "--resume", file).CombinedOutput()
	want := "onmux: " + file + " is the checkpoint of another scan that is running\n"
	if err == nil || string(second) != want {
		t.Errorf("a second scan: %v, %q, want %q", err, second, want)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("it ended before it was killed")
	}

	for run, want := range []string{"resumed from a checkpoint of", "reported again from a checkpoint of"} {
		got, err := exec.Command("onmux", "scan", "--resume", file, "--all", "-o", "jsonl").Output()
		if err != nil {
			var exit *exec.ExitError
			errors.As(err, &exit)
			t.Fatalf("run %d: %v\n%s", run, err, exit.Stderr)
		}
		a, b := endOf(t, got), endOf(t, whole)
		if !a.Complete || a.Summary.Targets != 512 || a.Summary.States["open"] != 2 ||
			a.Summary.States["open|filtered"] != 2 {
			t.Errorf("run %d: the end: %+v", run, a)
		}
		if len(a.Summary.States) != len(b.Summary.States) || a.Summary.Passes != b.Summary.Passes {
			t.Errorf("run %d: %+v, of a scan that was not killed %+v", run, a, b)
		}
		if !strings.Contains(strings.Join(a.Coverage, "\n"), want) {
			t.Errorf("run %d: coverage %q", run, a.Coverage)
		}
		if found, want := verdicts(t, got), verdicts(t, whole); len(want) != 512 || !maps.Equal(found, want) {
			t.Errorf("run %d: %v, of a scan that was not killed %v", run, found, want)
		}
		for _, open := range []string{
			`"127.0.0.3","port":6001,"proto":"tcp","state":"open"`,
			`"127.0.0.4","port":6002,"proto":"tcp","state":"open"`,
		} {
			if n := bytes.Count(got, []byte(open)); n != 1 {
				t.Errorf("run %d: %s is reported %d times", run, open, n)
			}
		}
	}
	// Of the files that were being written nothing is left.
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("%v, %v", left, err)
	}
}
