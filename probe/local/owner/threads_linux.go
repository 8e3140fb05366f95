package owner

import (
	"context"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// unmatched are the wanted sockets for which no process was found.
func unmatched(wanted map[uint64]bool, seen []fdMatch) map[uint64]bool {
	left := make(map[uint64]bool)
	for inode, want := range wanted {
		if want {
			left[inode] = true
		}
	}
	for _, s := range seen {
		delete(left, s.inode)
	}
	return left
}

// readable are the processes that could be looked at.
func (o Scan) readable() []int {
	var pids []int
	for _, pid := range o.Listed {
		if _, unread := slices.BinarySearch(o.Unreadable, pid); !unread {
			pids = append(pids, pid)
		}
	}
	return pids
}

// threads looks at the threads of a process that do not share the descriptors
// of its first one: they asked for that (CLONE_FILES, unshare(2)), or the first
// one has ended.
func (l *fdScanner) scanThreads(ctx context.Context, pid int) error {
	tasks := l.root + "/" + strconv.Itoa(pid) + "/task"
	var st unix.Stat_t
	if err := unix.Lstat(tasks, &st); err != nil || st.Nlink == 3 { // one directory inside
		return err
	}
	dir, err := os.Open(tasks)
	if err != nil {
		return err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	for _, name := range names {
		tid, err := strconv.Atoi(name)
		if err != nil || tid == pid || l.sameFiles(pid, tid) {
			continue
		}
		if err := l.scanDir(ctx, tasks+"/"+name+"/fd", "../../../stat", pid); err != nil && !IsGone(err) {
			return err
		}
	}
	return err
}

// sameFiles reports whether two threads share their descriptors (kcmp(2)); where
// the kernel does not report it they are taken to, because reading each would cost
// as much as there are threads.
func (l *fdScanner) sameFiles(a, b int) bool {
	const kcmpFiles = 2 // KCMP_FILES
	order, _, errno := unix.Syscall6(unix.SYS_KCMP, uintptr(a), uintptr(b), kcmpFiles, 0, 0, 0)
	return errno != 0 || order == 0
}
