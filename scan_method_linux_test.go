package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"onmux/probe/nettest"
	"onmux/report/exitcode"
)

// Without the capability to send packets, --method syn is an error, and auto connects
// and has the reason in the report.
func TestScanWithoutPrivileges(t *testing.T) {
	t.Parallel()
	nettest.Need(t)
	exe, err := exec.LookPath("onmux")
	if err != nil {
		t.Fatal(err)
	}
	path := nettest.PublicCopy(t, exe)
	nobody := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	run := func(args ...string) (stdout, stderr []byte, code int) {
		cmd := exec.Command(path, append([]string{"scan", "127.0.0.1-4", "-p", "6100"}, args...)...)
		cmd.Args[0], cmd.Dir, cmd.SysProcAttr = "onmux", "/", nobody
		var errs bytes.Buffer
		cmd.Stderr = &errs
		out, err := cmd.Output()
		switch {
		case errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EINVAL):
			t.Skip("nobody else can be run here:", err)
		case cmd.ProcessState == nil:
			t.Fatal(err)
		}
		return out, errs.Bytes(), cmd.ProcessState.ExitCode()
	}
	out, stderr, code := run("--method", "syn", "--json")
	if code != exitcode.Unknown || !strings.Contains(string(stderr), "CAP_NET_RAW") ||
		bytes.Contains(out, []byte(`"complete": true`)) ||
		bytes.Contains(out, []byte(`"complete":true`)) {
		t.Errorf("--method syn: exit code %d\n%s%s", code, out, stderr)
	}
	out, stderr, code = run("--json")
	var r struct {
		Complete bool              `json:"complete"`
		Method   map[string]string `json:"method"`
		Coverage []string          `json:"coverage"`
		Summary  struct {
			States map[string]int `json:"states"`
		} `json:"summary"`
	}
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%v\n%s%s", err, out, stderr)
	}
	if code != 0 || !r.Complete || r.Method["tcp"] != "connect" || r.Method["udp"] != "udp" ||
		r.Summary.States["closed"] != 8 {
		t.Errorf("exit code %d, %+v", code, r)
	}
	if !strings.Contains(strings.Join(r.Coverage, "\n"), "scanned by connections, not by packets: CAP_NET_RAW is needed") {
		t.Errorf("coverage %q", r.Coverage)
	}
	if !strings.Contains(string(stderr), "method connect") || !strings.Contains(string(stderr), "CAP_NET_RAW") {
		t.Errorf("stderr %q", stderr)
	}
}
