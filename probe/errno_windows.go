package probe

import (
	"net"
	"syscall"
	"unsafe"
)

// classify takes the Winsock error numbers (winsock2.h); Go maps none of them
// to the POSIX ones.
func classify(err syscall.Errno) fault {
	switch err {
	case 10024, 10055, 10049, 10035: // WSAEMFILE, WSAENOBUFS, WSAEADDRNOTAVAIL, WSAEWOULDBLOCK
		return faultBusy
	case 10061: // WSAECONNREFUSED
		return faultRefused
	case 10054, 10053: // WSAECONNRESET, WSAECONNABORTED
		return faultReset
	case 10065, 10064: // WSAEHOSTUNREACH, WSAEHOSTDOWN
		return faultHostUnreach
	case 10051, 10050: // WSAENETUNREACH, WSAENETDOWN
		return faultNetUnreach
	case 10060: // WSAETIMEDOUT
		return faultTimedOut
	case 10013: // WSAEACCES
		return faultDenied
	}
	return faultOther
}

// receiveRefusals undoes what package net does to every UDP socket: it makes Windows not
// report port unreachables (SIO_UDP_CONNRESET, mswsock.h).
func receiveRefusals(c *net.UDPConn) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		on, n := uint32(1), uint32(0)
		_ = syscall.WSAIoctl(syscall.Handle(fd), syscall.SIO_UDP_CONNRESET,
			(*byte)(unsafe.Pointer(&on)), uint32(unsafe.Sizeof(on)), nil, 0, &n, nil, 0)
	})
}
