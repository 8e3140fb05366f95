package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"onmux/probe/request"
)

// Do makes one attempt at e, over TCP or UDP as e.Proto demands, and judges it. It
// returns when an answer is there, when o.Timeout has passed, or when ctx ends.
//
// The error is non-nil only if no attempt was judged: it wraps ErrBusy, or
// errors.ErrUnsupported for a HopLimit where the system's sockets do not receive
// routers' answers, or it is the context's error. Whatever else went wrong on this
// machine is a Result with State Unknown, Reason LocalError and one line in Error. Do
// keeps no state; calls may run at the same time, each with one descriptor.
func Do(ctx context.Context, e Endpoint, o Options) (Result, error) {
	switch e.Proto {
	case TCP:
		return DoTCP(ctx, e, o)
	case UDP:
		return DoUDP(ctx, e, o)
	}
	return unmeasured(e, fmt.Sprintf("%s: no protocol to probe with; use tcp or udp", e.AddrPort())), nil
}

// DoTCP makes a TCP handshake with e, whatever e.Proto is. See Do, and Options.Accepted for
// what becomes of an accepted connection.
func DoTCP(ctx context.Context, e Endpoint, o Options) (Result, error) {
	e.Proto = TCP
	return attempt(ctx, e, o, connectTCP)
}

// DoUDP sends one datagram to e, the request.PayloadOf its port and o.Try, whatever
// e.Proto is; with o.Resend a second one follows at half of o.Timeout. See Do.
func DoUDP(ctx context.Context, e Endpoint, o Options) (Result, error) {
	e.Proto = UDP
	return attempt(ctx, e, o, exchangeUDP)
}

// payload is the datagram of an attempt at a port.
func (o *Options) payload(port uint16) []byte {
	if o.Payload != nil {
		return o.Payload
	}
	return request.PayloadOf(port, o.Try)
}

// attemptFunc makes one attempt that Validate has accepted.
type attemptFunc func(context.Context, Endpoint, Options) (Result, error)

func attempt(ctx context.Context, e Endpoint, o Options, do attemptFunc) (Result, error) {
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	if err := Validate(e, o); err != nil {
		return unmeasured(e, err.Error()), nil
	}
	if o.HopLimit > 0 && !hasHopLimit {
		return Result{}, fmt.Errorf("routers' answers do not reach sockets on this system: %w", errors.ErrUnsupported)
	}
	return do(ctx, e, o)
}

// Validate returns why an attempt at e cannot be made at all.
func Validate(e Endpoint, o Options) error {
	switch a := e.Addr; {
	case !a.IsValid():
		return errors.New("no address to probe")
	case a.IsUnspecified():
		return fmt.Errorf("%s is not a host's address; name one", a)
	case a.Is6() && !a.Is4In6() && a.IsLinkLocalUnicast() && a.Zone() == "":
		return fmt.Errorf("%s needs an interface, as in %s%%eth0", a, a)
	case e.Port == 0:
		return errors.New("port 0 cannot be probed; use 1 to 65535")
	case o.Timeout <= 0:
		return fmt.Errorf("the timeout is %s; it must be above zero", o.Timeout)
	}
	return nil
}

// IsReset reports whether err, from a connection, is that the peer reset it.
func IsReset(err error) bool { return err != nil && classify(errno(err)) == faultReset }

// IsBusy reports whether err, from a socket, is that this machine is temporarily out of
// something; see ErrBusy.
func IsBusy(err error) bool {
	return err != nil && (errors.Is(err, ErrBusy) || classify(errno(err)) == faultBusy)
}

// leaveSize bounds what Leave reads, in bytes.
const leaveSize = 64 << 10

// Leave ends a TCP connection by a FIN, and waits for the peer's until the deadline: data that
// is not read, or comes later, is answered by a RST, which many servers log as an error.
func Leave(c net.Conn, deadline time.Time) {
	defer c.Close()
	half, ok := c.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil || c.SetReadDeadline(deadline) != nil {
		return
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(c, leaveSize))
}
