package local_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"onmux/probe"
	. "onmux/probe/local"
	"onmux/probe/local/owner"
	"onmux/probe/nettest"
)

// as runs Check in a process of another kind, in the same network namespace: as
// a user without privileges, without sock_diag (as in a sandbox), or without
// a descriptor to spare.
func as(t *testing.T, role string, facts []fact) completed {
	t.Helper()
	cmd := exec.Command(nettest.SharedBinary(t), "-test.run=^TestRoles$")
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), roleEnv+"="+role)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: new(nettest.Nobody())}
	if role == "hidepid" { // becomes that user when it has made its own /proc
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
	}
	var ports []probe.Port
	for _, f := range facts {
		ports = append(ports, f.port)
	}
	in, err := json.Marshal(ports)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdin = strings.NewReader(string(in))
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", role, err, out)
	}
	var r completed
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%s: %v\n%s", role, err, out)
	}
	return r
}

// runRole is what the process behind as does.
func runRole(role string) error {
	var ports []probe.Port
	if err := json.NewDecoder(os.Stdin).Decode(&ports); err != nil {
		return err
	}
	switch role {
	case "sandboxed":
		runtime.LockOSThread()
		if err := nettest.ForbidNetlink(unix.EPERM); err != nil {
			return fmt.Errorf("seccomp: %w", err)
		}
	case "hidepid":
		if err := hideProcesses(); err != nil {
			return err
		}
	case "exhausted":
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{}); err != nil {
			return err
		}
	}
	var r completed
	for _, proto := range probe.Protos() { // few of each: filtered dumps
		some := slices.DeleteFunc(slices.Clone(ports), func(p probe.Port) bool { return p.Proto != proto })
		if len(some) == 0 {
			continue
		}
		part, err := checked(context.Background(),
			Request{Ports: some, IPv4: true, IPv6: true, Owners: true, Trace: role == "tracer"})
		if err != nil {
			return err
		}
		r.Verdicts = append(r.Verdicts, part.Verdicts...)
		r.Listeners = append(r.Listeners, part.Listeners...)
		r.Coverage = append(r.Coverage, part.Coverage...)
		r.Hints = append(r.Hints, part.Hints...)
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// hideProcesses mounts a /proc that lists only one's own, in this mount
// namespace, and becomes a user without privileges. Kernels before 5.8 refuse the word, and do
// not have the option for one mount alone.
func hideProcesses() error {
	return cmp.Or(
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		unix.Mount("proc", "/proc", "proc", 0, "hidepid=invisible"),
		syscall.Setgroups(nil), syscall.Setgid(int(nettest.Nobody().Gid)), syscall.Setuid(int(nettest.Nobody().Uid)),
	)
}

func TestRoles(t *testing.T) {
	if role := os.Getenv(roleEnv); role != "" {
		if err := runRole(role); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	facts := openSockets(t)
	root := cmp.Or(make(owner.Users).Name(0), "uid 0")
	for _, c := range []struct {
		role     string
		expect   func(fact) fact
		coverage string
	}{
		{"unprivileged", func(f fact) fact { return f }, "sockets, IPv4 and IPv6, from the kernel (sock_diag)"},
		{"sandboxed", fact.byProc, "from /proc/net because of: open a sock_diag socket: operation not permitted"},
		{"exhausted", func(f fact) fact { return fact{port: f.port, verdict: Unknown} },
			"not read: open a sock_diag socket: too many open files"},
	} {
		t.Run(c.role, func(t *testing.T) {
			r := as(t, c.role, facts)
			for i, f := range facts {
				f = c.expect(f)
				v := r.Verdicts[i]
				if v.Verdict != f.verdict || (v.Error != "") != (v.Verdict == Unknown) {
					t.Errorf("%s: %+v, want %s", f.port, v, f.verdict)
				}
				if f.verdict == Listening && !strings.Contains(v.Why, "a socket of "+root) || strings.Contains(v.Why, "pid ") &&
					!strings.Contains(v.Why, "likely ") {
					t.Errorf("%s: %q", f.port, v.Why)
				}
			}
			all := strings.Join(r.Coverage, "\n")
			if !strings.Contains(all, c.coverage) {
				t.Errorf("coverage %q", r.Coverage)
			}
			for _, l := range r.Listeners {
				if len(l.Owners) != 0 {
					t.Errorf("a user without privileges sees an owner: %+v", l)
				}
			}
			if len(r.Listeners) > 0 &&
				(!strings.Contains(all, "not readable without root") ||
					!slices.Contains(r.Hints, "root is needed to see every owner")) {
				t.Errorf("coverage %q, hints %q", r.Coverage, r.Hints)
			}
		})
	}
}
