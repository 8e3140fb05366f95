//go:build unix

package probe

import (
	"net"
	"syscall"
)

func classify(err syscall.Errno) fault {
	switch err {
	case syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL, syscall.EAGAIN:
		return faultBusy
	case syscall.ECONNREFUSED:
		return faultRefused
	case syscall.ECONNRESET, syscall.EPIPE:
		return faultReset
	case syscall.EHOSTUNREACH, syscall.EHOSTDOWN:
		return faultHostUnreach
	case syscall.ENETUNREACH, syscall.ENETDOWN:
		return faultNetUnreach
	case syscall.ETIMEDOUT:
		return faultTimedOut
	case syscall.EACCES, syscall.EPERM:
		return faultDenied
	}
	return faultOther
}

// receiveRefusals has nothing to do: a connected socket receives port unreachables.
func receiveRefusals(*net.UDPConn) {}
