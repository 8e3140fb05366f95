package link

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// receiveBuffer is how many bytes of what arrives the kernel may hold. It counts
// each small packet as about a kilobyte.
const receiveBuffer = 32 << 20

// header is the length of an Ethernet header.
const header = 14

// ReceiverConfig describes what is to be received.
type ReceiverConfig struct {
	IPv4, IPv6 bool                 // which families
	ARP        bool                 // and answers to ARP
	Filter     []bpf.RawInstruction // for IP packets that start with their header
	Devices    []*Device            // that must not go down
	Sources    []netip.Addr         // of ours, that must not be removed
	Buffer     int                  // bytes that the kernel may hold; 0 for a good size

	// Both receives what leaves, too, of every type that passes the filter; the families, ARP, devices
	// and sources are not looked at. Interface is the index of the only one, or 0 for all.
	Both      bool
	Interface int

	// Timestamps sets Packet.Age. The kernel then reads the clock for every packet
	// of this machine.
	Timestamps bool
}

// Receiver receives the packets that arrive on any interface of this machine,
// each once, as the kernel's IP layer does. So answers may come back by another
// route than the questions left. One goroutine reads; Wake and Lost may be called
// by others.
type Receiver struct {
	sockets []int
	watcher *watcher
	wake    int           // an eventfd
	polls   []unix.PollFd // of wake, the watcher and the sockets

	packets  []byte
	messages []message
	parts    []unix.Iovec
	names    []unix.RawSockaddrLinklayer
	controls [][controlSize]byte

	lost atomic.Uint64
}

// controlSize is the room for the control messages of a packet: 32 bytes for a
// timestamp, 40 for PACKET_AUXDATA.
const controlSize = 80

// Packet is one that was received. Frame is valid until the next call of Read.
type Packet struct {
	Frame  []byte        // with an Ethernet header, made up where the device has none
	Device int           // the index of the device on which it arrived
	Age    time.Duration // how long ago it arrived; 0 if that is not known
	Time   int64         // when it passed, in nanoseconds since 1970, with Timestamps; else 0
	Leaves bool          // this machine sends it

	// Unsummed is set if the checksum of the transport is not to be looked at: the
	// device has verified it, or it was left to a device that does not exist, as
	// between the hosts of one machine, or the packet was too long to be read whole.
	Unsummed bool
}

// OpenReceiver opens the sockets, each with its filter before it is bound, so that
// nothing is received that does not pass.
func OpenReceiver(c ReceiverConfig) (*Receiver, error) {
	r := &Receiver{
		wake: -1, packets: make([]byte, Batch*slot), messages: make([]message, Batch), parts: make([]unix.Iovec, Batch),
		names: make([]unix.RawSockaddrLinklayer, Batch), controls: make([][controlSize]byte, Batch),
	}
	for i := range r.messages {
		r.parts[i].Base = &r.packets[i*slot+header]
		r.parts[i].SetLen(slot - header)
		m := &r.messages[i]
		m.Iov = &r.parts[i]
		m.SetIovlen(1)
		m.Name = (*byte)(unsafe.Pointer(&r.names[i]))
		m.Control = &r.controls[i][0]
	}
	if c.Buffer == 0 {
		c.Buffer = receiveBuffer
	}
	if err := r.open(c); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

func (r *Receiver) open(c ReceiverConfig) (err error) {
	if r.wake, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		return fmt.Errorf("no eventfd: %w", err)
	}
	if c.Both {
		if err := r.listen(unix.ETH_P_ALL, c.Filter, c); err != nil {
			return fmt.Errorf("no packet socket to receive with: %w", err)
		}
		r.polls = append(r.polls, unix.PollFd{Fd: int32(r.wake), Events: unix.POLLIN}, unix.PollFd{Fd: -1},
			unix.PollFd{Fd: int32(r.sockets[0]), Events: unix.POLLIN})
		return nil
	}
	for _, s := range []struct {
		wanted bool
		kind   uint16
		filter []bpf.RawInstruction
	}{{c.IPv4, unix.ETH_P_IP, c.Filter}, {c.IPv6, unix.ETH_P_IPV6, c.Filter}, {c.ARP, unix.ETH_P_ARP, replies}} {
		if !s.wanted {
			continue
		}
		if err := r.listen(s.kind, s.filter, c); err != nil {
			return fmt.Errorf("no packet socket to receive answers with: %w", err)
		}
	}
	if r.watcher, err = openWatcher(c.Devices, c.Sources); err != nil {
		return err
	}
	for _, fd := range append([]int{r.wake, r.watcher.fd}, r.sockets...) {
		r.polls = append(r.polls, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
	}
	return nil
}

// replies passes answers to ARP: an operation of 2 (RFC 826).
var replies = []bpf.RawInstruction{
	{Op: unix.BPF_LD | unix.BPF_H | unix.BPF_ABS, K: 6},
	{Op: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: 2, Jf: 1},
	{Op: unix.BPF_RET | unix.BPF_K, K: 0x40000},
	{Op: unix.BPF_RET | unix.BPF_K},
}

// listen opens a socket for one type of packets. SOCK_DGRAM removes the
// header of the device, whatever it is.
func (r *Receiver) listen(kind uint16, filter []bpf.RawInstruction, c ReceiverConfig) error {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	r.sockets = append(r.sockets, fd)
	if err := attach(fd, filter); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1); err != nil {
		return err
	}
	if c.Timestamps {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
			return err
		}
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, c.Buffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, c.Buffer)
	}
	return unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: htons(kind), Ifindex: c.Interface})
}

// attach gives a socket a filter that cannot be changed any more.
func attach(fd int, filter []bpf.RawInstruction) error {
	code := make([]unix.SockFilter, len(filter))
	for i, o := range filter {
		code[i] = unix.SockFilter{Code: o.Op, Jt: o.Jt, Jf: o.Jf, K: o.K}
	}
	err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(code)), Filter: unsafe.SliceData(code)})
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_LOCK_FILTER, 1)
	}
	return err
}

// Wait blocks until something was received, Wake was called or the time is over;
// a negative time has no end. It fails with an error that wraps ErrDown when a
// device that is needed went down, or ErrAddressRemoved when an address was removed.
func (r *Receiver) Wait(d time.Duration) error {
	ms := -1
	if d >= 0 {
		ms = int((d + time.Millisecond - 1) / time.Millisecond)
	}
	n, err := unix.Poll(r.polls, ms)
	if err == unix.EINTR || err == nil && n == 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("waiting for packets: %w", err)
	}
	if r.polls[0].Revents != 0 {
		var count [8]byte
		_, _ = unix.Read(r.wake, count[:])
	}
	if r.polls[1].Revents != 0 {
		return r.watcher.check()
	}
	return nil
}

// Read passes what has arrived to f, at most Batch packets of each type, and
// returns how many there were.
func (r *Receiver) Read(f func(Packet)) (int, error) {
	total := 0
	for i, fd := range r.sockets {
		// Wait has found out which sockets have packets.
		if p := &r.polls[2+i]; p.Revents == 0 {
			continue
		}
		n, err := r.receive(fd)
		if err != nil {
			return total, fmt.Errorf("receiving packets: %w", err)
		}
		if n < Batch {
			r.polls[2+i].Revents = 0
		}
		now := time.Now()
		for k := range n {
			f(r.packet(k, now))
		}
		total += n
	}
	return total, nil
}

// receive fills the batch.
func (r *Receiver) receive(fd int) (int, error) {
	for i := range r.messages {
		m := &r.messages[i]
		m.Namelen = unix.SizeofSockaddrLinklayer
		m.SetControllen(controlSize)
	}
	for {
		n, _, no := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&r.messages[0])),
			uintptr(len(r.messages)), unix.MSG_DONTWAIT, 0, 0)
		switch no {
		case 0:
			return int(n), nil
		case unix.EAGAIN, unix.ENETDOWN: // the latter reports that some interface went down
			return 0, nil
		case unix.EINTR:
		default:
			return 0, no
		}
	}
}

// packet is the k-th of the batch, with an Ethernet header in front.
func (r *Receiver) packet(k int, now time.Time) Packet {
	m, name := &r.messages[k], &r.names[k]
	frame := r.packets[k*slot:][:header+min(int(m.sent), slot-header)]
	clear(frame[:12])
	if name.Halen == 6 {
		copy(frame[6:], name.Addr[:6])
	}
	*(*uint16)(unsafe.Pointer(&frame[12])) = name.Protocol // both in network byte order
	p := Packet{Frame: frame, Device: int(name.Ifindex), Unsummed: m.Flags&unix.MSG_TRUNC != 0,
		Leaves: name.Pkttype == unix.PACKET_OUTGOING}
	p.readControl(r.controls[k][:m.Controllen], now)
	return p
}

// readControl reads the control messages of a packet.
func (p *Packet) readControl(b []byte, now time.Time) {
	const head = unix.SizeofCmsghdr
	for len(b) >= head {
		c := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
		size := int(c.Len)
		if size < head || size > len(b) {
			return
		}
		switch body := b[head:size]; {
		case c.Level == unix.SOL_SOCKET && c.Type == unix.SO_TIMESTAMPNS && len(body) >= int(unsafe.Sizeof(unix.Timespec{})):
			at := (*unix.Timespec)(unsafe.Pointer(&body[0]))
			p.Age, p.Time = age(at, now), at.Nano()
		case c.Level == unix.SOL_PACKET && c.Type == unix.PACKET_AUXDATA && len(body) >= 4:
			status := *(*uint32)(unsafe.Pointer(&body[0])) // tp_status, of struct tpacket_auxdata
			p.Unsummed = p.Unsummed || status&(unix.TP_STATUS_CSUMNOTREADY|unix.TP_STATUS_CSUM_VALID) != 0
		}
		b = b[min(unix.CmsgSpace(size-head), len(b)):]
	}
}

// age is how long ago a packet arrived by the kernel's timestamp, zero if that is
// implausible: the clock may have been set meanwhile.
func age(at *unix.Timespec, now time.Time) time.Duration {
	d := time.Duration(now.UnixNano() - at.Nano())
	if d < 0 || d > time.Minute {
		return 0
	}
	return d
}

// Lost is how many packets passed the filter and did not fit into the buffer, so far.
func (r *Receiver) Lost() uint64 {
	for _, fd := range r.sockets {
		// Reading the count sets it to zero: packet(7), PACKET_STATISTICS.
		if s, err := unix.GetsockoptTpacketStats(fd, unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
			r.lost.Add(uint64(s.Drops))
		}
	}
	return r.lost.Load()
}

// Wake ends a Wait.
func (r *Receiver) Wake() {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	_, _ = unix.Write(r.wake, one[:])
}

// Close frees the sockets. No other goroutine may be reading.
func (r *Receiver) Close() error {
	var all []func() error
	fds := append([]int{r.wake}, r.sockets...)
	if r.watcher != nil {
		fds = append(fds, r.watcher.fd)
	}
	for _, fd := range fds {
		if fd >= 0 {
			all = append(all, func() error { return unix.Close(fd) })
		}
	}
	r.wake, r.watcher, r.sockets = -1, nil, nil
	return CloseAll(all)
}
