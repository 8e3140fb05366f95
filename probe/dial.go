package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
)

// This file is the attempt through package net, for systems whose sockets do not show
// the ICMP message behind an error. It builds everywhere, so that the same tests run it
// on Linux.

// dialTCP connects.
func dialTCP(ctx context.Context, e Endpoint, o Options) (Result, error) {
	start := time.Now()
	conn, err := dial(ctx, e, o, "tcp")
	d := time.Since(start)
	if err != nil {
		return judgeError(ctx, e, o, err, d)
	}
	if conn.LocalAddr().String() == conn.RemoteAddr().String() {
		conn.Close()
		return Result{}, busy(e, errors.New("the socket connected to itself"))
	}
	if o.Accepted != nil {
		defer o.Accepted(conn)
	} else {
		_ = conn.(*net.TCPConn).SetLinger(0)
		defer conn.Close()
	}
	r := judged(e, SynAck, true, d)
	if o.Evidence {
		r.Facts = []Fact{{Kind: FactSynAck, After: Millis(d)}}
		if a, ok := conn.LocalAddr().(*net.TCPAddr); ok {
			from := netip.AddrPortFrom(a.AddrPort().Addr().Unmap(), a.AddrPort().Port())
			r.Facts = append(r.Facts, Fact{Kind: FactSource, From: from})
			r.Route = &Route{Source: from.Addr()}
		}
	}
	return r, nil
}

// dialUDP sends the port's payload and waits for a datagram.
func dialUDP(ctx context.Context, e Endpoint, o Options) (Result, error) {
	start := time.Now()
	conn, err := dial(ctx, e, o, "udp")
	if err != nil {
		return judgeLocal(ctx, e, err)
	}
	defer conn.Close()
	if conn.LocalAddr().String() == conn.RemoteAddr().String() {
		return Result{}, busy(e, errors.New("the socket has the port that it probes"))
	}
	receiveRefusals(conn.(*net.UDPConn))
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	waits := []time.Duration{o.Timeout}
	if o.Resend {
		waits = []time.Duration{o.Timeout / 2, o.Timeout}
	}
	buf := make([]byte, maxReply)
	for i, wait := range waits {
		if _, err := conn.Write(o.payload(e.Port)); err != nil {
			return judgeError(ctx, e, o, err, time.Since(start))
		}
		if err := errors.Join(conn.SetReadDeadline(start.Add(wait)), ctx.Err()); err != nil {
			return judgeError(ctx, e, o, err, time.Since(start))
		}
		n, err := conn.Read(buf)
		d := time.Since(start)
		switch {
		case err == nil, n > 0: // Windows calls a datagram that was cut short an error
			r := judged(e, UDPResponse, true, d)
			if o.Replied != nil {
				o.Replied(buf[:n])
			}
			if o.Evidence {
				r.Facts = []Fact{replyFact(buf[:n], n, d, i+1)}
			}
			return r, nil
		case !errors.Is(err, os.ErrDeadlineExceeded) || ctx.Err() != nil:
			return judgeError(ctx, e, o, err, d)
		}
	}
	return judgeError(ctx, e, o, os.ErrDeadlineExceeded, time.Since(start))
}

// Local is from where an attempt is made. The zero value leaves that to the system.
type Local struct {
	Addr   netip.Addr // of this machine, of the endpoint's family
	Port   uint16
	Device string // the interface by which packets leave (Linux)
}

// WithoutPort is l for what follows an attempt: another connection cannot have its port.
func (l Local) WithoutPort() Local {
	l.Port = 0
	return l
}

// addrPort is the address and port, and the unspecified address where there is a port alone.
func (l Local) addrPort(v4 bool) netip.AddrPort {
	a := l.Addr
	switch {
	case a.IsValid():
	case v4:
		a = netip.IPv4Unspecified()
	default:
		a = netip.IPv6Unspecified()
	}
	return netip.AddrPortFrom(a, l.Port)
}

// Dialer makes connections of a network, tcp or udp, from l to an address.
func (l Local) Dialer(network string, to netip.Addr) net.Dialer {
	d := net.Dialer{KeepAlive: -1}
	if l == (Local{}) {
		return d
	}
	from := l.addrPort(to.Unmap().Is4())
	switch {
	case !l.Addr.IsValid() && l.Port == 0:
	case network == "udp":
		d.LocalAddr = net.UDPAddrFromAddrPort(from)
	default:
		d.LocalAddr = net.TCPAddrFromAddrPort(from)
	}
	d.Control = l.Control
	return d
}

// Control prepares a socket before it is bound, for a net.Dialer or net.ListenConfig.
func (l Local) Control(_, _ string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) { failed = l.prepare(fd) })
	if failed == nil {
		failed = err
	}
	return failed
}

// bindError is why an attempt cannot be made from l.
func (l Local) bindError(err error) string {
	switch n := errno(err); {
	case l.Device != "" && (n == syscall.ENODEV || n == syscall.EPERM || errors.Is(err, errors.ErrUnsupported)):
		return fmt.Sprintf("packets cannot be sent through %s: %v", l.Device, err)
	case l.Port != 0 && (n == syscall.EACCES || n == syscall.EADDRINUSE):
		return fmt.Sprintf("source port %d cannot be used: %v", l.Port, err)
	case l.Addr.IsValid():
		return fmt.Sprintf("source address %s cannot be used: %v", l.Addr, err)
	}
	return fmt.Sprintf("source port %d cannot be used: %v", l.Port, err)
}

func dial(ctx context.Context, e Endpoint, o Options, network string) (net.Conn, error) {
	d := o.Local.Dialer(network, e.Addr)
	if network == "tcp" { // to connect a UDP socket takes no time
		d.Timeout = o.Timeout
	}
	return d.DialContext(ctx, network, e.AddrPort().String())
}

// judgeError judges an error of a connection, which may come from the network.
func judgeError(ctx context.Context, e Endpoint, o Options, err error, d time.Duration) (Result, error) {
	if err := ctxError(ctx); err != nil {
		return Result{}, err
	}
	var r Result
	fact := Fact{After: Millis(d)}
	var timeout net.Error
	switch f := classify(errno(err)); {
	case errors.As(err, &timeout) && timeout.Timeout(), f == faultTimedOut:
		r, fact.Kind = judged(e, NoResponse, false, 0), FactSilence
	case f == faultRefused && e.Proto == TCP:
		r, fact.Kind = judged(e, Reset, true, d), FactRefused
	case f == faultRefused, f == faultReset && e.Proto == UDP: // Windows reports a reset
		r, fact.Kind = judged(e, PortUnreach, true, d), FactPortUnreachable
	case f == faultReset:
		r, fact.Kind = judged(e, SynAck, true, d), FactResetAtOnce
	case f == faultHostUnreach && routed(ctx, e, o):
		r, fact.Kind, fact.Text = judged(e, HostUnreach, false, d), FactSystemError, errno(err).Error()
	case f == faultNetUnreach && routed(ctx, e, o):
		r, fact.Kind, fact.Text = judged(e, NetUnreach, false, d), FactSystemError, errno(err).Error()
	default:
		return judgeLocal(ctx, e, err)
	}
	if o.Evidence {
		r.Facts = []Fact{fact}
	}
	return r, nil
}

// routed reports whether this machine has a route to e. It connects a UDP
// socket, which sends nothing.
func routed(ctx context.Context, e Endpoint, o Options) bool {
	c, err := dial(ctx, e, o, "udp")
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// judgeLocal judges an error of this machine.
func judgeLocal(ctx context.Context, e Endpoint, err error) (Result, error) {
	if err := ctxError(ctx); err != nil {
		return Result{}, err
	}
	if n := errno(err); n != 0 {
		return failed(e, n)
	}
	return unmeasured(e, fmt.Sprintf("cannot probe %s: %v", e, err)), nil
}

// ctxError is the error of ctx. A dial ends at the deadline of the context, perhaps a
// moment before the context itself does.
func ctxError(ctx context.Context) error {
	if t, ok := ctx.Deadline(); ok && !time.Now().Before(t) {
		return context.DeadlineExceeded
	}
	return ctx.Err()
}

// errno is the error number in err, or 0.
func errno(err error) syscall.Errno {
	if n, ok := err.(syscall.Errno); ok {
		return n
	}
	var n syscall.Errno
	errors.As(err, &n)
	return n
}
