package owner

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"onmux/probe/nettest"
)

// inodeOf is the inode of the socket behind a file.
func inodeOf(t testing.TB, f *os.File) uint64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	return st.Ino
}

func listener(t testing.TB) (*os.File, uint64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, inodeOf(t, f)
}

// A child that inherited the socket is its parent's worker.
func TestOwnersFoldWorkers(t *testing.T) {
	f, inode := listener(t)
	var workers []int
	for range 2 {
		workers = append(workers, nettest.Process{Steps: "inherit", Files: []*os.File{f}}.Start(t).Process.Pid)
	}
	slices.Sort(workers)
	o, err := scanOwners(context.Background(), []uint64{inode}, false)
	if err != nil {
		t.Fatal(err)
	}
	owners := o.Of[inode]
	if len(owners) != 1 || owners[0].PID != os.Getpid() || !slices.Equal(owners[0].Workers, workers) {
		t.Fatalf("owners %+v; want this process with workers %v", owners, workers)
	}
	me := owners[0]
	if me.Name == "" || me.Exe == "" || len(me.Cmdline) == 0 || me.User == "" {
		t.Errorf("something is missing: %+v", me)
	}
	if age := time.Since(me.Started); age < -2*time.Second || age > time.Hour {
		t.Errorf("started %s", me.Started)
	}
}

// Without the master, its workers are owners of their own.
func TestOwnersUnrelated(t *testing.T) {
	f, inode := listener(t)
	pids := []int{nettest.Process{Steps: "inherit", Files: []*os.File{f}}.Start(t).Process.Pid,
		nettest.Process{Steps: "inherit", Files: []*os.File{f}}.Start(t).Process.Pid}
	slices.Sort(pids)
	f.Close()
	o, err := scanOwners(context.Background(), []uint64{inode}, false)
	if err != nil {
		t.Fatal(err)
	}
	var got []int
	for _, owner := range o.Of[inode] {
		got = append(got, owner.PID)
	}
	if !slices.Equal(got, pids) {
		t.Errorf("owners %v, want %v", got, pids)
	}
}

func TestOwnersCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := scanOwners(ctx, []uint64{1}, false); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// tree makes a proc file system with processes of some descriptors each.
func tree(t testing.TB, processes, descriptors int) ProcFS {
	root := t.TempDir()
	for p := 1; p <= processes; p++ {
		fd := filepath.Join(root, strconv.Itoa(p), "fd")
		if err := os.MkdirAll(fd, 0o755); err != nil {
			t.Fatal(err)
		}
		for d := range descriptors {
			if err := os.Symlink(fmt.Sprintf("socket:[%d]", p*1000+d), filepath.Join(fd, strconv.Itoa(d))); err != nil {
				t.Fatal(err)
			}
		}
	}
	return ProcFS{Root: root}
}

func TestOwnersOfATree(t *testing.T) {
	p := tree(t, 3, 40)
	fd := filepath.Join(p.Root, "2", "fd")
	for i, link := range []string{"/dev/null", "socket:[]", "socket:[1x]", "pipe:[3005]", "anon_inode:[eventpoll]",
		"socket:[3005]", "socket:[3005]"} {
		if err := os.Symlink(link, filepath.Join(fd, strconv.Itoa(100+i))); err != nil {
			t.Fatal(err)
		}
	}
	// Process 3 is a child of 2, 2 of 1; comm holds what it likes.
	for pid, stat := range map[string]string{"2": "2 (a) (b) S 1", "3": "3 (w) S 2"} {
		stat += " 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 100 1000 2 3"
		if err := os.WriteFile(filepath.Join(p.Root, pid, "stat"), []byte(stat), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	o, err := p.owners(context.Background(), []uint64{1007, 3005, 0})
	if err != nil {
		t.Fatal(err)
	}
	if got := o.Of[1007]; len(got) != 1 || got[0].PID != 1 {
		t.Errorf("1007: %+v", got)
	}
	if got := o.Of[3005]; len(got) != 1 || got[0].PID != 2 || got[0].Name != "a) (b" ||
		!slices.Equal(got[0].Workers, []int{3}) {
		t.Errorf("3005: %+v", got)
	}
}

// inodeEnv has the socket that a process of another user looks for.
const inodeEnv = "ONMUX_TEST_INODE"

// Descriptors of another user are not readable, and no owner is invented.
func TestOwnersUnprivileged(t *testing.T) {
	if text := os.Getenv(inodeEnv); text != "" {
		inode, _ := strconv.ParseUint(text, 10, 64)
		o, err := scanOwners(context.Background(), []uint64{inode}, false)
		fmt.Println("seen:", len(o.Of[inode]), len(o.Unreadable) > 0, err)
		return
	}
	_, inode := listener(t)
	cmd := exec.Command(nettest.SharedBinary(t), "-test.run=^TestOwnersUnprivileged$")
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", inodeEnv, inode))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: new(nettest.Nobody())}
	out, err := cmd.CombinedOutput()
	if want := "seen: 0 true <nil>"; err != nil || !slices.Contains(strings.Split(string(out), "\n"), want) {
		t.Errorf("%v: %s; want %q", err, out, want)
	}
}

func BenchmarkOwners(b *testing.B) {
	p := tree(b, 500, 40)
	b.Run("ours", func(b *testing.B) {
		for b.Loop() {
			if o, err := p.owners(context.Background(), []uint64{1007}); err != nil || len(o.Of) != 1 {
				b.Fatal(o, err)
			}
		}
	})
	b.Run("os.ReadDir+os.Readlink", func(b *testing.B) {
		for b.Loop() {
			found := 0
			for pid := 1; pid <= 500; pid++ {
				dir := p.Path(pid, "fd")
				entries, err := os.ReadDir(dir)
				if err != nil {
					b.Fatal(err)
				}
				for _, e := range entries {
					if link, _ := os.Readlink(dir + "/" + e.Name()); link == "socket:[1007]" {
						found++
					}
				}
			}
			if found != 1 {
				b.Fatal(found)
			}
		}
	})
}
