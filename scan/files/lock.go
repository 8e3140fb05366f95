package files

import (
	"errors"
	"os"
	"path/filepath"
)

// ErrInUse means that another process has the lock of a file.
var ErrInUse = errors.New("another process is using it")

// Lock keeps other processes from locking the same file. It is a file beside that one, which
// may not exist yet and is replaced meanwhile.
type Lock struct{ file *os.File }

// Acquire takes the lock of a file, at once or not at all. A lock that a process left behind
// that was killed is free. A symbolic link and the file that it leads to have the same lock.
func Acquire(name string) (*Lock, error) {
	target, err := follow(name)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(filepath.Dir(target), prefixOf(target)+"lock")
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, Cause(err)
		}
		switch ok, err := lock(f); {
		case err != nil:
			f.Close()
			return nil, Cause(err)
		case !ok:
			f.Close()
			return nil, ErrInUse
		case !isAt(f, path): // it was released, and so removed, in between
			f.Close()
		default:
			return &Lock{f}, nil
		}
	}
}

// Release frees the lock and removes its file. A nil Lock is none.
func (l *Lock) Release() {
	if l == nil {
		return
	}
	if canLock { // or else it may be another process's
		os.Remove(l.file.Name())
	}
	l.file.Close()
}

// isAt reports whether a path still leads to an open file.
func isAt(f *os.File, path string) bool {
	a, err1 := f.Stat()
	b, err2 := os.Stat(path)
	return err1 == nil && err2 == nil && os.SameFile(a, b)
}
