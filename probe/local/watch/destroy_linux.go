package watch

import (
	"encoding/binary"
	"errors"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// The multicast groups by which the kernel reports the end of sockets (enum sknetlink_groups
// in linux/sock_diag.h): TCP and UDP over IPv4, and over IPv6.
const destroyGroups = 1<<0 | 1<<1 | 1<<2 | 1<<3

// destroyBuffer is for events that wait, in bytes. Where it overflows, lists find the rest.
const destroyBuffer = 1 << 20

// destroyed receives the cookies of sockets that ended. A nil one receives nothing.
type destroyed struct {
	socket *os.File
	found  chan []uint64
	done   chan struct{}
	reader sync.WaitGroup
}

// listenDestroyed opens the socket in the network namespace of the thread; nil where the
// kernel refuses it.
func listenDestroyed() *destroyed {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: destroyGroups}); err != nil {
		unix.Close(fd)
		return nil
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, destroyBuffer)
	d := &destroyed{socket: os.NewFile(uintptr(fd), "sock_diag"), found: make(chan []uint64), done: make(chan struct{})}
	d.reader.Go(d.read)
	return d
}

func (d *destroyed) events() <-chan []uint64 {
	if d == nil {
		return nil
	}
	return d.found
}

func (d *destroyed) close() {
	if d == nil {
		return
	}
	close(d.done)
	d.socket.Close()
	d.reader.Wait()
}

// read receives until the socket is closed.
func (d *destroyed) read() {
	buf := make([]byte, 64<<10)
	for {
		n, err := d.socket.Read(buf)
		if err != nil && !isOverflow(err) {
			return
		}
		if cookies := parseDestroyed(buf[:max(n, 0)]); len(cookies) > 0 {
			select {
			case d.found <- cookies:
			case <-d.done:
				return
			}
		}
	}
}

func isOverflow(err error) bool {
	for _, e := range []error{unix.ENOBUFS, unix.EINTR} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// parseDestroyed reads the cookies of messages (struct inet_diag_msg).
func parseDestroyed(b []byte) (cookies []uint64) {
	messages, err := syscall.ParseNetlinkMessage(b)
	if err != nil {
		return nil
	}
	const at, size = 44, 72
	for _, m := range messages {
		if len(m.Data) >= size {
			low, high := binary.NativeEndian.Uint32(m.Data[at:]), binary.NativeEndian.Uint32(m.Data[at+4:])
			cookies = append(cookies, uint64(low)|uint64(high)<<32)
		}
	}
	return cookies
}
