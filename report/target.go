package report

import (
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// target is what an output is written to.
type target interface {
	io.Writer
	path() string  // with no symbolic links; "" for standard output
	live() bool    // somebody may be reading along
	commit() error // everything was written
	discard()      // give up; errors of that help nobody
}

// direct is a target that gets what is written at once: standard output (with
// no file to close), a device, a FIFO.
type direct struct {
	io.Writer
	file *os.File
	name string
}

func (d direct) path() string { return d.name }
func (d direct) live() bool   { return true }
func (d direct) discard()     { d.commit() }
func (d direct) commit() error {
	if d.file == nil {
		return nil
	}
	return d.file.Close()
}

// replacement is a file beside the one that it will replace.
type replacement struct {
	*os.File
	to string
}

func (r replacement) path() string { return r.to }
func (r replacement) live() bool   { return false }

func (r replacement) discard() {
	r.Close()
	os.Remove(r.Name())
}

func (r replacement) commit() error {
	err := r.Sync()
	if e := r.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = rename(r.Name(), r.to)
	}
	if err != nil {
		os.Remove(r.Name())
	}
	return err
}

func rename(from, to string) error {
	err := os.Rename(from, to)
	if e := (*os.LinkError)(nil); errors.As(err, &e) {
		return e.Err // the names say nothing that the caller doesn't know
	}
	return err
}

func openFile(name string) (target, error) {
	old, err := os.Stat(name)
	exists := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if exists && (!old.Mode().IsRegular() || isDescriptor(name)) {
		// Renaming over it would destroy the device.
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return nil, err
		}
		real, err := filepath.EvalSymlinks(name)
		if err != nil { // the descriptor of a pipe
			real = name
		}
		return direct{f, f, real}, nil
	}
	to, err := follow(name)
	if err != nil {
		return nil, err
	}
	// Not os.CreateTemp: the umask decides who may read a report.
	temp := filepath.Join(filepath.Dir(to), ".onmux-"+rand.Text())
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, err
	}
	r := replacement{f, to}
	if exists {
		if err := f.Chmod(old.Mode().Perm()); err != nil {
			r.discard()
			return nil, err
		}
	}
	return r, nil
}

// isDescriptor reports whether the name is of something that is open already,
// which a file renamed to the same place would not be.
func isDescriptor(name string) bool {
	name = filepath.ToSlash(filepath.Clean(name))
	return strings.HasPrefix(name, "/dev/fd/") || strings.HasPrefix(name, "/proc/") || name == "/dev/stderr"
}

// follow is where a name leads through symbolic links, also if nothing is there
// yet.
func follow(name string) (string, error) {
	name, err := filepath.Abs(name)
	if err != nil {
		return "", err
	}
	for range 40 { // as many as Linux follows
		dir, err := filepath.EvalSymlinks(filepath.Dir(name))
		if err != nil {
			return "", err
		}
		name = filepath.Join(dir, filepath.Base(name))
		link, err := os.Readlink(name)
		if err != nil {
			return name, nil
		}
		if !filepath.IsAbs(link) {
			link = filepath.Join(dir, link)
		}
		name = link
	}
	return "", errors.New("too many symbolic links")
}
