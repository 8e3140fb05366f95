package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/nettest"
)

// moor binds a namespace to a name in a directory.
func moor(t testing.TB, namespace, file string) {
	t.Helper()
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(namespace, file, "", unix.MS_BIND, ""); err != nil {
		t.Skip("cannot bind a namespace to a name: ", err)
	}
	t.Cleanup(func() { unix.Unmount(file, unix.MNT_DETACH) })
}

// Namespaces go by the names that somebody gave them, also those that have no
// process; what is no namespace, or the caller's own, counts for nothing.
func TestAbroadNamed(t *testing.T) {
	nettest.Need(t)
	dir := t.TempDir()
	blue := nettest.NewNamespace(t)
	moor(t, blue, filepath.Join(dir, "blue"))
	host := nettest.NewNamespace(t)
	hostNet := defaultName(t, host)
	moor(t, host, filepath.Join(dir, "host"))
	nettest.OnThread(func() {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Error(err)
			return
		}
		moor(t, "/proc/thread-self/ns/net", filepath.Join(dir, "empty"))
	})
	moor(t, "/proc/thread-self/ns/net", filepath.Join(dir, "ours"))
	moor(t, "/proc/thread-self/ns/uts", filepath.Join(dir, "uts"))
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "left"), nil, 0), unix.Mkfifo(filepath.Join(dir, "pipe"), 0o644)); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{blue, host, filepath.Join(dir, "empty")} {
		nettest.OpenIn(t, file, unix.AF_INET, unix.SOCK_STREAM, nettest.Bind("0.0.0.0", 4530), nettest.Listen(7))
	}
	q := Query{ports: map[probe.Proto][]uint16{probe.TCP: {4530}}, v4: true, v6: true}
	a, err := lookIn(t.Context(), machine(), q, false, []string{dir, "/nonexistent", dir})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range a.spaces {
		if len(s.held[probe.Port{Number: 4530, Proto: probe.TCP}]) == 1 {
			names = append(names, s.name)
		}
	}
	if want := []string{"blue", "empty", "host " + hostNet}; !slices.Equal(names, want) {
		t.Errorf("%q, want %q", names, want)
	}
	if a.coverage.Read != 3 && os.Getpid() == 1 || len(a.coverage.Closed) > 0 {
		t.Errorf("%+v", a.coverage)
	}
}

// What a search leaves behind: the process's first thread where it was, and no
// namespace entered by anybody else.
func TestVisitLeavesNothing(t *testing.T) {
	blue := nettest.NewNamespace(t)
	before, err := inodeAt("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	visit(t.Context(), 64, func(_ *sockDiag, i int) {
		if unix.Gettid() == os.Getpid() {
			t.Error("a visit on the first thread")
		}
		if err := enter(blue); err != nil {
			t.Error(err)
		}
	})
	for range 64 {
		done := make(chan uint64)
		go func() {
			inode, _ := inodeAt("/proc/thread-self/ns/net")
			done <- inode
		}()
		if inode := <-done; inode != before {
			t.Fatal("a goroutine runs in another namespace")
		}
	}
	if after, _ := inodeAt("/proc/self/ns/net"); after != before {
		t.Error("the first thread is in another namespace")
	}
}

func TestAbroadCancelled(t *testing.T) {
	nettest.NewNamespace(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := lookAbroad(ctx, Query{ports: map[probe.Proto][]uint16{probe.TCP: {417}}, v4: true}, false); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A namespace that went away, or whose process did and left its pid to one of
// another, is neither told nor an error.
func TestAbroadGone(t *testing.T) {
	blue := nettest.NewNamespace(t)
	nettest.OpenIn(t, blue, unix.AF_INET, unix.SOCK_STREAM, nettest.Bind("0.0.0.0", 4540), nettest.Listen(7))
	w, err := explore(t.Context(), machine(), nil)
	if err != nil {
		t.Fatal(err)
	}
	inode, _ := inodeAt(blue)
	pid, _ := strconv.Atoi(strings.Split(blue, "/")[2])
	var there sign
	for s, r := range w.realms {
		if r.inode == inode {
			there = s
		}
	}
	ended := nettest.Process{Steps: "inherit"}.Start(t)
	ended.Process.Kill()
	ended.Wait()
	q := Query{ports: map[probe.Proto][]uint16{probe.TCP: {4540}}, v4: true}
	for name, c := range map[string]struct {
		r    realm
		gone bool
	}{
		"there":             {realm{sign: there, pids: []int{pid}}, false},
		"one of two":        {realm{sign: there, pids: []int{ended.Process.Pid, pid}}, false},
		"ended":             {realm{sign: there, pids: []int{ended.Process.Pid}}, true},
		"another namespace": {realm{sign: there, pids: []int{os.Getpid()}}, true},
		"a name":            {realm{sign: there, file: "/nonexistent"}, true},
	} {
		visit(t.Context(), 1, func(diag *sockDiag, _ int) { w.read(t.Context(), q, false, diag, &c.r) })
		if c.r.gone != c.gone || c.r.err != nil || (c.r.census == nil) != c.gone {
			t.Errorf("%s: %+v", name, c.r)
		}
	}
}

func BenchmarkAbroad(b *testing.B) {
	q := Query{ports: map[probe.Proto][]uint16{probe.TCP: {417}, probe.UDP: {417}}, v4: true, v6: true}
	b.Run("5000 processes", func(b *testing.B) {
		p := crowdOf(b, 5000, false)
		for b.Loop() {
			if a, err := lookIn(b.Context(), p, q, false, nil); err != nil || len(a.spaces) != 0 {
				b.Fatal(a, err)
			}
		}
	})
	b.Run("20 namespaces", func(b *testing.B) {
		for range 20 {
			nettest.NewNamespace(b)
		}
		for b.Loop() {
			if a, err := lookAbroad(b.Context(), q, false); err != nil || a.coverage.Incomplete() {
				b.Fatal(a, err)
			}
		}
	})
}

// defaultName is that of a namespace which nobody gave a name.
func defaultName(t testing.TB, file string) string {
	t.Helper()
	inode, err := inodeAt(file)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("net:[%d]", inode)
}
