package netlink

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Bounds of a request.
const (
	maxAttempts  = 4               // of a dump that the kernel interrupts
	replyTimeout = 5 * time.Second // between two datagrams of an answer
	pollInterval = 50 * time.Millisecond
	replySize    = 16 << 10 // of one message: an interface's is the largest
	dumpSize     = 64 << 10 // the kernel puts at most 32 KiB into a datagram
)

// Errors of a request, beside those that the kernel returns.
var (
	// ErrInterrupted means that the kernel's list changed while it was read, so that
	// entries may be missing.
	ErrInterrupted = errors.New("the list changed while the kernel sent it: entries may be missing")
	ErrTimeout     = fmt.Errorf("the kernel does not answer within %s", replyTimeout)
	ErrTooLarge    = errors.New("the kernel's answer is too large")
)

// OpenError means that no netlink socket could be opened, so that nothing is known
// of what the kernel would have answered: seccomp(2) filters of containers and
// units forbid sockets with errors such as EPERM and EAFNOSUPPORT, which is also
// that of a kernel without the family.
type OpenError struct{ Err error }

func (e *OpenError) Error() string { return "no netlink socket can be opened: " + e.Err.Error() }

// Unwrap returns the error of socket(2).
func (e *OpenError) Unwrap() error { return e.Err }

// Client sends requests to one family of netlink. Each request has a socket of its
// own, in the network namespace of the calling thread, so that one given up leaves
// nothing behind. A Client serves one goroutine at a time.
type Client struct {
	Family   int    // NETLINK_ROUTE and the like
	MaxBytes int    // that all its dumps together may receive; 0: without bound
	Strict   bool   // dumps are filtered by the fields of their headers, by kernels since 4.20
	Buffer   []byte // for datagrams, reused; nil: made when it is needed

	received int
}

// Get sends a request and returns the body of the first message of a type. It is
// valid until the next request. The error may be one of the kernel's (syscall.Errno),
// with the kernel's explanation if there is one.
func (c *Client) Get(ctx context.Context, r *Request, kind uint16) ([]byte, error) {
	r.message.Flags = unix.NLM_F_REQUEST
	var found []byte
	p, err := c.request(ctx, r, replySize, func(k uint16, body []byte) (bool, error) {
		if k == kind && found == nil {
			found = body
		}
		return found != nil, nil
	})
	if err == nil && found == nil {
		err = fmt.Errorf("%w: the message is missing (%+v)", ErrMalformed, p)
	}
	return found, err
}

// Dump sends a request for a list and calls each with the type and body of every
// message, which are valid during the call; an error of it ends the dump. A dump
// that the kernel interrupts is repeated if there is a reset, which is called
// before every attempt to forget what came before; in the end the error is
// ErrInterrupted, and what each was called with may be incomplete.
func (c *Client) Dump(ctx context.Context, r *Request, reset func(), each func(kind uint16, body []byte) error) error {
	r.message.Flags = unix.NLM_F_REQUEST | unix.NLM_F_DUMP
	return repeat(reset, func() (progress, error) {
		return c.request(ctx, r, dumpSize, func(k uint16, body []byte) (bool, error) { return false, each(k, body) })
	})
}

// repeat makes a dump, and makes it again after a reset where another attempt may
// succeed.
func repeat(reset func(), dump func() (progress, error)) error {
	for attempt := 1; ; attempt++ {
		if reset != nil {
			reset()
		}
		p, err := dump()
		if err == nil && p.interrupted {
			err = ErrInterrupted
		}
		again := errors.Is(err, ErrInterrupted) || errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.EBUSY)
		if !again || reset == nil || attempt == maxAttempts {
			return err
		}
	}
}

// errEnough ends a request whose answer is there.
var errEnough = errors.New("enough")

// request sends one and passes on the messages of its answer until the last one, or
// until each returns true.
func (c *Client) request(
	ctx context.Context,
	r *Request,
	size int,
	each func(uint16, []byte) (bool, error),
) (progress, error) {
	if c.Buffer == nil {
		c.Buffer = make([]byte, size)
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, c.Family)
	if err != nil {
		return progress{}, &OpenError{err}
	}
	defer unix.Close(fd)
	// Kernels before 4.12 have neither explanations nor errors without the request.
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_EXT_ACK, 1)
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1)
	if c.Strict {
		_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, 1)
	}
	if err := unix.Sendto(fd, r.message.Serialize(), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return progress{}, fmt.Errorf("send to the kernel: %w", err)
	}
	var all progress
	for {
		b, err := c.receive(ctx, fd)
		if err != nil {
			return all, err
		}
		if c.received += len(b); c.MaxBytes > 0 && c.received > c.MaxBytes {
			return all, ErrTooLarge
		}
		p, err := parse(b, r.message.Seq, func(kind uint16, body []byte) error {
			enough, err := each(kind, body)
			if enough {
				err = errEnough
			}
			return err
		})
		all.interrupted = all.interrupted || p.interrupted
		switch {
		case err == errEnough:
			return all, nil
		case err != nil || p.done:
			return all, err
		}
	}
}

// receive waits for the kernel's next datagram. It is valid until the next call.
func (c *Client) receive(ctx context.Context, fd int) ([]byte, error) {
	var deadline time.Time
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n, _, flags, from, err := unix.Recvmsg(fd, c.Buffer, nil, unix.MSG_DONTWAIT)
		sender, _ := from.(*unix.SockaddrNetlink)
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			now := time.Now()
			if deadline.IsZero() {
				deadline = now.Add(replyTimeout)
			}
			if !now.Before(deadline) {
				return nil, ErrTimeout
			}
			ready := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			if _, err := unix.Poll(ready, int(pollInterval.Milliseconds())); err != nil && err != unix.EINTR {
				return nil, err
			}
		case err != nil:
			return nil, fmt.Errorf("receive from the kernel: %w", err)
		case sender == nil || sender.Pid != 0: // another process, not the kernel
		case flags&unix.MSG_TRUNC != 0:
			return nil, fmt.Errorf("a datagram of more than %d bytes", len(c.Buffer))
		default:
			return c.Buffer[:n], nil
		}
	}
}

// get returns what rtnetlink(7) has of one type for a request.
func get[T any](ctx context.Context, r *Request, kind uint16, parse func(body []byte) (T, bool)) (T, error) {
	c := Client{Family: unix.NETLINK_ROUTE}
	b, err := c.Get(ctx, r, kind)
	if err != nil {
		return *new(T), err
	}
	one, ok := parse(b)
	if !ok {
		return one, fmt.Errorf("%w: %d bytes of type %d", ErrMalformed, len(b), kind)
	}
	return one, nil
}

// list collects what a dump of rtnetlink(7) has of one type. With ErrInterrupted
// it may be incomplete.
func list[T any](ctx context.Context, r *Request, kind uint16, parse func(body []byte) (T, bool)) ([]T, error) {
	c := Client{Family: unix.NETLINK_ROUTE}
	var all []T
	err := c.Dump(ctx, r, func() { all = nil }, func(k uint16, body []byte) error {
		if k == kind {
			if one, ok := parse(body); ok {
				all = append(all, one)
			}
		}
		return nil
	})
	return all, err
}
