//go:build unix

package report

import (
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// WhenUnread calls do once nobody can read any more what is written to w, as when the
// other end of a pipe is closed. The function that it returns ends the wait.
func WhenUnread(w io.Writer, do func()) (stop func()) {
	f, ok := w.(*os.File)
	info, err := statOf(f)
	if !ok || err != nil || info.Mode()&(os.ModeNamedPipe|os.ModeSocket) == 0 {
		return func() {}
	}
	wake, end, err := os.Pipe()
	if err != nil {
		return func() {}
	}
	var waiting sync.WaitGroup
	waiting.Go(func() {
		fds := []unix.PollFd{{Fd: int32(f.Fd())}, {Fd: int32(wake.Fd())}} // errors and hang-ups alone
		for {
			_, err := unix.Poll(fds, -1)
			switch {
			case err == unix.EINTR:
				continue
			case err == nil && fds[0].Revents != 0:
				do()
			}
			return
		}
	})
	return func() {
		end.Close()
		waiting.Wait()
		wake.Close()
	}
}

func statOf(f *os.File) (os.FileInfo, error) {
	if f == nil {
		return nil, os.ErrInvalid
	}
	return f.Stat()
}
