package probe

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"syscall"
	"time"

	"onmux/probe/wording"
)

// Ask makes one attempt at e, TCP or UDP as e says, and judges it. It returns
// when an answer is there, when o.Timeout has passed, or when ctx ends.
//
// The error is non-nil only if no attempt was judged: it wraps ErrBusy, or
// errors.ErrUnsupported for a HopLimit where the system's sockets do not receive
// routers' answers, or it is the context's error. Whatever else went wrong on this machine is a Result
// with State Unknown, Reason LocalError and one line in Error. Ask keeps no
// state; calls may run at the same time, each with one descriptor.
func Ask(ctx context.Context, e Endpoint, o Options) (Result, error) {
	switch e.Proto {
	case TCP:
		return AskTCP(ctx, e, o)
	case UDP:
		return AskUDP(ctx, e, o)
	}
	return unmeasured(e, fmt.Sprintf("%s: no protocol to ask with; use tcp or udp", e.AddrPort())), nil
}

// AskTCP asks e with a TCP handshake, whatever e.Proto says, and ends an
// accepted connection at once with a RST. See Ask.
func AskTCP(ctx context.Context, e Endpoint, o Options) (Result, error) {
	e.Proto = TCP
	return ask(ctx, e, o, connectTCP)
}

// AskUDP asks e with one datagram, the request.PayloadOf its port and o.Try, whatever e.Proto
// says; with o.Resend a second one follows at half of o.Timeout. See Ask.
func AskUDP(ctx context.Context, e Endpoint, o Options) (Result, error) {
	e.Proto = UDP
	return ask(ctx, e, o, exchangeUDP)
}

func ask(ctx context.Context, e Endpoint, o Options, attempt func(context.Context, Endpoint, Options) (Result,
	error)) (Result, error) {
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	if err := Validate(e, o); err != nil {
		return unmeasured(e, err.Error()), nil
	}
	if o.HopLimit > 0 && !hasHopLimit {
		return Result{}, fmt.Errorf("routers' answers do not reach sockets on this system: %w", errors.ErrUnsupported)
	}
	return attempt(ctx, e, o)
}

// Validate returns why an attempt at e cannot be made at all.
func Validate(e Endpoint, o Options) error {
	switch a := e.Addr; {
	case !a.IsValid():
		return errors.New("no address to probe")
	case a.IsUnspecified():
		return fmt.Errorf("%s is no host's address; name one", a)
	case a.Is6() && !a.Is4In6() && a.IsLinkLocalUnicast() && a.Zone() == "":
		return fmt.Errorf("%s needs an interface, as in %s%%eth0", a, a)
	case e.Port == 0:
		return errors.New("port 0 cannot be probed; use 1 to 65535")
	case o.Timeout <= 0:
		return fmt.Errorf("the timeout is %s; it must be above zero", o.Timeout)
	}
	return nil
}

func unmeasured(e Endpoint, why string) Result {
	return Result{Endpoint: e, State: Unknown, Reason: LocalError, Tries: 1, Error: why}
}

// failed judges an error that this machine made before the network could.
func failed(e Endpoint, err syscall.Errno) (Result, error) {
	if zone := e.Addr.Zone(); err == syscall.ENODEV && zone != "" {
		return unmeasured(e, fmt.Sprintf("no interface %q on this machine; name one that it has", zone)), nil
	}
	switch a := e.Addr; classify(err) {
	case faultBusy:
		return Result{}, busy(e, err)
	case faultNetUnreach, faultHostUnreach:
		return unmeasured(e, fmt.Sprintf("no route to %s from this machine (%v)", a, err)), nil
	case faultDenied:
		return unmeasured(e,
			fmt.Sprintf("this machine may not send to %s: a firewall or route of its own forbids it, or it is a broadcast "+
				"address (%v)", a, err)), nil
	default:
		return unmeasured(e, fmt.Sprintf("cannot send to %s from this machine, perhaps by a route of its own (%v)", a,
			err)), nil
	}
}

func busy(e Endpoint, why error) error { return fmt.Errorf("%s: %w: %w", e, ErrBusy, why) }

// judged is the Result of reason r after the time d.
func judged(e Endpoint, r Reason, fromTarget bool, d time.Duration) Result {
	res := Result{Endpoint: e, State: Verdict(e.Proto, r, fromTarget), Reason: r, Tries: 1}
	if r != NoResponse {
		res.RTT, res.Confidence = Millis(d), Medium
		if fromTarget {
			res.Confidence = High
		}
	}
	return res
}

// short writes d for people, with no more digits than mean something: "8 µs",
// "0.12 ms", "13 ms", "2 s".
func short(d time.Duration) string {
	if d = d.Round(time.Microsecond); d < 100*time.Microsecond {
		return strconv.FormatInt(d.Microseconds(), 10) + " µs"
	}
	unit, name := time.Millisecond, " ms"
	if d >= time.Second {
		unit, name = time.Second, " s"
	}
	v := float64(d) / float64(unit)
	digits := 2
	for limit := 1.0; digits > 0 && v >= limit; limit *= 10 {
		digits--
	}
	if v < 10 {
		digits = max(digits, 1)
	}
	s := strconv.FormatFloat(v, 'f', digits, 64)
	if whole, ok := trimZero(s); ok {
		s = whole
	}
	return s + name
}

func trimZero(s string) (string, bool) {
	if n := len(s); n > 2 && s[n-2:] == ".0" {
		return s[:n-2], true
	}
	return s, false
}

// replySize is how much of a reply is looked at, in bytes.
const replySize = 64

// datagram tells of a reply of size bytes, the first of which are b, after n
// datagrams of ours.
func datagram(b []byte, size int, d time.Duration, n int) string {
	more, second := "", ""
	if size > len(b) {
		more = " …"
	}
	if n > 1 {
		second = ", once a second datagram had been sent"
	}
	return fmt.Sprintf("a datagram of %s after %s%s: %s%s", wording.Count(size, "byte", "bytes"), short(d), second,
		strconv.QuoteToASCII(string(b)), more)
}

// IsReset reports whether err, from a connection, is that the peer reset it.
func IsReset(err error) bool { return err != nil && classify(errno(err)) == faultReset }

// IsBusy reports whether err, from a socket, says that this machine is out of
// something that comes back by itself; see ErrBusy.
func IsBusy(err error) bool {
	return err != nil && (errors.Is(err, ErrBusy) || classify(errno(err)) == faultBusy)
}
