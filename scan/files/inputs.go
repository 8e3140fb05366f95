package files

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

var errTwice = errors.New("it cannot be read twice")

// Inputs opens the inputs of one command line. The name "-" is standard input, which can be
// read once. Not for concurrent use.
type Inputs struct{ Stdin io.Reader }

// Open opens a file or standard input for reading; closing the latter does nothing.
func (in *Inputs) Open(name string) (io.ReadCloser, error) {
	if name != "-" {
		return os.Open(name)
	}
	stdin := in.Stdin
	if in.Stdin = nil; stdin == nil {
		return nil, &fs.PathError{Op: "open", Path: Title(name), Err: errTwice}
	}
	return io.NopCloser(stdin), nil
}

// Title is how messages call an input.
func Title(name string) string {
	if name == "-" {
		return "standard input"
	}
	return name
}
