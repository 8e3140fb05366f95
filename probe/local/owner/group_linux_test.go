package owner

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"onmux/probe/nettest"
)

func ownersOf(t testing.TB, inode uint64) []Owner {
	t.Helper()
	o, err := scanOwners(context.Background(), []uint64{inode}, false)
	if err != nil {
		t.Fatal(err)
	}
	return o.Of[inode]
}

// What a server starts and leaves its socket to is no worker of it, but an owner
// with a name of its own.
func TestAnotherProgramIsNoWorker(t *testing.T) {
	f, inode := listener(t)
	other := nettest.Process{Exe: nettest.CopyBinary(t, "other"), Steps: "inherit",
		Files: []*os.File{f}}.Start(t).Process.Pid
	worker := nettest.Process{Steps: "inherit", Files: []*os.File{f}}.Start(t).Process.Pid
	owners := ownersOf(t, inode)
	if len(owners) != 2 {
		t.Fatalf("%+v", owners)
	}
	slices.SortFunc(owners, func(a, b Owner) int { return len(b.Workers) - len(a.Workers) })
	me, it := owners[0], owners[1]
	if me.PID != os.Getpid() || !slices.Equal(me.Workers, []int{worker}) || it.PID != other || it.Name != "other" ||
		len(it.Workers) > 0 {
		t.Errorf("%+v\n%+v", me, it)
	}
	if me.Unrelated || it.Unrelated || it.Parents[0].PID != os.Getpid() || it.Parents[0].Name != me.Name {
		t.Errorf("%+v\n%+v", me, it)
	}
	if last := it.Parents[len(it.Parents)-1]; last.PID != 1 {
		t.Errorf("the parents end at %+v", last)
	}
}

// A program that was deleted is reported as such; one that is called so is not.
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

// A process that ends between being seen and being described is reported by what
// was seen, and so is one whose pid has become another's.
func TestEndedMeanwhile(t *testing.T) {
	f, inode := listener(t)
	cmd := nettest.Process{Steps: "inherit, name brief", Files: []*os.File{f}}.Start(t)
	look := fdScanner{root: "/proc", wanted: map[uint64]bool{inode: true}, dirents: make([]byte, 16<<10)}
	if err := look.scanProcess(context.Background(), cmd.Process.Pid); err != nil || len(look.matches) != 1 ||
		!look.matches[0].known {
		t.Fatalf("%+v, %v", look.matches, err)
	}
	for name, end := range map[string]func() fdMatch{
		"a reused pid": func() fdMatch {
			s := look.matches[0]
			s.pid = os.Getpid()
			return s
		},
		"ended": func() fdMatch {
			cmd.Process.Kill()
			cmd.Wait()
			return look.matches[0]
		},
	} {
		s := end()
		byInode := make(map[uint64][]Owner)
		newOwnerGrouper(SystemProc()).group([]fdMatch{s}, byInode)
		o := byInode[inode][0]
		if o.PID != s.pid || o.Name != "brief" || !o.Ended || o.Started.IsZero() || o.Exe != "" || o.Cmdline != nil ||
			o.User != "" || o.Parents != nil {
			t.Errorf("%s: %+v", name, o)
		}
	}
}

// A directory of descriptors is that of one process, even if another gets its pid: once
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
