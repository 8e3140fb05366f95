package link

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// sendBuffer is how many bytes the kernel may hold for one sender. It counts
	// each small packet as about a kilobyte.
	sendBuffer = 4 << 20

	// sendWait is how long a sender waits for room in its buffer before it fails,
	// in milliseconds.
	sendWait = 100
)

// message is struct mmsghdr, linux/socket.h.
type message struct {
	unix.Msghdr
	sent uint32
}

// Sender sends packets in batches of one system call. One goroutine uses it.
//
//	copy(s.Room(), packet); s.Add(len(packet), to) … ; s.Flush()
//
// Everything that a batch needs is allocated once.
type Sender struct {
	fd       int
	v4       bool
	frames   bool
	longest  int
	packets  []byte
	messages []message
	parts    []unix.Iovec
	names4   []unix.RawSockaddrInet4
	names6   []unix.RawSockaddrInet6

	full, sent int
}

// OpenFrames makes a sender of Ethernet frames of at most so many bytes on a
// device. They bypass the device's queue (packet(7), PACKET_QDISC_BYPASS), and
// with it traffic control.
func OpenFrames(d *Device, longest int) (*Sender, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("no packet socket to send on %s: %w", d.Name, err)
	}
	s := newSender(fd, longest)
	s.frames = true
	// Protocol 0 receives nothing.
	if err = unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: d.Index}); err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1)
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("the packet socket cannot send on %s: %w", d.Name, err)
	}
	return s, nil
}

// OpenRaw makes a sender of IP packets of one family, of at most so many bytes,
// header included; the kernel routes them, through the named device if it is
// not "".
func OpenRaw(v4 bool, device string, longest int) (*Sender, error) {
	domain, level, recverr := unix.AF_INET6, unix.IPPROTO_IPV6, unix.IPV6_RECVERR
	if v4 {
		domain, level, recverr = unix.AF_INET, unix.IPPROTO_IP, unix.IP_RECVERR
	}
	// IPPROTO_RAW receives nothing and has the header included.
	fd, err := unix.Socket(domain, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return nil, fmt.Errorf("no raw socket to send with: %w", err)
	}
	s := newSender(fd, longest)
	s.v4 = v4
	// Without RECVERR the kernel does not report that a queue was full (raw(7)).
	if err = unix.SetsockoptInt(fd, level, recverr, 1); err == nil && device != "" {
		err = unix.BindToDevice(fd, device)
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("the raw socket cannot be made ready: %w", err)
	}
	if v4 {
		s.names4 = make([]unix.RawSockaddrInet4, Batch)
	} else {
		s.names6 = make([]unix.RawSockaddrInet6, Batch)
	}
	for i := range s.messages {
		m := &s.messages[i]
		if v4 {
			s.names4[i].Family = unix.AF_INET
			m.Name, m.Namelen = (*byte)(unsafe.Pointer(&s.names4[i])), unix.SizeofSockaddrInet4
		} else {
			s.names6[i].Family = unix.AF_INET6
			m.Name, m.Namelen = (*byte)(unsafe.Pointer(&s.names6[i])), unix.SizeofSockaddrInet6
		}
	}
	return s, nil
}

func newSender(fd, longest int) *Sender {
	s := &Sender{
		fd: fd, longest: longest, packets: make([]byte, Batch*longest),
		messages: make([]message, Batch), parts: make([]unix.Iovec, Batch),
	}
	for i := range s.messages {
		s.parts[i].Base = &s.packets[i*longest]
		s.messages[i].Iov = &s.parts[i]
		s.messages[i].SetIovlen(1)
	}
	// More than an ordinary user may have; what is granted will do.
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, sendBuffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, sendBuffer)
	}
	return s
}

// Room is the buffer for the next packet, or nil if the batch is full.
func (s *Sender) Room() []byte {
	if s.full == len(s.messages) {
		return nil
	}
	return s.packets[s.full*s.longest:][:s.longest:s.longest]
}

// Add adds the first n bytes of Room to the batch. Where the kernel routes,
// it goes to the address given, in the zone of the device with that index if
// the address is link-local.
func (s *Sender) Add(n int, to netip.Addr, zone int) {
	s.parts[s.full].SetLen(n)
	switch {
	case s.frames:
	case s.v4:
		s.names4[s.full].Addr = to.As4()
	default:
		name := &s.names6[s.full]
		name.Addr, name.Scope_id = to.As16(), 0
		if to.IsLinkLocalUnicast() {
			name.Scope_id = uint32(zone)
		}
	}
	s.full++
}

// Filled is how many packets the batch has, those that were sent included.
func (s *Sender) Filled() int { return s.full }

// Len is how many packets of the batch were not sent.
func (s *Sender) Len() int { return s.full - s.sent }

// Flush sends what is in the batch and returns how many packets were sent. With all
// of them the error is nil and the batch is empty; otherwise it is the
// syscall.Errno that the first of the rest met, and Flush may be called again
// for them. Meanwhile the goroutine keeps its processor: a caller that flushes in a
// loop should call runtime.Gosched in between, for the receiver.
func (s *Sender) Flush() (int, error) {
	before := s.sent
	for s.sent < s.full {
		// It never blocks. With Syscall the scheduler would check every few dozen
		// microseconds whether it has returned, and reassign the processor for nothing.
		n, _, no := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.messages[s.sent])),
			uintptr(s.full-s.sent), unix.MSG_DONTWAIT, 0, 0)
		switch {
		case no == 0:
			s.sent += int(n)
		case no == unix.EINTR:
		case no == unix.EAGAIN && s.room():
		default:
			return s.sent - before, no
		}
	}
	n := s.sent - before
	s.full, s.sent = 0, 0
	return n, nil
}

// room waits until the kernel has sent some packets of its buffer; false if it has not
// in time.
func (s *Sender) room() bool {
	fds := [1]unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLOUT}}
	n, err := unix.Poll(fds[:], sendWait)
	return err == unix.EINTR || err == nil && n > 0 && fds[0].Revents&unix.POLLOUT != 0
}

// Skip removes the first packet that was not sent.
func (s *Sender) Skip() {
	if s.sent++; s.sent >= s.full {
		s.Discard()
	}
}

// Discard empties the batch.
func (s *Sender) Discard() { s.full, s.sent = 0, 0 }

// Close frees the socket.
func (s *Sender) Close() error { return unix.Close(s.fd) }

// IsBusy reports whether an error of Flush means that this machine is out of a
// resource that becomes free by itself.
func IsBusy(err error) bool {
	switch err {
	case syscall.ENOBUFS, syscall.EAGAIN, syscall.ENOMEM:
		return true
	}
	return false
}

// IsGone reports whether an error of Flush means that the device can no longer send.
func IsGone(err error) bool {
	switch err {
	case syscall.ENETDOWN, syscall.ENXIO, syscall.ENODEV:
		return true
	}
	return false
}

// htons converts a number to network byte order, for the kernel interfaces that use it.
func htons(n uint16) uint16 { return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, n)) }
