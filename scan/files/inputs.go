package files

import (
	"errors"
	"fmt"
	"io"
	"os"
)

var errTwice = errors.New("it cannot be read twice")

// Inputs opens the inputs of one command line. The name "-" is standard input, which can be
// read once. Not for concurrent use.
type Inputs struct{ Stdin io.Reader }

// Open opens a file or standard input for reading; closing the latter does nothing.
func (in *Inputs) Open(name string) (io.ReadCloser, error) {
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, Cause(err))
		}
		return f, nil
	}
	stdin := in.Stdin
	if in.Stdin = nil; stdin == nil {
		return nil, fmt.Errorf("reading %s: %w", Title(name), errTwice)
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
