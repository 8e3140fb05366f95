package service

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"onmux/probe"
)

const (
	// hearAtMost bounds what is read of an answer, in bytes.
	hearAtMost = 4 << 10
	// pause ends an answer: a peer that has said something and then nothing for
	// so long has finished.
	pause = 250 * time.Millisecond
)

// Greet connects to e, says nothing, and names the service from what the peer
// says by itself: the first step of identification, and for many services the
// only one needed. The whole takes at most timeout, and less when the peer
// pauses or closes after its first words; at most 4 KiB are read.
//
// It returns nil and no error if the peer said nothing: stayed silent, closed,
// or reset the connection. A peer whose words no rule knows is the Service
// "unknown". An error means that there was no connection to listen on; it wraps
// probe.ErrBusy if this machine ran out of something, and is the context's error
// if that ended first. Calls may run at the same time.
func Greet(ctx context.Context, e probe.Endpoint, timeout time.Duration) (*probe.Service, error) {
	if e.Proto != probe.TCP {
		return nil, fmt.Errorf("%s: only TCP services greet", e)
	}
	deadline := time.Now().Add(timeout)
	d := net.Dialer{Deadline: deadline, KeepAlive: -1}
	conn, err := d.DialContext(ctx, "tcp", e.AddrPort().String())
	switch {
	case ctx.Err() != nil && err != nil:
		return nil, ctx.Err()
	case errors.Is(err, syscall.ECONNRESET): // accepted, and reset before dialing was over
		return nil, nil
	case probe.IsBusy(err):
		return nil, fmt.Errorf("%s: %w: %w", e, probe.ErrBusy, err)
	case err != nil:
		return nil, fmt.Errorf("%s: connect to hear a greeting: %w", e, err)
	}
	defer conn.Close()
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		conn.Close()
		close(closed)
	})
	answer := hear(conn, deadline)
	if !stop() {
		<-closed
	}
	if len(answer) == 0 {
		return nil, ctx.Err()
	}
	return identify("wait", answer), nil
}

// hear reads what the peer says until it pauses, closes, has said hearAtMost
// bytes, or deadline has passed.
func hear(conn net.Conn, deadline time.Time) []byte {
	buf := make([]byte, hearAtMost)
	n, until := 0, deadline
	for n < len(buf) {
		if conn.SetReadDeadline(until) != nil {
			break
		}
		m, err := conn.Read(buf[n:])
		n += m
		if err != nil {
			break
		}
		if until = time.Now().Add(pause); until.After(deadline) {
			until = deadline
		}
		if !time.Now().Before(deadline) { // a peer that never lets the read wait
			break
		}
	}
	return buf[:n]
}
