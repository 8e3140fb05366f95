package files

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
)

// Followed is a file that others read while it grows: it has whole lines only, each as soon as
// it is written. It is for one goroutine; Commit or Discard must be called.
type Followed struct {
	file    *os.File
	target  string
	created bool
	began   bool
	size    int64 // of the lines that are in the file
	rest    []byte
	err     error
}

// Follow opens a file to be followed, with the mode before the umask if it is new. What it had
// goes with the first write. Another process that follows or is writing it is an error.
func Follow(name string, mode os.FileMode) (*Followed, error) {
	target, err := follow(name)
	if err != nil {
		return nil, err
	}
	f := &Followed{target: target, created: true}
	f.file, err = os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, os.ErrExist) {
		f.created = false
		f.file, err = os.OpenFile(target, os.O_WRONLY, 0)
	}
	if err != nil {
		return nil, Cause(err)
	}
	if ok, err := lock(f.file); err != nil || !ok {
		f.file.Close()
		if err == nil {
			err = ErrInUse
		}
		return nil, Cause(err)
	}
	return f, nil
}

// Target is the path of the file, with no symbolic links.
func (f *Followed) Target() string { return f.target }

// Chmod changes the mode of the file.
func (f *Followed) Chmod(mode os.FileMode) error { return f.file.Chmod(mode) }

// Write writes the lines that are complete with p, in one write. After an error the file has
// the lines before it, whole.
func (f *Followed) Write(p []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	if !f.began {
		f.began = true
		if f.err = f.file.Truncate(0); f.err != nil {
			return 0, f.err
		}
	}
	f.rest = append(f.rest, p...)
	end := bytes.LastIndexByte(f.rest, '\n') + 1
	n, err := f.file.Write(f.rest[:end])
	if err != nil {
		f.err = err
		if n > 0 {
			_ = f.file.Truncate(f.size)
		}
		return 0, err
	}
	f.size += int64(end)
	f.rest = append(f.rest[:0], f.rest[end:]...)
	return len(p), nil
}

// Commit returns when the lines are on disk.
func (f *Followed) Commit() error {
	err := f.err
	if err == nil && len(f.rest) > 0 {
		err = io.ErrUnexpectedEOF // no line
	}
	err = errors.Join(err, f.file.Sync(), f.file.Close())
	if err != nil {
		return Cause(err)
	}
	syncFolder(f.target)
	return nil
}

// Discard leaves the file with the lines that were written. It removes a new one without any.
func (f *Followed) Discard() {
	if f.created && f.size == 0 {
		os.Remove(f.target)
	}
	f.file.Close()
}

// syncFolder lets a new name last, too; not all systems can promise that.
func syncFolder(file string) {
	if d, err := os.Open(filepath.Dir(file)); err == nil {
		d.Sync()
		d.Close()
	}
}
