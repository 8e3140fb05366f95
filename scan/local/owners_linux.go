package local

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// findOwners finds every process that holds one of the sockets, in one pass
// over all descriptors of all processes. A process that ends meanwhile is no
// error. Sockets are named by their inodes.
func findOwners(ctx context.Context, inodes []uint64) (ownership, error) {
	return proc{root: "/proc"}.owners(ctx, inodes)
}

// proc is a proc(5) file system.
type proc struct{ root string }

// sighting is one process that holds a wanted socket.
type sighting struct {
	inode uint64
	pid   int
}

func (p proc) owners(ctx context.Context, inodes []uint64) (ownership, error) {
	o := ownership{of: make(map[uint64][]Owner)}
	if len(inodes) == 0 {
		return o, nil
	}
	pids, err := p.pids()
	if err != nil {
		return o, err
	}
	wanted := make(map[uint64]bool, len(inodes))
	for _, i := range inodes {
		wanted[i] = i != 0
	}
	var (
		next       atomic.Int64
		unreadable atomic.Int64
		mu         sync.Mutex
		seen       []sighting
		workers    sync.WaitGroup
	)
	for range min(runtime.GOMAXPROCS(0), len(pids)) {
		workers.Go(func() {
			look := looker{root: p.root, wanted: wanted, dirents: make([]byte, 16<<10)}
			for ctx.Err() == nil {
				i := int(next.Add(1) - 1)
				if i >= len(pids) {
					break
				}
				if err := look.at(ctx, pids[i]); err != nil && !gone(err) {
					unreadable.Add(1)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, look.seen...)
		})
	}
	workers.Wait()
	o.unreadable = int(unreadable.Load())
	if err := ctx.Err(); err != nil {
		return o, err
	}
	p.fold(seen, o.of)
	return o, nil
}

func (p proc) pids() ([]int, error) {
	dir, err := os.Open(p.root)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, n := range names {
		if pid, err := strconv.Atoi(n); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// looker is one worker's eyes. It reads directories with bare system calls,
// which takes half the time of os.ReadDir and os.Readlink; doing without the
// remaining allocations saves nothing, because the kernel takes the time.
type looker struct {
	root    string
	wanted  map[uint64]bool
	dirents []byte
	link    [64]byte
	seen    []sighting
}

// gone reports whether the error says that the process or descriptor is no more.
func gone(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH)
}

// at looks at every descriptor of a process. Some kernels list the descriptors
// of a process to everybody and refuse to tell what they are.
func (l *looker) at(ctx context.Context, pid int) error {
	dir, err := unix.Open(l.root+"/"+strconv.Itoa(pid)+"/fd", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	held := len(l.seen)
	var names []string
	var refused error
	for ctx.Err() == nil {
		n, err := unix.ReadDirent(dir, l.dirents)
		if err != nil || n <= 0 {
			return first(err, refused)
		}
		_, _, names = unix.ParseDirent(l.dirents[:n], -1, names[:0])
		for _, name := range names {
			inode, err := l.socket(dir, name)
			if err != nil && !gone(err) {
				refused = err
			}
			if l.wanted[inode] && !slices.Contains(l.seen[held:], sighting{inode, pid}) {
				l.seen = append(l.seen, sighting{inode, pid})
			}
		}
	}
	return ctx.Err()
}

// socket is the inode of the socket behind a descriptor, whose link reads
// "socket:[12345]"; 0 if it is something else.
func (l *looker) socket(dir int, name string) (uint64, error) {
	n, err := unix.Readlinkat(dir, name, l.link[:])
	if err != nil {
		return 0, err
	}
	link, ok := bytes.CutPrefix(l.link[:n], []byte("socket:["))
	if link, closed := bytes.CutSuffix(link, []byte("]")); ok && closed {
		inode, _ := strconv.ParseUint(string(link), 10, 64)
		return inode, nil
	}
	return 0, nil
}

// fold turns sightings into owners: a process whose ancestor holds the same
// socket is that one's worker.
func (p proc) fold(seen []sighting, byInode map[uint64][]Owner) {
	boot := p.boot()
	stats := make(map[int]stat)
	holders := make(map[uint64][]int)
	for _, s := range seen {
		holders[s.inode] = append(holders[s.inode], s.pid)
	}
	for inode, pids := range holders {
		slices.Sort(pids)
		workers := make(map[int][]int)
		for _, pid := range pids {
			master := p.master(pid, pids, stats)
			if master != pid {
				workers[master] = append(workers[master], pid)
			}
		}
		for _, pid := range pids {
			if p.master(pid, pids, stats) == pid {
				o := p.owner(pid, boot)
				o.Workers = workers[pid]
				byInode[inode] = append(byInode[inode], o)
			}
		}
	}
}

// master is the outermost holder that pid descends from through holders.
func (p proc) master(pid int, holders []int, stats map[int]stat) int {
	for range holders {
		s, ok := stats[pid]
		if !ok {
			b, _ := p.read(pid, "stat")
			s, _ = parseStat(b)
			stats[pid] = s
		}
		if _, found := slices.BinarySearch(holders, s.parent); !found {
			break
		}
		pid = s.parent
	}
	return pid
}

// owner reads what a process is; what it may not read stays empty.
func (p proc) owner(pid int, boot time.Time) Owner {
	o := Owner{PID: pid}
	if b, err := p.read(pid, "stat"); err == nil {
		if s, ok := parseStat(b); ok {
			o.Name = s.name
			if !boot.IsZero() {
				o.Started = boot.Add(s.start).Truncate(time.Second)
			}
		}
	}
	if exe, err := os.Readlink(p.path(pid, "exe")); err == nil {
		o.Exe = exe
	}
	if b, err := p.read(pid, "cmdline"); err == nil {
		o.Cmdline = parseCmdline(b)
	}
	if b, err := p.read(pid, "status"); err == nil {
		if uid, ok := parseUID(b); ok {
			o.User = userName(uid)
		}
	}
	if b, err := p.read(pid, "cgroup"); err == nil {
		o.Place = parseCgroups(b).Place
	}
	return o
}

func (p proc) boot() time.Time {
	b, err := os.ReadFile(filepath.Join(p.root, "stat"))
	if err != nil {
		return time.Time{}
	}
	t, _ := parseBoot(b)
	return t
}

func (p proc) path(pid int, file string) string {
	return filepath.Join(p.root, strconv.Itoa(pid), file)
}

// read reads a file of a process, which is small unless it is made to be large.
func (p proc) read(pid int, file string) ([]byte, error) {
	f, err := os.Open(p.path(pid, file))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, 64<<10))
}
