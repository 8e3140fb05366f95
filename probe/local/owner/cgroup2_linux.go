package owner

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Bounds of a walk over cgroups.
const (
	maxMountinfo = 1 << 20 // bytes
	maxCgroups   = 10000   // directories
)

// cgroup2 is the unified hierarchy of control groups: mounted at
// /sys/fs/cgroup, or beside those of version 1 at /sys/fs/cgroup/unified.
type cgroup2 struct {
	mount string // where it is mounted; "" if it is not
	top   string // the path of the cgroup that is there: "/" unless only a part is mounted
}

func (p ProcFS) cgroup2() cgroup2 {
	b, err := readBounded(filepath.Join(p.Root, "self", "mountinfo"), maxMountinfo)
	if err != nil {
		return cgroup2{}
	}
	return parseMountinfo(b)
}

// parseMountinfo finds the unified hierarchy in /proc/<pid>/mountinfo (proc(5)):
// "31 23 0:28 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw". The widest part
// is taken where there are several.
func parseMountinfo(b []byte) cgroup2 {
	var found cgroup2
	for line := range strings.Lines(string(b)) {
		mount, source, ok := strings.Cut(line, " - ")
		fields := strings.Fields(mount)
		if !ok || len(fields) < 6 || !strings.HasPrefix(source, "cgroup2 ") {
			continue
		}
		c := cgroup2{mount: unescape(fields[4]), top: unescape(fields[3])}
		if path.IsAbs(c.mount) && (found.mount == "" || len(c.top) < len(found.top)) {
			found = c
		}
	}
	return found
}

// unescape undoes what the kernel does to spaces in mountinfo: \040.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// find returns the paths of the cgroups with these ids, which are the inodes of
// their directories. It is a walk, because asking for an inode takes
// CAP_DAC_READ_SEARCH (open_by_handle_at(2)).
func (c cgroup2) find(ctx context.Context, ids map[uint64]bool) map[uint64]string {
	found := make(map[uint64]string)
	if c.mount == "" {
		return found
	}
	left := []string{"/"}
	for visited := 0; visited < len(left) && visited < maxCgroups && len(found) < len(ids) && ctx.Err() == nil; visited++ {
		dir := left[visited]
		var st unix.Stat_t
		if unix.Lstat(filepath.Join(c.mount, dir), &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
			continue
		}
		if ids[st.Ino] {
			found[st.Ino] = path.Join(c.top, dir)
		}
		if st.Nlink == 2 { // itself and its entry: no directories inside
			continue
		}
		entries, err := os.ReadDir(filepath.Join(c.mount, dir))
		if err != nil {
			continue
		}
		for _, e := range entries {
			if e.IsDir() && len(left) < maxCgroups {
				left = append(left, path.Join(dir, e.Name()))
			}
		}
	}
	return found
}

// processes are those in a cgroup, and in no other below it.
func (c cgroup2) processes(cgroup string) []int {
	rel, err := filepath.Rel(c.top, cgroup)
	if err != nil {
		return nil
	}
	b, err := readBounded(filepath.Join(c.mount, rel, "cgroup.procs"), maxProcs)
	if err != nil {
		return nil
	}
	return parseProcs(b)
}

// readBounded reads the first bytes of a regular file, and never waits for the
// other end of a pipe.
func readBounded(file string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(file, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, cmp.Or(err, errors.New(file+" is not a regular file"))
	}
	return io.ReadAll(io.LimitReader(f, limit))
}
