package owner

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// NSID identifies a network namespace. It is the inode of a file below
// /proc/<pid>.
type NSID uint64

// Files whose inodes identify namespaces. Each namespace has its own tree of net/ files,
// with inodes that are unique on the machine (fs/proc/proc_net.c, proc_alloc_inum
// in fs/proc/generic.c) and that everybody may ask for; what namespaces(7)
// documents takes the right to trace the process.
const (
	devFile = "net/dev"
	NSFile  = "ns/net"
)

// NSIDFile is the file whose inode can be relied on. A system that is like Linux
// may number the files as they are opened.
func (p ProcFS) NSIDFile() (string, error) {
	pid, err := os.Readlink(filepath.Join(p.Root, "self"))
	if err != nil {
		return "", err
	}
	one, err := InodeOf(filepath.Join(p.Root, "self", devFile))
	if err != nil {
		return "", err
	}
	other, err := InodeOf(filepath.Join(p.Root, "self", "task", pid, devFile))
	if err == nil && one == other {
		return devFile, nil
	}
	return NSFile, nil
}

// InodeOf is the inode of a file.
func InodeOf(path string) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return st.Ino, nil
}

// NSIDOf is the namespace of a process, by its directory's name and one of the files.
func (p ProcFS) NSIDOf(process, file string) (NSID, error) {
	inode, err := InodeOf(p.Root + "/" + process + "/" + file)
	return NSID(inode), err
}

// NSInode is the inode of a process's namespace as namespaces(7) has it, by its
// directory's name.
func (p ProcFS) NSInode(process string) (uint64, error) {
	return InodeOf(p.Root + "/" + process + "/" + NSFile)
}
