package local_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"onmux/probe"
	. "onmux/probe/local"
	"onmux/probe/local/owner"
	"onmux/probe/nettest"
)

// checkPort checks one TCP port and its owners.
func checkPort(t testing.TB, port uint16) (Verdict, []Listener) {
	t.Helper()
	r, err := checked(context.Background(),
		Request{Ports: []probe.Port{{Number: port, Proto: probe.TCP}}, IPv4: true, IPv6: true, Owners: true})
	if err != nil {
		t.Fatal(err)
	}
	return r.Verdicts[0], r.Listeners
}

// Two processes with a socket each in one SO_REUSEPORT group are both reported.
func TestReusePort(t *testing.T) {
	nettest.Need(t)
	var pids, got []int
	for range 2 {
		pids = append(pids, nettest.Process{Steps: "listen 4417"}.Start(t).Process.Pid)
	}
	v, listeners := checkPort(t, 4417)
	for _, l := range listeners {
		for _, o := range l.Owners {
			got = append(got, o.PID)
		}
		if !strings.Contains(v.Why, fmt.Sprintf("(pid %d,", l.Owners[0].PID)) {
			t.Errorf("%q does not name %+v", v.Why, l.Owners)
		}
	}
	slices.Sort(got)
	slices.Sort(pids)
	if len(listeners) != 2 || !slices.Equal(got, pids) {
		t.Errorf("owners %v of %d sockets, want %v", got, len(listeners), pids)
	}
}

// A descriptor passed by SCM_RIGHTS makes an owner that descends from
// none of the others.
func TestHandedOver(t *testing.T) {
	nettest.Need(t)
	s := nettest.Open(t, unix.AF_INET, unix.SOCK_STREAM, nettest.Bind("127.0.0.1", 4418), nettest.Listen(7))
	ours, theirs := nettest.SocketPair(t)
	if err := unix.Sendmsg(ours, []byte{0}, unix.UnixRights(s.FD), nil, 0); err != nil {
		t.Fatal(err)
	}
	got := nettest.Process{Steps: "receive", Files: []*os.File{theirs}}.Start(t).Process.Pid
	dup, err := unix.Dup(s.FD)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(dup), "listener")
	had := nettest.Process{Steps: "inherit", Files: []*os.File{f}}.Start(t).Process.Pid
	f.Close()
	s.Close()

	v, listeners := checkPort(t, 4418)
	if len(listeners) != 1 {
		t.Fatalf("%+v", listeners)
	}
	var pids []int
	for _, o := range listeners[0].Owners {
		pids = append(pids, o.PID)
		if !o.Unrelated || len(o.Workers) > 0 || o.Parents[0].PID != os.Getpid() {
			t.Errorf("%+v", o)
		}
		if !strings.Contains(v.Why, fmt.Sprintf("(pid %d,", o.PID)) {
			t.Errorf("%q does not name pid %d", v.Why, o.PID)
		}
	}
	want := []int{got, had}
	slices.Sort(want)
	if !slices.Equal(pids, want) ||
		!strings.HasSuffix(v.Why, ", shared by processes that do not descend from one another") {
		t.Errorf("owners %v, want %v: %q", pids, want, v.Why)
	}
}

// Names and arguments are whatever a process likes, and as much as it likes.
func TestHostileProcess(t *testing.T) {
	nettest.Need(t)
	args := slices.Repeat([]string{strings.Repeat("\x1b[2J\n", 20000)}, 10) // 1 MB
	cmd := nettest.Process{Steps: "listen 4419, name free\n\x1b[2J)", Args: args}.Start(t)
	v, listeners := checkPort(t, 4419)
	if len(listeners) != 1 || len(listeners[0].Owners) != 1 {
		t.Fatalf("%+v", listeners)
	}
	o := listeners[0].Owners[0]
	if o.PID != cmd.Process.Pid || o.Name != "free\n\x1b[2J)" || len(strings.Join(o.Cmdline, "")) > owner.MaxCmdline ||
		len(o.Parents) == 0 {
		t.Errorf("%.200q", fmt.Sprint(o))
	}
	if want := fmt.Sprintf(`"free\n\x1b[2J)" (pid %d, `, o.PID); !strings.HasPrefix(v.Why, want) ||
		strings.ContainsAny(v.Why, "\n\x1b") {
		t.Errorf("%q, want %q", v.Why, want)
	}
}

// A thread may have descriptors that the rest of its process has not.
func TestThreadOfItsOwn(t *testing.T) {
	nettest.Need(t)
	pid := nettest.Process{Steps: "name server, apart, listen 4424"}.Start(t).Process.Pid
	v, listeners := checkPort(t, 4424)
	if len(listeners) != 1 || len(listeners[0].Owners) != 1 || listeners[0].Owners[0].PID != pid ||
		listeners[0].Owners[0].Name != "server" {
		t.Fatalf("%q, %+v", v.Why, listeners)
	}
	if o := listeners[0].Owners[0]; o.Ended || o.Exe == "" {
		t.Errorf("%+v", o)
	}
}
