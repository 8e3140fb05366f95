package link

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"onmux/probe"
)

// Permitted reports whether this process may send and receive packets: nil, or why
// not. It opens a packet socket, since a capability may be one of another
// namespace.
func Permitted() error {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		return unix.Close(fd)
	}
	if probe.Sandboxed() && (err == unix.EAFNOSUPPORT || hasRaw()) {
		return fmt.Errorf("a sandbox (seccomp) forbids this process packet sockets (%v)", err)
	}
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("CAP_NET_RAW is needed to send packets: %w", err)
	}
	return fmt.Errorf("this kernel has no packet sockets: %w", err)
}

// hasRaw reports whether this process has CAP_NET_RAW.
func hasRaw() bool {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	return unix.Capget(&head, &data[0]) == nil && data[0].Effective&(1<<unix.CAP_NET_RAW) != 0
}

// keptCapabilities are those by which root opens files, which reports and
// checkpoints may need until the end.
const keptCapabilities = 1<<unix.CAP_CHOWN | 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH |
	1<<unix.CAP_FOWNER | 1<<unix.CAP_FSETID

// DropPrivileges drops every capability except those that open files, in all
// threads and irrevocably. Open sockets stay open. It fails with an error that wraps
// errors.ErrUnsupported in a program built with cgo, where the runtime does not know
// all threads.
func DropPrivileges() error {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&head, &data[0]); err != nil {
		return fmt.Errorf("the capabilities of this process cannot be read: %w", err)
	}
	data[0].Effective &= keptCapabilities
	data[0].Permitted &= keptCapabilities
	data[0].Inheritable &= keptCapabilities
	data[1] = unix.CapUserData{}
	_, _, err := syscall.AllThreadsSyscall(
		unix.SYS_CAPSET,
		uintptr(unsafe.Pointer(&head)),
		uintptr(unsafe.Pointer(&data[0])),
		0,
	)
	switch err {
	case 0:
		return nil
	case syscall.ENOTSUP:
		return fmt.Errorf("a program built with cgo cannot give capabilities up: %w", errors.ErrUnsupported)
	}
	return fmt.Errorf("capabilities cannot be given up: %w", err)
}
