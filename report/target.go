package report

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"onmux/scan/files"
)

// target is what an output is written to.
type target interface {
	io.Writer
	path() string    // with no symbolic links; "" for standard output
	live() bool      // somebody may be reading along
	restrict() error // let nobody else read it
	commit() error   // everything was written
	discard()        // give up; errors of that help nobody
}

// direct is a target that gets what is written at once: standard output (with
// no file to close), a device, a FIFO.
type direct struct {
	io.Writer
	file io.Closer
	name string
}

func (d direct) path() string    { return d.name }
func (d direct) live() bool      { return true }
func (d direct) restrict() error { return nil }
func (d direct) discard()        { d.commit() }
func (d direct) commit() error {
	if d.file == nil {
		return nil
	}
	return d.file.Close()
}

// replacement is a target that appears as a whole.
type replacement struct{ *files.Replacement }

func (r replacement) path() string    { return r.Target() }
func (r replacement) live() bool      { return false }
func (r replacement) restrict() error { return r.Chmod(0o600) }
func (r replacement) discard()        { r.Discard() }
func (r replacement) commit() error   { return r.Commit() }

// followed is a target that others read while it grows.
type followed struct{ *files.Followed }

func (f followed) path() string    { return f.Target() }
func (f followed) live() bool      { return true }
func (f followed) restrict() error { return f.Chmod(0o600) }
func (f followed) discard()        { f.Discard() }
func (f followed) commit() error   { return f.Commit() }

// openFile opens a file to write to, which is followed or replaced as a whole. A FIFO without a
// reader is waited for until the context ends.
func openFile(ctx context.Context, name string, follow bool) (target, error) {
	old, err := os.Stat(name)
	exists := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if exists && (!old.Mode().IsRegular() || isDescriptor(name)) {
		// Renaming over it would destroy the device.
		f, err := openSpecial(ctx, name, old.Mode())
		if err != nil {
			return nil, err
		}
		real, err := filepath.EvalSymlinks(name)
		if err != nil { // the descriptor of a pipe
			real = name
		}
		return direct{f, f, real}, nil
	}
	if follow {
		f, err := files.Follow(name, 0o666)
		if err != nil {
			return nil, err
		}
		return followed{f}, nil
	}
	f, err := files.Replace(name, 0o666) // the umask decides who may read a report
	if err != nil {
		return nil, err
	}
	if exists {
		if err := f.Chmod(old.Mode().Perm()); err != nil {
			f.Discard()
			return nil, err
		}
	}
	return replacement{f}, nil
}

// openSpecial opens what is not a regular file.
func openSpecial(ctx context.Context, name string, mode fs.FileMode) (io.WriteCloser, error) {
	if mode&fs.ModeNamedPipe != 0 && !isDescriptor(name) {
		return openFIFO(ctx, name)
	}
	return os.OpenFile(name, os.O_WRONLY, 0)
}

// isDescriptor reports whether the name is of something that is open already,
// which a file renamed to the same place would not be.
func isDescriptor(name string) bool {
	name = filepath.ToSlash(filepath.Clean(name))
	return strings.HasPrefix(name, "/dev/fd/") || strings.HasPrefix(name, "/proc/") || name == "/dev/stderr"
}
