package listen

import (
	"net"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// saveSYN makes a TCP listener keep the headers of SYNs (tcp(7), TCP_SAVE_SYN).
func saveSYN(network, _ string, c syscall.RawConn) error {
	if network == "tcp4" || network == "tcp6" {
		return c.Control(func(fd uintptr) {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_SAVE_SYN, 1) // without it, less is known
		})
	}
	return nil
}

// savedSYN is what the client's SYN has, and its TTL; nil and 0 if the kernel did not keep it.
func savedSYN(c *net.TCPConn) (*SYN, uint8) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, 0
	}
	buf := make([]byte, 512) // an IP and a TCP header, each with its options, are shorter
	n := uint32(0)
	_ = raw.Control(func(fd uintptr) {
		size := uint32(len(buf))
		if _, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.IPPROTO_TCP, unix.TCP_SAVED_SYN,
			uintptr(unsafe.Pointer(&buf[0])), uintptr(unsafe.Pointer(&size)), 0); errno == 0 {
			n = size
		}
	})
	return parseSYN(buf[:n])
}
