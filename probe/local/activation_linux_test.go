package local_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"onmux/probe"
	"onmux/probe/local/owner"
	"onmux/probe/nettest"
)

// newCgroup makes a cgroup for the test, in the unified hierarchy.
func newCgroup(t testing.TB, name string) string {
	t.Helper()
	mount := "/sys/fs/cgroup"
	if _, err := os.Stat(mount + "/unified"); err == nil { // beside the hierarchies of version 1
		mount += "/unified"
	}
	if _, err := os.Stat(mount + "/cgroup.procs"); err != nil {
		t.Skip("no unified hierarchy of cgroups is mounted")
	}
	top := filepath.Join(mount, "onmux-test-"+strconv.Itoa(os.Getpid()))
	dir := filepath.Join(top, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Skip("may not make a cgroup: ", err)
	}
	t.Cleanup(func() { os.Remove(dir); os.Remove(top) })
	return dir
}

func intoCgroup(t testing.TB, cgroup string) *syscall.SysProcAttr {
	t.Helper()
	dir, err := os.Open(cgroup)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	return &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}
}

// A user who may not read any process gets the unit of a socket and who is in it.
func TestUnitWithoutPrivileges(t *testing.T) {
	nettest.Need(t)
	cgroup := newCgroup(t, "onmux-test.service")
	pid := nettest.Process{Steps: "listen 4420, name webserver", Attr: intoCgroup(t, cgroup)}.Start(t).Process.Pid
	r := as(t, "unprivileged", []fact{{port: probe.Port{Number: 4420, Proto: probe.TCP}}})
	if len(r.Listeners) != 1 {
		t.Fatalf("%+v", r)
	}
	want := owner.Origin{Place: owner.Place{Unit: "onmux-test.service"},
		Candidates: []owner.Candidate{{Process: owner.Process{PID: pid, Name: "webserver"}, By: "cgroup"}}}
	if l := r.Listeners[0]; !reflect.DeepEqual(l.Origin, want) || len(l.Owners) > 0 {
		t.Errorf("%+v, want %+v", l, want)
	}
	why := fmt.Sprintf(" in onmux-test.service, likely webserver (pid %d) on 127.0.0.1:4420, "+
		"reachable from this machine only, owner not readable", pid)
	if !strings.HasSuffix(r.Verdicts[0].Why, why) {
		t.Errorf("%q, want %q", r.Verdicts[0].Why, why)
	}
}

// A user without privileges gets the processes of a user who has few.
func TestUserWithoutPrivileges(t *testing.T) {
	nettest.Need(t)
	exe := nettest.SharedBinary(t)
	attr := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 54321, Gid: 54321}}
	pid := nettest.Process{Exe: exe, Steps: "listen 4421", Attr: attr}.Start(t).Process.Pid
	r := as(t, "unprivileged", []fact{{port: probe.Port{Number: 4421, Proto: probe.TCP}}})
	if len(r.Listeners) != 1 || len(r.Listeners[0].Owners) > 0 {
		t.Fatalf("%+v", r)
	}
	l := r.Listeners[0]
	if len(l.Candidates) == 0 || l.Candidates[0].PID != pid || *l.UID != 54321 || l.User != "" {
		t.Errorf("%+v", l)
	}
}

// A socket that systemd made for a unit is reported as that unit's: systemd makes
// it in the unit's cgroup and lives in init.scope itself.
func TestSocketActivation(t *testing.T) {
	nettest.Need(t)
	unit, manager := newCgroup(t, "onmux-test.socket"), newCgroup(t, "init.scope")
	pid := nettest.Process{Steps: "listen 4422, name systemd, move " + manager,
		Attr: intoCgroup(t, unit)}.Start(t).Process.Pid
	v, listeners := checkPort(t, 4422)
	if len(listeners) != 1 || len(listeners[0].Owners) != 1 {
		t.Fatalf("%+v", listeners)
	}
	l := listeners[0]
	if o := l.Owners[0]; o.PID != pid || o.Unit != "init.scope" || o.SocketUnit != "onmux-test.socket" ||
		l.Unit != "onmux-test.socket" || l.Candidates != nil {
		t.Errorf("%+v", l)
	}
	if want := "for onmux-test.socket) on 127.0.0.1:4422"; !strings.Contains(v.Why, want) {
		t.Errorf("%q lacks %q", v.Why, want)
	}
}

// Where processes are hidden, the report does not claim that there are none.
func TestHidePid(t *testing.T) {
	nettest.Need(t)
	nettest.Process{Steps: "listen 4423"}.Start(t)
	r := as(t, "hidepid", []fact{{port: probe.Port{Number: 4423, Proto: probe.TCP}}})
	if all := strings.Join(r.Coverage, "\n"); !strings.Contains(all,
		"/proc hides the processes of others (hidepid)") || !strings.HasSuffix(r.Verdicts[0].Why, ", owner not readable") {
		t.Errorf("%q, %q", r.Verdicts[0].Why, all)
	}
}
