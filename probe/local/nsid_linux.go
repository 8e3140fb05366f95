package local

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// sign tells network namespaces apart. It is the inode of a file below
// /proc/<pid>.
type sign uint64

// Files whose inodes are signs. Each namespace has its own tree of net/ files,
// with inodes that are unique on the machine (fs/proc/proc_net.c, proc_alloc_inum
// in fs/proc/generic.c) and that everybody may ask for; what namespaces(7)
// documents takes the right to trace the process.
const (
	signOpen   = "net/dev"
	signTraced = "ns/net"
)

// signFile is the file whose inode can be relied on. A system that is like Linux
// may number the files as it hands them out.
func (p proc) signFile() (string, error) {
	pid, err := os.Readlink(filepath.Join(p.root, "self"))
	if err != nil {
		return "", err
	}
	one, err := inodeAt(filepath.Join(p.root, "self", signOpen))
	if err != nil {
		return "", err
	}
	other, err := inodeAt(filepath.Join(p.root, "self", "task", pid, signOpen))
	if err == nil && one == other {
		return signOpen, nil
	}
	return signTraced, nil
}

func inodeAt(path string) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return st.Ino, nil
}

// idOf is the namespace of a process, by its directory's name and one of the files.
func (p proc) idOf(process, file string) (sign, error) {
	inode, err := inodeAt(p.root + "/" + process + "/" + file)
	return sign(inode), err
}

// nsfs is the inode of a process's namespace as namespaces(7) has it, by its
// directory's name.
func (p proc) nsfs(process string) (uint64, error) {
	return inodeAt(p.root + "/" + process + "/" + signTraced)
}
