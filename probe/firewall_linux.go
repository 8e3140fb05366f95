package probe

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"onmux/probe/netlink"
)

// A firewall of this machine that drops what it sends is an EPERM of sendto(2). This file
// recognizes what it does otherwise: an ICMP error or a reset of its own, or a SYN that is
// dropped without an error.

const (
	ownResetWait  = 300 * time.Millisecond // for a reset that came within a system call before
	shortestProbe = time.Millisecond       // in which no neighbor can be found missing
)

// rejected is the Result of an ICMP error that this machine sent to itself.
func rejected(e Endpoint, m ICMP) Result {
	return unmeasured(e, fmt.Sprintf("this machine's own firewall rejects packets to %s: %s", e.AddrPort(),
		m.Describe(e.Addr.Unmap().Is4())))
}

// judgeICMP judges an ICMP error of the queue. A host unreachable from this machine means a
// missing neighbor only while the neighbor is missing.
func (s *socket) judgeICMP(e Endpoint, c queuedError, self bool, d time.Duration, o Options) Result {
	r := judgeICMP(e, c.from, self, c.icmp, d, o)
	if r.Reason == NoNeighbor && s.hasNeighbor(e, d) {
		return rejected(e, c.icmp)
	}
	r.TTL = c.ttl
	if r.Reason == LocalError {
		r.TTL = 0
	}
	return r
}

// hasNeighbor reports whether the next hop to e is there, or was not looked for within d.
func (s *socket) hasNeighbor(e Endpoint, d time.Duration) bool {
	h, err := lookupRoute(&s.descriptor, e)
	if err != nil || h.Interface == 0 {
		return false
	}
	next := e.Addr
	if h.Gateway.IsValid() {
		next = h.Gateway
	}
	n, err := netlink.LookupNeighbor(context.Background(), next, h.Interface)
	if errors.Is(err, unix.ENOENT) {
		return d < shortestProbe
	}
	return err == nil && n.State&(unix.NUD_INCOMPLETE|unix.NUD_FAILED) == 0
}

// resetByOwnFirewall reports whether a reset that was there when connect(2) returned came from
// this machine: a rule can reject with one, which arrives through the loopback device. A
// second socket with a filter against that would still receive one of the target.
func (s *tcpAttempt) resetByOwnFirewall(ctx context.Context, deadline time.Time) bool {
	e := s.e
	if e.Addr.IsLoopback() || SameHost(s.local().Addr(), e.Addr) {
		return false
	}
	h, err := lookupRoute(&s.descriptor, e)
	if err != nil || h.Type == unix.RTN_LOCAL || h.Interface == 0 {
		return false
	}
	opened, err := openSocket(e.Addr, unix.SOCK_STREAM, false)
	if err != nil {
		return false
	}
	again := &tcpAttempt{socket: opened, e: e, o: s.o}
	defer again.close()
	if again.ignoreLoopback() != nil {
		return false
	}
	unix.SetsockoptLinger(again.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	if err := again.connect(e); err != unix.EINPROGRESS {
		return false
	}
	if limit := time.Now().Add(ownResetWait); limit.Before(deadline) {
		deadline = limit
	}
	err = again.await(ctx, deadline, true, func() bool {
		done, _ := again.connected()
		return done
	})
	return err != nil && ctx.Err() == nil && waitError(ctx, e, err) == nil
}

// ignoreLoopback drops what arrives through the loopback device, with a filter of this
// socket alone (socket(7), SO_ATTACH_FILTER).
func (d *descriptor) ignoreLoopback() error {
	const deviceType = 0xfffff000 + 28 // SKF_AD_OFF + SKF_AD_HATYPE (linux/filter.h)
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: deviceType},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: 1, K: unix.ARPHRD_LOOPBACK},
		{Code: unix.BPF_RET | unix.BPF_K, K: 1 << 16}, // bytes to keep: all
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	}
	program := &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	return unix.SetsockoptSockFprog(d.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, program)
}

// neverLeft reports whether the kernel sent a SYN again and could not: it counts those that
// left as outstanding. Nothing is known before the first one is sent again, after a second.
func neverLeft(info unix.TCPInfo) bool { return info.Total_retrans > 0 && info.Retrans == 0 }
