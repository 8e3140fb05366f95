package netns

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"onmux/probe"
	"onmux/probe/local/owner"
	"onmux/probe/local/socket"
)

// A proc file system in which little can be read. Files of one namespace are one
// file, as they are there.
func TestLookInTree(t *testing.T) {
	const heading = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	const line = "   0: 00000000:01A1 00000000:0000 0A 00000000:00000000 00:00000000 00000000     7        0 4242 1 0\n"
	root := t.TempDir()
	put := func(process, as string) string {
		dev := filepath.Join(root, process, "net", "dev")
		err := os.MkdirAll(filepath.Dir(dev), 0o755)
		if as == "" {
			err = errors.Join(err, os.WriteFile(dev, nil, 0o644))
		} else {
			err = errors.Join(err, os.Link(as, dev))
		}
		if err != nil {
			t.Fatal(err)
		}
		return dev
	}
	own := put("1", "")
	put("1/task/1", own)
	put("thread-self", own)
	put("7", own)
	other := put("20", "")
	put("21", other)
	err := errors.Join(
		os.Symlink("1", filepath.Join(root, "self")),
		os.WriteFile(filepath.Join(root, "20/net/tcp"), []byte(heading+line), 0o644),
		os.WriteFile(filepath.Join(root, "20/cgroup"),
			[]byte("0::/system.slice/docker-"+strings.Repeat("3f2a", 16)+".scope\n"), 0o644),
		os.MkdirAll(filepath.Join(root, "30"), 0o755),
		os.WriteFile(filepath.Join(root, "30/net"), nil, 0o644), // cannot be looked into
		os.MkdirAll(filepath.Join(root, "31"), 0o755),           // ended
	)
	if err != nil {
		t.Fatal(err)
	}
	q := socket.Query{Ports: map[probe.Proto][]uint16{probe.TCP: {417}}, IPv4: true}
	a, err := lookIn(t.Context(), owner.ProcFS{Root: root}, q, false, nil)
	if err != nil || len(a.Namespaces) != 1 || a.Namespaces[0].Name != "docker container 3f2a3f2a3f2a" ||
		!a.Coverage.Incomplete() {
		t.Fatalf("%+v, %v", a, err)
	}
	held := a.Namespaces[0].Held[probe.Port{Number: 417, Proto: probe.TCP}]
	if len(held) != 1 || held[0].Local != netip.MustParseAddrPort("0.0.0.0:417") || held[0].Inode != 4242 {
		t.Errorf("%+v", held)
	}
	if c := a.Coverage; c.Unknown != 1 || c.UnknownErr.Error() != "stat "+root+"/30/net/dev: not a directory" ||
		c.Read != 1 || c.ByProc != 1 {
		t.Errorf("%+v", c)
	}
	// Where inodes are numbered anew each time, nothing may be concluded.
	if err := errors.Join(os.Remove(filepath.Join(root, "1/task/1/net/dev")),
		os.WriteFile(filepath.Join(root, "1/task/1/net/dev"), nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	a, err = lookIn(t.Context(), owner.ProcFS{Root: root}, q, false, nil)
	if err != nil || len(a.Namespaces) != 0 || !a.Coverage.Incomplete() || a.Coverage.Err == nil {
		t.Errorf("%+v, %v", a, err)
	}
	if a, err = lookIn(t.Context(), owner.ProcFS{Root: "/nonexistent"}, q, false, nil); err != nil ||
		!a.Coverage.Incomplete() {
		t.Errorf("%+v, %v", a, err)
	}
}

// manyProcesses is a proc file system of so many processes, each of a namespace of its
// own or all of the caller's.
func manyProcesses(t testing.TB, processes int, alone bool) owner.ProcFS {
	t.Helper()
	root := t.TempDir()
	own := filepath.Join(root, "1", "net", "dev")
	dirs := []string{"1", "1/task/1", "thread-self"}
	for n := range processes {
		dirs = append(dirs, strconv.Itoa(n+2))
	}
	for i, dir := range dirs {
		dev := filepath.Join(root, dir, "net", "dev")
		err := os.MkdirAll(filepath.Dir(dev), 0o755)
		if dev == own || alone && i >= 3 {
			err = errors.Join(err, os.WriteFile(dev, nil, 0o644))
		} else {
			err = errors.Join(err, os.Link(own, dev))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("1", filepath.Join(root, "self")); err != nil {
		t.Fatal(err)
	}
	return owner.ProcFS{Root: root}
}

func TestUnique(t *testing.T) {
	names := []string{"blue", "container x", "container x", "host", ""}
	ids := []string{"net:[1]", "net:[2]", "pid 3", "net:[4]", "net:[5]"}
	want := []string{"blue", "container x net:[2]", "container x pid 3", "host net:[4]", "net:[5]"}
	if got := uniqueNames(names, ids); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// However many namespaces there are, a bounded number is looked at, and the rest
// is counted.
func TestLookIsBounded(t *testing.T) {
	p := manyProcesses(t, MaxNamespaces+7, true)
	a, err := lookIn(t.Context(), p, socket.Query{Ports: map[probe.Proto][]uint16{probe.TCP: {417}}, IPv4: true}, false,
		nil)
	if err != nil || a.Coverage.Beyond != 7 || a.Coverage.Read+a.Coverage.Failed > MaxNamespaces ||
		!a.Coverage.Incomplete() {
		t.Errorf("%v, %+v", err, a.Coverage)
	}
}
