package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"onmux/probe/request"
)

// This file is the attempt through package net, for systems whose sockets do
// not tell the ICMP message behind an error. It builds everywhere, so that the
// same tests hold it on Linux.

// dialTCP connects.
func dialTCP(ctx context.Context, e Endpoint, o Options) (Result, error) {
	start := time.Now()
	conn, err := dial(ctx, e, o, "tcp")
	d := time.Since(start)
	if err != nil {
		return explain(ctx, e, o, err, d)
	}
	defer conn.Close()
	if conn.LocalAddr().String() == conn.RemoteAddr().String() {
		return Result{}, busy(e, errors.New("the connection met itself"))
	}
	_ = conn.(*net.TCPConn).SetLinger(0) // a RST at the end, so that no TIME_WAIT holds a port
	r := judged(e, SynAck, true, d)
	if o.Evidence {
		r.Evidence = []string{"SYN-ACK after " + short(d), fmt.Sprintf("asked from %s", conn.LocalAddr())}
		if a, ok := conn.LocalAddr().(*net.TCPAddr); ok {
			r.Route = &Route{Source: a.AddrPort().Addr().Unmap()}
		}
	}
	return r, nil
}

// dialUDP sends the port's payload and waits for a datagram.
func dialUDP(ctx context.Context, e Endpoint, o Options) (Result, error) {
	start := time.Now()
	conn, err := dial(ctx, e, o, "udp")
	if err != nil {
		return local(ctx, e, err)
	}
	defer conn.Close()
	if conn.LocalAddr().String() == conn.RemoteAddr().String() {
		return Result{}, busy(e, errors.New("the socket has the very port that it asks"))
	}
	hearRefusals(conn.(*net.UDPConn))
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	waits := []time.Duration{o.Timeout}
	if o.Resend {
		waits = []time.Duration{o.Timeout / 2, o.Timeout}
	}
	buf := make([]byte, 2<<10)
	for i, wait := range waits {
		if _, err := conn.Write(request.PayloadOf(e.Port, o.Try)); err != nil {
			return explain(ctx, e, o, err, time.Since(start))
		}
		if err := errors.Join(conn.SetReadDeadline(start.Add(wait)), ctx.Err()); err != nil {
			return explain(ctx, e, o, err, time.Since(start))
		}
		n, err := conn.Read(buf)
		d := time.Since(start)
		switch {
		case err == nil, n > 0: // Windows calls a datagram that was cut short an error
			r := judged(e, UDPResponse, true, d)
			if o.Evidence {
				r.Evidence = []string{datagram(buf[:min(n, replySize)], n, d, i+1)}
			}
			return r, nil
		case !errors.Is(err, os.ErrDeadlineExceeded) || ctx.Err() != nil:
			return explain(ctx, e, o, err, d)
		}
	}
	return explain(ctx, e, o, os.ErrDeadlineExceeded, time.Since(start))
}

func dial(ctx context.Context, e Endpoint, o Options, network string) (net.Conn, error) {
	d := net.Dialer{KeepAlive: -1}
	if network == "tcp" { // to connect a UDP socket takes no time
		d.Timeout = o.Timeout
	}
	return d.DialContext(ctx, network, e.AddrPort().String())
}

// explain judges an error of a connection, which the network may have made.
func explain(ctx context.Context, e Endpoint, o Options, err error, d time.Duration) (Result, error) {
	if err := over(ctx); err != nil {
		return Result{}, err
	}
	var r Result
	sentence := ""
	var timeout net.Error
	switch f := classify(errno(err)); {
	case errors.As(err, &timeout) && timeout.Timeout(), f == faultTimedOut:
		r, sentence = judged(e, NoResponse, false, 0), "nothing came back in "+short(d)
	case f == faultRefused && e.Proto == TCP:
		r, sentence = judged(e, Reset, true, d), "refused after "+short(d)
	case f == faultRefused, f == faultReset && e.Proto == UDP: // Windows says reset
		r, sentence = judged(e, PortUnreach, true,
			d), "port unreachable after "+short(d)+"; this system does not tell from whom"
	case f == faultReset:
		r, sentence = judged(e, SynAck, true, d), "accepted, and reset at once, after "+short(d)
	case f == faultHostUnreach && routed(ctx, e, o):
		r, sentence = judged(e, HostUnreach, false, d), fmt.Sprintf("the system reported %q after %s", errno(err).Error(),
			short(d))
	case f == faultNetUnreach && routed(ctx, e, o):
		r, sentence = judged(e, NetUnreach, false, d), fmt.Sprintf("the system reported %q after %s", errno(err).Error(),
			short(d))
	default:
		return local(ctx, e, err)
	}
	if o.Evidence {
		r.Evidence = []string{sentence}
	}
	return r, nil
}

// routed reports whether this machine knows a way to e. It connects a UDP
// socket, which sends nothing.
func routed(ctx context.Context, e Endpoint, o Options) bool {
	c, err := dial(ctx, e, o, "udp")
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// local judges an error that this machine made.
func local(ctx context.Context, e Endpoint, err error) (Result, error) {
	if err := over(ctx); err != nil {
		return Result{}, err
	}
	if n := errno(err); n != 0 {
		return failed(e, n)
	}
	return unmeasured(e, fmt.Sprintf("cannot ask %s: %v", e, err)), nil
}

// over is why ctx has ended. A dial ends at the context's deadline, perhaps a
// moment before the context itself does.
func over(ctx context.Context) error {
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
