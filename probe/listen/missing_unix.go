//go:build unix

package listen

import (
	"errors"

	"golang.org/x/sys/unix"
)

// isMissing reports whether the machine does not have the address family.
func isMissing(err error) bool {
	return errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err,
		unix.EPROTONOSUPPORT)
}
