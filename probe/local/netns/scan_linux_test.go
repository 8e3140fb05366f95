package netns

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
	"onmux/probe/local/owner"
	"onmux/probe/local/socket"
	"onmux/probe/nettest"
)

// bindMount binds a namespace to a name in a directory.
func bindMount(t testing.TB, namespace, file string) {
	t.Helper()
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(namespace, file, "", unix.MS_BIND, ""); err != nil {
		t.Skip("cannot bind a namespace to a name: ", err)
	}
	t.Cleanup(func() { unix.Unmount(file, unix.MNT_DETACH) })
}

// Namespaces go by the names that they were given, also those that have no
// process; what is no namespace, or the caller's own, counts for nothing.
func TestLookNamed(t *testing.T) {
	nettest.Need(t)
	dir := t.TempDir()
	blue := nettest.NewNamespace(t)
	bindMount(t, blue, filepath.Join(dir, "blue"))
	host := nettest.NewNamespace(t)
	hostNet := defaultName(t, host)
	bindMount(t, host, filepath.Join(dir, "host"))
	nettest.OnThread(func() {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Error(err)
			return
		}
		bindMount(t, "/proc/thread-self/ns/net", filepath.Join(dir, "empty"))
	})
	bindMount(t, "/proc/thread-self/ns/net", filepath.Join(dir, "ours"))
	bindMount(t, "/proc/thread-self/ns/uts", filepath.Join(dir, "uts"))
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "left"), nil, 0),
		unix.Mkfifo(filepath.Join(dir, "pipe"), 0o644)); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{blue, host, filepath.Join(dir, "empty")} {
		nettest.OpenIn(t, file, unix.AF_INET, unix.SOCK_STREAM, nettest.Bind("0.0.0.0", 4530), nettest.Listen(7))
	}
	q := socket.Query{Ports: map[probe.Proto][]uint16{probe.TCP: {4530}}, IPv4: true, IPv6: true}
	a, err := lookIn(t.Context(), owner.SystemProc(), q, false, []string{dir, "/nonexistent", dir})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range a.Namespaces {
		if len(s.Held[probe.Port{Number: 4530, Proto: probe.TCP}]) == 1 {
			names = append(names, s.Name)
		}
	}
	if want := []string{"blue", "empty", "host " + hostNet}; !slices.Equal(names, want) {
		t.Errorf("%q, want %q", names, want)
	}
	if a.Coverage.Read != 3 && os.Getpid() == 1 || len(a.Coverage.Closed) > 0 {
		t.Errorf("%+v", a.Coverage)
	}
}

// What a search leaves behind: the process's first thread where it was, and no
// namespace entered by anybody else.
func TestForEachLeavesNoTrace(t *testing.T) {
	blue := nettest.NewNamespace(t)
	before, err := owner.InodeOf("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	forEach(t.Context(), 64, func(_ *socket.Diag, i int) {
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
			inode, _ := owner.InodeOf("/proc/thread-self/ns/net")
			done <- inode
		}()
		if inode := <-done; inode != before {
			t.Fatal("a goroutine runs in another namespace")
		}
	}
	if after, _ := owner.InodeOf("/proc/self/ns/net"); after != before {
		t.Error("the first thread is in another namespace")
	}
}

func TestLookCanceled(t *testing.T) {
	nettest.NewNamespace(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Look(ctx, socket.Query{Ports: map[probe.Proto][]uint16{probe.TCP: {417}}, IPv4: true},
		false); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A namespace that went away, or whose process did and left its pid to one of
// another, is neither reported nor an error.
func TestReadGone(t *testing.T) {
	blue := nettest.NewNamespace(t)
	nettest.OpenIn(t, blue, unix.AF_INET, unix.SOCK_STREAM, nettest.Bind("0.0.0.0", 4540), nettest.Listen(7))
	w, err := newScan(owner.SystemProc())
	if err == nil {
		err = w.explore(t.Context(), nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	inode, _ := owner.InodeOf(blue)
	pid, _ := strconv.Atoi(strings.Split(blue, "/")[2])
	var there owner.NSID
	for s, r := range w.namespaces {
		if r.inode == inode {
			there = s
		}
	}
	ended := nettest.Process{Steps: "inherit"}.Start(t)
	ended.Process.Kill()
	ended.Wait()
	q := socket.Query{Ports: map[probe.Proto][]uint16{probe.TCP: {4540}}, IPv4: true}
	for name, c := range map[string]struct {
		r    netNS
		gone bool
	}{
		"there":             {netNS{nsid: there, pids: []int{pid}}, false},
		"one of two":        {netNS{nsid: there, pids: []int{ended.Process.Pid, pid}}, false},
		"ended":             {netNS{nsid: there, pids: []int{ended.Process.Pid}}, true},
		"another namespace": {netNS{nsid: there, pids: []int{os.Getpid()}}, true},
		"a name":            {netNS{nsid: there, file: "/nonexistent"}, true},
	} {
		forEach(t.Context(), 1, func(diag *socket.Diag, _ int) { w.read(t.Context(), q, false, diag, &c.r) })
		if c.r.gone != c.gone || c.r.err != nil || (c.r.table == nil) != c.gone {
			t.Errorf("%s: %+v", name, c.r)
		}
	}
}

func BenchmarkLook(b *testing.B) {
	q := socket.Query{Ports: map[probe.Proto][]uint16{probe.TCP: {417}, probe.UDP: {417}}, IPv4: true, IPv6: true}
	b.Run("5000 processes", func(b *testing.B) {
		p := manyProcesses(b, 5000, false)
		for b.Loop() {
			if a, err := lookIn(b.Context(), p, q, false, nil); err != nil || len(a.Namespaces) != 0 {
				b.Fatal(a, err)
			}
		}
	})
	b.Run("20 namespaces", func(b *testing.B) {
		for range 20 {
			nettest.NewNamespace(b)
		}
		for b.Loop() {
			if a, err := Look(b.Context(), q, false); err != nil || a.Coverage.Incomplete() {
				b.Fatal(a, err)
			}
		}
	})
}

// defaultName is that of a namespace without a name.
func defaultName(t testing.TB, file string) string {
	t.Helper()
	inode, err := owner.InodeOf(file)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("net:[%d]", inode)
}
