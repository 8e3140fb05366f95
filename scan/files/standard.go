package files

import (
	"errors"
	"io"
	"os"
)

// Output is a standard file to write to. Where it was closed when the process began,
// writing fails.
func Output(f *os.File) io.Writer {
	if isClosed(f) {
		return closedOutput{}
	}
	return f
}

type closedOutput struct{}

func (closedOutput) Write([]byte) (int, error) {
	return 0, &os.PathError{Op: "write", Path: "standard output",
		Err: errors.New("it is closed (to discard it: >/dev/null)")}
}
