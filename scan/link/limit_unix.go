//go:build unix

package link

import (
	"math"

	"golang.org/x/sys/unix"
)

// RaiseFileLimit raises the soft limit on open files to the hard one, and returns
// it.
func RaiseFileLimit() int {
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &l) != nil {
		return math.MaxInt32 // unknown: sockets fail when there are too many
	}
	if l.Cur < l.Max {
		raised := l
		raised.Cur = l.Max
		if unix.Setrlimit(unix.RLIMIT_NOFILE, &raised) == nil {
			l = raised
		}
	}
	return int(min(uint64(l.Cur), math.MaxInt32))
}
