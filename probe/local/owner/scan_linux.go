package owner

import (
	"bytes"
	"cmp"
	"context"
	"errors"
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
func scanOwners(ctx context.Context, inodes []uint64, unmask bool) (Scan, error) {
	p := SystemProc()
	p.unmask = unmask
	return p.owners(ctx, inodes)
}

// ProcFS is a proc(5) file system.
type ProcFS struct {
	Root   string
	unmask bool // command lines are read with their secrets
}

func SystemProc() ProcFS { return ProcFS{Root: "/proc"} }

// fdMatch is one process that holds a wanted socket.
type fdMatch struct {
	inode uint64
	pid   int
	stat       // of this very process, even if another has its pid now
	known bool // stat was read
}

// owners is findOwners for any proc(5) file system.
func (p ProcFS) owners(ctx context.Context, inodes []uint64) (Scan, error) {
	o := Scan{Of: make(map[uint64][]Owner)}
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
	seen, unread := p.scanFDs(ctx, pids, wanted, (*fdScanner).scanProcess)
	o.Listed, o.Unreadable, o.Hidden = pids, unread, p.hides(pids)
	if left := unmatched(wanted, seen); len(left) > 0 {
		more, _ := p.scanFDs(ctx, o.readable(), left, (*fdScanner).scanThreads)
		seen = append(seen, more...)
	}
	if err := ctx.Err(); err != nil {
		return o, err
	}
	newOwnerGrouper(p).group(seen, o.Of)
	return o, nil
}

// scanFDs reads the descriptors of processes, of several at a time. It returns those
// that hold a wanted socket and, sorted, those that could not be read.
func (p ProcFS) scanFDs(ctx context.Context, pids []int, wanted map[uint64]bool,
	at func(*fdScanner, context.Context, int) error) (seen []fdMatch, unread []int) {
	var (
		next    atomic.Int64
		mu      sync.Mutex
		workers sync.WaitGroup
	)
	for range min(runtime.GOMAXPROCS(0), len(pids)) {
		workers.Go(func() {
			look := fdScanner{root: p.Root, wanted: wanted, dirents: make([]byte, 16<<10)}
			for ctx.Err() == nil {
				i := int(next.Add(1) - 1)
				if i >= len(pids) {
					break
				}
				if err := at(&look, ctx, pids[i]); err != nil && !IsGone(err) {
					look.unreadable = append(look.unreadable, pids[i])
				}
			}
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, look.matches...)
			unread = append(unread, look.unreadable...)
		})
	}
	workers.Wait()
	slices.Sort(unread)
	return seen, unread
}

func (p ProcFS) pids() ([]int, error) {
	dir, err := os.Open(p.Root)
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
	slices.Sort(pids)
	return pids, nil
}

// hides reports whether processes are missing from a list of all: with hidepid=2
// and 4 (proc(5)) those of others are. The first process of a pid namespace lives
// as long as the namespace does, and is seldom one's own.
func (ProcFS) hides(pids []int) bool { return len(pids) == 0 || pids[0] != 1 }

// fdScanner is one worker of a scan. It reads directories with bare system calls,
// which takes half the time of os.ReadDir and os.Readlink; doing without the
// remaining allocations saves nothing, because the kernel takes the time.
type fdScanner struct {
	root       string
	wanted     map[uint64]bool
	dirents    []byte
	link       [64]byte
	matches    []fdMatch
	unreadable []int
}

// IsGone reports whether the error means that the process or descriptor no longer exists.
func IsGone(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH)
}

// at looks at every descriptor of a process.
func (l *fdScanner) scanProcess(ctx context.Context, pid int) error {
	return l.scanDir(ctx, l.root+"/"+strconv.Itoa(pid)+"/fd", "../stat", pid)
}

// in looks at every descriptor in a directory, from which the stat of the process
// is reached by a path. Some kernels list the descriptors of a process to
// every user and refuse to reveal what they are.
func (l *fdScanner) scanDir(ctx context.Context, fds, stat string, pid int) error {
	dir, err := unix.Open(fds, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	held := len(l.matches)
	var names []string
	var refused error
	for ctx.Err() == nil {
		n, err := unix.ReadDirent(dir, l.dirents)
		if err != nil || n <= 0 {
			return cmp.Or(err, refused)
		}
		_, _, names = unix.ParseDirent(l.dirents[:n], -1, names[:0])
		for _, name := range names {
			inode, err := l.socket(dir, name)
			if err != nil && !IsGone(err) {
				refused = err
			}
			if l.wanted[inode] {
				l.match(dir, stat, inode, pid, held)
			}
		}
	}
	return ctx.Err()
}

// see notes that the process behind a directory of descriptors, which is that
// very process for as long as it is open, holds a socket. What was seen of the
// process before starts at held.
func (l *fdScanner) match(dir int, stat string, inode uint64, pid, held int) {
	mine := l.matches[held:]
	if slices.ContainsFunc(mine, func(s fdMatch) bool { return s.inode == inode }) {
		return
	}
	s := fdMatch{inode: inode, pid: pid}
	if len(mine) > 0 {
		s.stat, s.known = mine[0].stat, mine[0].known
	} else {
		s.stat, s.known = statFrom(dir, stat)
	}
	l.matches = append(l.matches, s)
}

// statFrom reads the stat of the process to which a directory of descriptors
// belongs.
func statFrom(dir int, path string) (stat, bool) {
	fd, err := unix.Openat(dir, path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return stat{}, false
	}
	defer unix.Close(fd)
	var b [1024]byte // the kernel writes 52 numbers and a name of 64 bytes
	n, err := unix.Read(fd, b[:])
	if err != nil {
		return stat{}, false
	}
	return parseStat(b[:n])
}

// socket returns the inode of the socket behind a descriptor, whose link reads
// "socket:[12345]"; 0 if it is something else.
func (l *fdScanner) socket(dir int, name string) (uint64, error) {
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

func (p ProcFS) boot() time.Time {
	b, err := os.ReadFile(filepath.Join(p.Root, "stat"))
	if err != nil {
		return time.Time{}
	}
	t, _ := parseBoot(b)
	return t
}

func (p ProcFS) Path(pid int, file string) string {
	return filepath.Join(p.Root, strconv.Itoa(pid), file)
}

// Read reads a file of a process, which is small unless it is made to be large. It makes the
// fewest system calls that do: of many processes, several files are read.
func (p ProcFS) Read(pid int, file string) ([]byte, error) {
	path := p.Root + "/" + strconv.Itoa(pid) + "/" + file
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	var all []byte
	var b [4 << 10]byte
	for len(all) < 64<<10 {
		n, err := unix.Read(fd, b[:])
		switch {
		case err == unix.EINTR:
		case err != nil:
			return all, &os.PathError{Op: "read", Path: path, Err: err}
		case n < len(b): // the kernel ends these files with the first short read
			return append(all, b[:n]...), nil
		default:
			all = append(all, b[:n]...)
		}
	}
	return all, nil
}
