//go:build unix

package files

import (
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// isClosed reports whether a standard file was closed when the process began: Go's
// runtime then opens os.DevNull in its place, to read and write. What opens that for
// output usually does so only to write, or for all of its output alike.
func isClosed(f *os.File) bool {
	if !nullDevice(f, unix.O_RDWR) {
		return false
	}
	for _, other := range []*os.File{os.Stdin, os.Stdout, os.Stderr} {
		if other != f && sameOpenFile(f, other) { // as daemon(3) opens it, once for all
			return false
		}
	}
	// Or once for each output, with an input of its own.
	return !nullDevice(os.Stdin, unix.O_RDONLY) || !nullDevice(os.Stdout, unix.O_RDWR) ||
		!nullDevice(os.Stderr, unix.O_RDWR)
}

// nullDevice reports whether a file is os.DevNull, opened in that mode.
func nullDevice(f *os.File, mode int) bool {
	is, err1 := f.Stat()
	null, err2 := os.Stat(os.DevNull)
	if err1 != nil || err2 != nil || is.Mode()&fs.ModeCharDevice == 0 || !os.SameFile(is, null) {
		return false
	}
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
	return err == nil && flags&unix.O_ACCMODE == mode
}

// Available reports whether this process may open so many more files.
func Available(n int) bool {
	var opened []int
	defer func() {
		for _, fd := range opened {
			unix.Close(fd)
		}
	}()
	for len(opened) < n {
		var pipe [2]int
		if unix.Pipe(pipe[:]) != nil {
			return false
		}
		opened = append(opened, pipe[:]...)
	}
	return true
}
