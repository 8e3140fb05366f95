package probe

import (
	"context"
	"fmt"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// connectTCP makes one non-blocking connect(2). A RST leaves ECONNREFUSED and an
// empty error queue; an ICMP error is in the queue, with its sender (for TCP
// since Linux 5.8).
func connectTCP(ctx context.Context, e Endpoint, o Options) (Result, error) {
	deadline := time.Now().Add(o.Timeout)
	var r Result
	err := errRetry
	for try := 0; try < maxSockets && err == errRetry; try++ {
		r, err = connectOnce(ctx, e, o, deadline)
	}
	switch {
	case err != errRetry:
		return r, err
	case r.Reason != NoReason:
		return r, nil
	}
	return Result{}, busy(e, fmt.Errorf("%d sockets in a row connected to themselves", maxSockets))
}

// tcpAttempt is one connection attempt.
type tcpAttempt struct {
	socket
	e Endpoint
	o Options

	atOnce   bool // it was refused when connect(2) returned
	deadline time.Time
}

func connectOnce(ctx context.Context, e Endpoint, o Options, deadline time.Time) (Result, error) {
	opened, err := openSocket(e.Addr, unix.SOCK_STREAM, o.Evidence)
	if err != nil {
		return noSocket(e, err)
	}
	s := &tcpAttempt{socket: opened, e: e, o: o}
	defer s.close()
	if err := s.bind(o.Local); err != nil {
		return unmeasured(e, o.Local.bindError(err)), nil
	}
	if err := s.limitHops(o.HopLimit); err != nil {
		return failed(e, errno(err))
	}
	start := time.Now()
	switch err = s.connect(e); {
	case err == unix.EADDRNOTAVAIL && !hasSource(e):
		return unmeasured(e, fmt.Sprintf("this machine has no address to reach %s from (%v)", e.Addr, err)), nil
	case err != nil && err != unix.EINPROGRESS && err != unix.EINTR:
		return failed(e, errno(err))
	}
	done, broken := s.connected()
	if done && classify(broken) == faultRefused {
		s.atOnce, s.deadline = true, deadline
	}
	if !done && o.Neighbor && neighborTableFull(&s.socket, e) {
		return Result{}, ErrNoRoom
	}
	if !done {
		err = s.await(ctx, deadline, true, func() bool {
			done, broken = s.connected()
			return done
		})
		if err != nil {
			if err := waitError(ctx, e, err); err != nil {
				return Result{}, err
			}
			d := time.Since(start)
			r := s.silent(d)
			addRoute(&s.socket, e, o, &r, d)
			return r, nil
		}
	}
	d := time.Since(start)
	r, err := s.judge(ctx, broken, d)
	addRoute(&s.socket, e, o, &r, d)
	return r, err
}

// connected reports whether the handshake is over, and the error it ended with.
func (s *tcpAttempt) connected() (bool, syscall.Errno) {
	fds := [1]unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLOUT}}
	if n, err := unix.Poll(fds[:], 0); err != nil || n == 0 {
		return false, 0
	}
	switch got := fds[0].Revents; {
	case got&(unix.POLLERR|unix.POLLHUP) == 0:
		return true, 0
	case got&unix.POLLHUP != 0:
		if err := s.pending(); err != 0 {
			return true, err
		}
		return true, unix.ECONNABORTED
	default: // POLLERR alone: something is in the error queue
		err := s.pending()
		return err != 0 || got&unix.POLLOUT != 0, err
	}
}

// judge turns the end of a handshake into a Result.
func (s *tcpAttempt) judge(ctx context.Context, broken syscall.Errno, d time.Duration) (Result, error) {
	e, o := s.e, s.o
	f := classify(broken)
	if broken == 0 || f == faultReset {
		return s.accepted(broken != 0, d)
	}
	c, self, ok := s.icmpError(e)
	if ok {
		return s.judgeICMP(e, c, self, d, o), nil
	}
	switch f {
	case faultRefused:
		if s.atOnce && s.resetByOwnFirewall(ctx, s.deadline) {
			return unmeasured(e, fmt.Sprintf("this machine's own firewall rejects connections to %s: it sent the reset itself",
				e.AddrPort())), nil
		}
		r := judged(e, Reset, true, d)
		if o.Evidence {
			r.Facts = []Fact{{Kind: FactReset, After: Millis(d)}}
		}
		return r, nil
	case faultTimedOut:
		return s.silent(d), nil
	case faultHostUnreach:
		return unexplained(e, HostUnreach, broken, d, o), nil
	case faultNetUnreach:
		return unexplained(e, NetUnreach, broken, d, o), nil
	case faultOther:
		r := judged(e, NoResponse, false, d)
		if o.Evidence && c.icmp != (ICMP{}) {
			r.Facts = []Fact{{Kind: FactICMPIgnored, ICMP: c.icmp, Addr: c.from}}
		}
		return r, errRetry
	}
	return failed(e, broken)
}

// unexplained judges an error from the network that came without its ICMP message, as
// before Linux 5.8.
func unexplained(e Endpoint, reason Reason, err syscall.Errno, d time.Duration, o Options) Result {
	r := judged(e, reason, false, d)
	if o.Evidence {
		r.Facts = []Fact{{Kind: FactKernelError, Text: err.Error(), After: Millis(d)}}
	}
	return r
}

// accepted judges a completed handshake. The connection is o.Accepted's from then on, or
// it leaves the socket so that close sends a RST.
func (s *tcpAttempt) accepted(reset bool, d time.Duration) (Result, error) {
	if isSelf(&s.socket, s.e) {
		return Result{}, errRetry
	}
	r := judged(s.e, SynAck, true, d)
	if s.o.Accepted == nil || reset || s.o.Local.Port != 0 { // TIME_WAIT would hold the port
		unix.SetsockoptLinger(s.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	if s.o.Accepted != nil && !reset {
		conn, err := s.conn()
		if err != nil {
			return failed(s.e, errno(err))
		}
		defer s.o.Accepted(conn)
	}
	info, window := s.info()
	if info.Rtt > 0 {
		r.RTT = Millis(time.Duration(info.Rtt) * time.Microsecond)
	}
	if reset {
		r.Confidence = Medium
		r.Doubts = append(r.Doubts, Doubt{Kind: DoubtResetsAtOnce})
	}
	if window && info.Snd_wnd == 0 && !reset {
		r.Confidence = Medium
		r.Doubts = append(r.Doubts, Doubt{Kind: DoubtZeroWindow})
	}
	if s.o.Evidence {
		r.Handshake = handshake(info, window)
		r.Facts = []Fact{{Kind: FactSynAck, After: r.RTT, Handshake: r.Handshake}}
	}
	return r, nil
}

// info is the kernel's record of the connection (linux/tcp.h, TCP_INFO), zero
// where there is none. window is whether Snd_wnd is known: since Linux 5.4.
func (d *descriptor) info() (info unix.TCPInfo, window bool) {
	size := uint32(unsafe.Sizeof(info))
	_, _, err := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(d.fd), unix.IPPROTO_TCP, unix.TCP_INFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	return info, err == 0 && uintptr(size) >= unsafe.Offsetof(info.Snd_wnd)+unsafe.Sizeof(info.Snd_wnd)
}

// silent judges a handshake without an answer in the time d.
func (s *tcpAttempt) silent(d time.Duration) Result {
	info, _ := s.info()
	if neverLeft(info) {
		return unmeasured(s.e, fmt.Sprintf("no SYN to %s left this machine in %s: its own firewall drops them, or its "+
			"table of neighbours is full", s.e.AddrPort(), short(d)))
	}
	r := judged(s.e, NoResponse, false, d)
	if !s.o.Evidence {
		return r
	}
	r.Facts = []Fact{{Kind: FactSilence, After: Millis(d), Count: int(info.Total_retrans) + 1}}
	return r
}

// hasSource reports whether this machine has an address to reach e from. It
// connects a UDP socket, which sends nothing.
func hasSource(e Endpoint) bool {
	u, err := openSocket(e.Addr, unix.SOCK_DGRAM, false)
	if err != nil {
		return true // not known; it is busy then
	}
	defer u.close()
	return u.connect(e) != unix.EADDRNOTAVAIL
}
