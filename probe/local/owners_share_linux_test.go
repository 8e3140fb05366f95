package local

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/nettest"
)

// checkPort checks one TCP port and its owners.
func checkPort(t testing.TB, port uint16) (Verdict, []Listener) {
	t.Helper()
	r, err := Check(context.Background(), Request{Ports: []probe.Port{{Number: port, Proto: probe.TCP}}, IPv4: true, IPv6: true, Owners: true})
	if err != nil {
		t.Fatal(err)
	}
	return r.Verdicts[0], r.Listeners
}

func ownersOf(t testing.TB, inode uint64) []Owner {
	t.Helper()
	o, err := findOwners(context.Background(), []uint64{inode})
	if err != nil {
		t.Fatal(err)
	}
	return o.of[inode]
}

// Two processes with a socket each in one SO_REUSEPORT group are both told.
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

// A descriptor handed over by SCM_RIGHTS makes an owner that descends from
// none of the others.
func TestHandedOver(t *testing.T) {
	nettest.Need(t)
	fd := nettest.Open(t, unix.AF_INET, unix.SOCK_STREAM, nettest.Bind("127.0.0.1", 4418), nettest.Listen(7))
	ours, theirs := nettest.SocketPair(t)
	if err := unix.Sendmsg(ours, []byte{0}, unix.UnixRights(fd), nil, 0); err != nil {
		t.Fatal(err)
	}
	got := nettest.Process{Steps: "receive", Files: []*os.File{theirs}}.Start(t).Process.Pid
	dup, err := unix.Dup(fd)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(dup), "listener")
	had := nettest.Process{Steps: "inherit", Files: []*os.File{f}}.Start(t).Process.Pid
	f.Close()
	unix.Close(fd)

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
	if !slices.Equal(pids, want) || !strings.HasSuffix(v.Why, ", shared by processes that do not descend from one another") {
		t.Errorf("owners %v, want %v: %q", pids, want, v.Why)
	}
}

// What a server starts and leaves its socket to is no worker of it, but an owner
// with a name of its own.
func TestAnotherProgramIsNoWorker(t *testing.T) {
	f, inode := listener(t)
	other := nettest.Process{Exe: nettest.CopyBinary(t, "other"), Steps: "inherit", Files: []*os.File{f}}.Start(t).Process.Pid
	worker := nettest.Process{Steps: "inherit", Files: []*os.File{f}}.Start(t).Process.Pid
	owners := ownersOf(t, inode)
	if len(owners) != 2 {
		t.Fatalf("%+v", owners)
	}
	slices.SortFunc(owners, func(a, b Owner) int { return len(b.Workers) - len(a.Workers) })
	me, it := owners[0], owners[1]
	if me.PID != os.Getpid() || !slices.Equal(me.Workers, []int{worker}) || it.PID != other || it.Name != "other" || len(it.Workers) > 0 {
		t.Errorf("%+v\n%+v", me, it)
	}
	if me.Unrelated || it.Unrelated || it.Parents[0].PID != os.Getpid() || it.Parents[0].Name != me.Name {
		t.Errorf("%+v\n%+v", me, it)
	}
	if last := it.Parents[len(it.Parents)-1]; last.PID != 1 {
		t.Errorf("the parents end at %+v", last)
	}
}

// A program that was deleted is told as such; one that is called so is not.
func TestExeDeleted(t *testing.T) {
	f, inode := listener(t)
	gone, odd := nettest.CopyBinary(t, "gone"), nettest.CopyBinary(t, "odd (deleted)")
	want := map[int]string{
		nettest.Process{Exe: gone, Steps: "inherit", Files: []*os.File{f}}.Start(t).Process.Pid: gone,
		nettest.Process{Exe: odd, Steps: "inherit", Files: []*os.File{f}}.Start(t).Process.Pid:  odd,
	}
	f.Close()
	if err := os.Remove(gone); err != nil {
		t.Fatal(err)
	}
	owners := ownersOf(t, inode)
	for _, o := range owners {
		if o.Exe != want[o.PID] || o.ExeDeleted != (o.Exe == gone) {
			t.Errorf("%+v, want %s", o, want[o.PID])
		}
	}
	if len(owners) != 2 {
		t.Errorf("%+v", owners)
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
	if o.PID != cmd.Process.Pid || o.Name != "free\n\x1b[2J)" || len(strings.Join(o.Cmdline, "")) > maxCmdline || len(o.Parents) == 0 {
		t.Errorf("%.200q", fmt.Sprint(o))
	}
	if want := fmt.Sprintf(`"free\n\x1b[2J)" (pid %d, `, o.PID); !strings.HasPrefix(v.Why, want) || strings.ContainsAny(v.Why, "\n\x1b") {
		t.Errorf("%q, want %q", v.Why, want)
	}
}

// A process that ends between being seen and being described is told by what
// was seen, and so is one whose pid has become another's.
func TestEndedMeanwhile(t *testing.T) {
	f, inode := listener(t)
	cmd := nettest.Process{Steps: "inherit, name brief", Files: []*os.File{f}}.Start(t)
	look := looker{root: "/proc", wanted: map[uint64]bool{inode: true}, dirents: make([]byte, 16<<10)}
	if err := look.at(context.Background(), cmd.Process.Pid); err != nil || len(look.seen) != 1 || !look.seen[0].known {
		t.Fatalf("%+v, %v", look.seen, err)
	}
	for name, end := range map[string]func() sighting{
		"a reused pid": func() sighting {
			s := look.seen[0]
			s.pid = os.Getpid()
			return s
		},
		"ended": func() sighting {
			cmd.Process.Kill()
			cmd.Wait()
			return look.seen[0]
		},
	} {
		s := end()
		byInode := make(map[uint64][]Owner)
		newFolder(machine()).fold([]sighting{s}, byInode)
		o := byInode[inode][0]
		if o.PID != s.pid || o.Name != "brief" || !o.Ended || o.Started.IsZero() || o.Exe != "" || o.Cmdline != nil || o.User != "" || o.Parents != nil {
			t.Errorf("%s: %+v", name, o)
		}
	}
}

// A directory of descriptors is that of one process, whoever gets its pid: once
// it has ended nothing is read there.
func TestStatIsOfOneProcess(t *testing.T) {
	cmd := nettest.Process{Steps: "inherit"}.Start(t)
	dir, err := unix.Open(fmt.Sprintf("/proc/%d/fd", cmd.Process.Pid), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(dir)
	if s, ok := statFrom(dir, "../stat"); !ok || s.parent != os.Getpid() {
		t.Errorf("%+v, %t", s, ok)
	}
	cmd.Process.Kill()
	cmd.Wait()
	if s, ok := statFrom(dir, "../stat"); ok {
		t.Errorf("still there: %+v", s)
	}
}

// A thread may have descriptors that the rest of its process has not.
func TestThreadOfItsOwn(t *testing.T) {
	nettest.Need(t)
	pid := nettest.Process{Steps: "name server, apart, listen 4424"}.Start(t).Process.Pid
	v, listeners := checkPort(t, 4424)
	if len(listeners) != 1 || len(listeners[0].Owners) != 1 || listeners[0].Owners[0].PID != pid || listeners[0].Owners[0].Name != "server" {
		t.Fatalf("%q, %+v", v.Why, listeners)
	}
	if o := listeners[0].Owners[0]; o.Ended || o.Exe == "" {
		t.Errorf("%+v", o)
	}
}
