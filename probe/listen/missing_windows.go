package listen

import (
	"errors"

	"golang.org/x/sys/windows"
)

// isMissing reports whether the machine does not have the address family.
func isMissing(err error) bool {
	return errors.Is(err, windows.WSAEAFNOSUPPORT) || errors.Is(err, windows.WSAEADDRNOTAVAIL)
}
