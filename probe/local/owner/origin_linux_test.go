package owner

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"onmux/probe/local/socket"
)

func inode(t testing.TB, path string) uint64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return st.Ino
}

// files makes a file system of some files; a name that ends in / is a directory.
func files(t testing.TB, all map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range all {
		path := filepath.Join(root, name)
		dir := filepath.Dir(path)
		if strings.HasSuffix(name, "/") {
			dir = path
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if dir == path {
			continue
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// machineOf is a machine made of files: processes in /proc, cgroups in /cgroup.
func machineOf(t testing.TB, all map[string]string) (p ProcFS, root string) {
	t.Helper()
	root = files(t, all)
	mountinfo := fmt.Sprintf("30 1 0:1 / / rw - ext4 /dev/sda rw\n"+
		"31 30 0:2 / %s/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n", root)
	if err := os.MkdirAll(filepath.Join(root, "proc/self"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "proc/self/mountinfo"), []byte(mountinfo), 0o644); err != nil {
		t.Fatal(err)
	}
	return ProcFS{Root: filepath.Join(root, "proc")}, root
}

func statOf(pid int, name string, parent int) string {
	return fmt.Sprintf("%d (%s) S %d 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 100 1000 2 3", pid, name, parent)
}

// Where a socket was made and who may hold it, without being allowed to look at
// any process.
func TestOrigins(t *testing.T) {
	id := strings.Repeat("ab", 32)
	const pod = "1b2c3d4e-0001-4a5b-8c7d-00112233aabb"
	tree := map[string]string{
		"cgroup/cgroup.procs":                            "1\n",
		"cgroup/init.scope/cgroup.procs":                 "1\n",
		"cgroup/system.slice/nginx.service/cgroup.procs": "412\n413\n0\n9\n414\n",
		"cgroup/system.slice/mixed.service/cgroup.procs": "20\n412\n9999\n",
		"cgroup/system.slice/ssh.socket/cgroup.procs":    "",
		"cgroup/system.slice/crowd.service/cgroup.procs": "",
		"cgroup/kubepods/pod" + pod + "/" + id + "/x":    "",
		"proc/stat": "btime 1700000000\n",
	}
	var o Scan
	process := func(pid int, name string, uid int) {
		dir := fmt.Sprintf("proc/%d/", pid)
		tree[dir+"stat"], tree[dir+"status"] = statOf(pid, name, 1), fmt.Sprintf("Uid:\t%d\t%d\t%d\t%d\n", uid, uid, uid, uid)
		o.Listed = append(o.Listed, pid)
		if pid != 9 { // one's own, which does not hold the socket
			o.Unreadable = append(o.Unreadable, pid)
		}
	}
	process(1, "systemd", 0)
	process(9, "mine", 33)
	process(20, "sh", 0)
	for pid := 412; pid < 415; pid++ {
		process(pid, "nginx", 33)
	}
	for pid := 500; pid < 520; pid++ {
		process(pid, "many", 77)
		tree["cgroup/system.slice/crowd.service/cgroup.procs"] += fmt.Sprintln(pid)
	}
	p, root := machineOf(t, tree)
	at := func(cgroup string) uint64 { return inode(t, filepath.Join(root, "cgroup", cgroup)) }
	by := func(how, name string, pids ...int) (all []Candidate) {
		for _, pid := range pids {
			all = append(all, Candidate{Process: Process{pid, name}, By: how})
		}
		return all
	}
	likely := func(all []Candidate) []Candidate {
		for i := range all {
			all[i].Likely = true
		}
		return all
	}
	for name, c := range map[string]struct {
		s    socket.Socket
		want Origin
	}{
		"a unit": {socket.Socket{Cgroup: at("system.slice/nginx.service"), UID: 33, HasUID: true},
			Origin{Place{Unit: "nginx.service"}, likely(by("cgroup", "nginx", 412, 413, 414)), 0}},
		"not all alike": {socket.Socket{Cgroup: at("system.slice/mixed.service"), UID: 33, HasUID: true},
			Origin{Place{Unit: "mixed.service"}, append(by("cgroup", "nginx", 412), by("cgroup", "sh", 20)...), 0}},
		"many": {socket.Socket{Cgroup: at("system.slice/crowd.service"), UID: 77, HasUID: true},
			Origin{Place{Unit: "crowd.service"}, by("cgroup", "many", 500, 501, 502, 503, 504, 505, 506, 507), 12}},
		"of a socket unit": {socket.Socket{Cgroup: at("system.slice/ssh.socket"), UID: 0, HasUID: true},
			Origin{Place: Place{Unit: "ssh.socket"}}},
		"a container": {socket.Socket{Cgroup: at("kubepods/pod" + pod + "/" + id), UID: 0, HasUID: true},
			Origin{Place: Place{Container: id[:12], ContainerID: id, Runtime: "kubernetes", PodUID: pod}}},
		"nowhere, a user": {socket.Socket{Cgroup: at("."), UID: 33, HasUID: true},
			Origin{Candidates: by("user", "nginx", 412, 413, 414)}},
		"a cgroup that is gone": {socket.Socket{Cgroup: 1 << 60, UID: 33, HasUID: true},
			Origin{Candidates: by("user", "nginx", 412, 413, 414)}},
		"of too busy a user": {socket.Socket{UID: 77, HasUID: true}, Origin{}},
		"of no user":         {socket.Socket{UID: 5, HasUID: true}, Origin{}},
		"nothing is known":   {socket.Socket{}, Origin{}},
	} {
		c.s.Holder = 7
		got := p.origins(t.Context(), []socket.Socket{c.s}, o)[7]
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v;\nwant %+v", name, got, c.want)
		}
	}

	// Of what has an owner nothing is looked for, unless that is systemd.
	o.Of = map[uint64][]Owner{7: {{PID: 20, Place: Place{Unit: "x.service"}}},
		8: {{PID: 1, Place: Place{Unit: "init.scope"}}, {PID: 20}}}
	made := at("system.slice/ssh.socket")
	got := p.origins(t.Context(), []socket.Socket{{Holder: 7, Cgroup: made}, {Holder: 8, Cgroup: made}}, o)
	if want := map[uint64]Origin{8: {Place: Place{Unit: "ssh.socket"}}}; !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if o.Of[8][0].SocketUnit != "ssh.socket" || o.Of[8][1].SocketUnit != "" {
		t.Errorf("%+v", o.Of[8])
	}
}

// With hidepid=2 the list lacks the processes of others. That they are not there
// is not known, and the list of a cgroup may still name them.
func TestHiddenProcesses(t *testing.T) {
	p, root := machineOf(t, map[string]string{
		"proc/412/fd/": "", "proc/412/stat": statOf(412, "mine", 1), "proc/412/status": "Uid:\t1 1 1 1\n",
		"cgroup/system.slice/nginx.service/cgroup.procs": "412\n413\n",
	})
	o, err := p.owners(context.Background(), []uint64{7})
	if err != nil || !o.Hidden || len(o.Unreadable) > 0 {
		t.Fatalf("%+v, %v", o, err)
	}
	s := socket.Socket{Holder: 7, UID: 1, HasUID: true,
		Cgroup: inode(t, filepath.Join(root, "cgroup/system.slice/nginx.service"))}
	got := p.origins(t.Context(), []socket.Socket{s}, o)[7]
	if want := (Origin{Place: Place{Unit: "nginx.service"},
		Candidates: []Candidate{{Process: Process{PID: 413}, By: "cgroup"}}}); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// No descriptor can be listed with hidepid=1, and none may be guessed at.
func TestUnreadableProcesses(t *testing.T) {
	p, _ := machineOf(t, map[string]string{"proc/1/stat": statOf(1, "systemd", 0), "proc/1/fd": "no directory"})
	o, err := p.owners(context.Background(), []uint64{7})
	if err != nil || o.Hidden || !slices.Equal(o.Unreadable, []int{1}) {
		t.Errorf("%+v, %v", o, err)
	}
}

func TestMountinfo(t *testing.T) {
	const v1 = "40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd\n"
	for in, want := range map[string]cgroup2{
		"31 23 0:28 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n": {"/sys/fs/cgroup", "/"},
		v1 + "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n":               {"/sys/fs/cgroup/unified", "/"},
		"1 1 0:1 /a /part rw - cgroup2 none rw\n" +
			"1 1 0:1 / /my\\040cgroups rw - cgroup2 none rw\n" +
			"1 1 0:1 /b /other rw - cgroup2 none rw\n": {"/my cgroups", "/"},
		v1: {}, "": {}, "1 2 3 - cgroup2": {}, "1 1 0:1 / relative rw - cgroup2 none rw\n": {},
	} {
		if got := parseMountinfo([]byte(in)); got != want {
			t.Errorf("%q: %+v, want %+v", in, got, want)
		}
	}
}

func FuzzCgroupFiles(f *testing.F) {
	f.Add([]byte("31 23 0:28 / /sys/fs/c\\040group rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"))
	f.Add([]byte("412\n0\n-5\nx\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if c := parseMountinfo(b); c.mount != "" && !filepath.IsAbs(c.mount) {
			t.Errorf("%+v", c)
		}
		for _, pid := range parseProcs(b) {
			if pid <= 0 {
				t.Errorf("pid %d", pid)
			}
		}
	})
}

// Walking over as many cgroups as are looked at.
func BenchmarkCgroups(b *testing.B) {
	all := make(map[string]string)
	for n := range maxCgroups - 12 {
		all[fmt.Sprintf("cgroup/kubepods/%d/%d/", n%10, n)] = ""
	}
	p, _ := machineOf(b, all)
	for b.Loop() {
		if found := p.cgroup2().find(b.Context(), map[uint64]bool{1 << 60: true}); len(found) != 0 {
			b.Fatal(found)
		}
	}
}
