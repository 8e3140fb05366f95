package local

import (
	"errors"
	"strings"
)

// inOneLine joins errors as errors.Join does, but in one line.
func inOneLine(errs []error) error {
	if len(errs) < 2 {
		return first(errs...)
	}
	return joined{errors.Join(errs...)}
}

type joined struct{ error }

func (j joined) Error() string { return strings.ReplaceAll(j.error.Error(), "\n", "; ") }

func (j joined) Unwrap() error { return j.error }

// first is the first error that is one.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
