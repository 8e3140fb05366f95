package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"onmux/scan/files"
)

// Reservation keeps a checkpoint's file for one scan. A nil Reservation has no file.
type Reservation struct {
	lock   *files.Lock
	before fs.FileInfo // nil if there was no file
}

// Reserve locks the file of a checkpoint against other scans, unless it is nothing that a
// checkpoint can be saved to, which has an error of its own.
func Reserve(name string) (*Reservation, error) {
	r := new(Reservation)
	if info, err := os.Stat(name); err == nil {
		r.before = info
		if !info.Mode().IsRegular() {
			return r, nil
		}
	}
	var err error
	switch r.lock, err = files.Acquire(name); {
	case errors.Is(err, files.ErrInUse):
		return nil, fmt.Errorf("%s is the checkpoint of another scan that is running", quoteName(name))
	case err != nil:
		return nil, fmt.Errorf("the checkpoint %s cannot be written: %w", quoteName(name), err)
	}
	return r, nil
}

// Release lets other scans use the file.
func (r *Reservation) Release() {
	if r != nil {
		r.lock.Release()
	}
}

// Saved reports whether the file has a checkpoint that this scan can be resumed from: one that
// was written since, or the one that it goes on from, if that is unfinished.
func (r *Reservation) Saved(name string, unfinished bool) bool {
	info, err := os.Stat(name)
	return err == nil && (unfinished || r == nil || r.before == nil || !os.SameFile(r.before, info))
}

// SameFile reports whether two names lead to one file.
func SameFile(a, b string) bool {
	if filepath.Clean(a) == filepath.Clean(b) {
		return true
	}
	x, err1 := os.Stat(a)
	y, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(x, y)
}
