package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"onmux/probe"
)

// manyPorts is from how many ports of a protocol on one dump of all its sockets
// is cheaper than a filtered one for each.
const manyPorts = 16

// Bounds of one dump.
const (
	dumpTries   = 4               // a dump that the kernel interrupts is made anew this often
	dumpSilence = 5 * time.Second // an answer that takes longer does not come
	dumpBuffer  = 64 << 10        // the kernel puts at most 32 KiB in a datagram
	dumpPoll    = 50 * time.Millisecond
)

// Errors of a dump that another try may cure.
var (
	errChanged = errors.New("the sockets changed while the kernel listed them: some may be missing")
	errSilent  = fmt.Errorf("the kernel does not answer within %s", dumpSilence)
)

// sockDiag tells sockets by asking the kernel through netlink (sock_diag(7)).
type sockDiag struct {
	buf    []byte // reused by all dumps
	canary canary // tells by the way if sockets that are bound are told
	apart  bool   // this kernel does not tell both families in one dump
	only   uint32 // states that are asked for (1 << tcp…); 0 for all
}

func newSockDiag() *sockDiag { return &sockDiag{buf: make([]byte, dumpBuffer)} }

func (*sockDiag) name() string { return "the kernel (sock_diag)" }

// read tells the sockets at some ports; with an error, those seen before it.
func (d *sockDiag) read(ctx context.Context, proto probe.Proto, q query) (census, error) {
	ports := q.ports[proto]
	set := newPortSet(ports)
	if len(ports) > manyPorts {
		ports = []uint16{0}
	}
	if proto == probe.TCP && d.only == 0 {
		defer d.canary.open()()
	}
	want := func(s socket) bool { return !d.canary.is(s) && set.has(s.local.Port()) && s.wanted(q) }
	all := make(census)
	var changed bool
	for _, port := range ports {
		c, err := d.listAll(ctx, proto, q.families(), port, want)
		all.add(c)
		if err != nil && !errors.Is(err, errChanged) {
			return all, err
		}
		changed = changed || err != nil
	}
	if changed {
		return all, errChanged
	}
	return all, nil
}

// listAll lists the sockets of several families: of both families of TCP at once
// where the kernel does that, because it walks through all its sockets for each
// dump.
func (d *sockDiag) listAll(ctx context.Context, proto probe.Proto, families []uint8, port uint16, want func(socket) bool) (census, error) {
	if proto == probe.TCP && len(families) == 2 && !d.apart {
		c, err := d.list(ctx, proto, unix.AF_UNSPEC, port, want)
		if err == nil || errors.Is(err, errChanged) || errors.Is(err, errSilent) || ctx.Err() != nil {
			return c, err
		}
		d.apart = true
	}
	all := make(census)
	var changed error
	for _, family := range families {
		c, err := d.list(ctx, proto, family, port, want)
		all.add(c)
		if err != nil && !errors.Is(err, errChanged) {
			return all, err
		}
		changed = cmp.Or(changed, err)
	}
	return all, changed
}

// families are the kernel's families to look at: a dual-stack socket is an IPv6
// one that takes IPv4 too.
func (q query) families() []uint8 {
	if q.v4 {
		return []uint8{unix.AF_INET, unix.AF_INET6}
	}
	return []uint8{unix.AF_INET6}
}

// list dumps until a dump was whole.
func (d *sockDiag) list(ctx context.Context, proto probe.Proto, family uint8, port uint16, want func(socket) bool) (census, error) {
	var c census
	var err error
	for range dumpTries {
		c = make(census)
		err = d.dump(ctx, proto, family, port, cmp.Or(d.only, allStates), func(s socket) {
			if want(s) {
				c.see(s)
			}
		})
		if !errors.Is(err, errChanged) && !errors.Is(err, unix.ENOBUFS) && !errors.Is(err, unix.EBUSY) {
			break
		}
	}
	return c, err
}

// dump tells every socket of a protocol and family (of TCP both, if that is
// AF_UNSPEC), at a port unless it is 0, as the kernel sends them: memory does
// not grow with their number. The kernel filters by port all but the sockets
// that are only bound. Each dump has a netlink socket of its own, so that one
// given up leaves nothing behind.
func (d *sockDiag) dump(ctx context.Context, proto probe.Proto, family uint8, port uint16, states uint32, see func(socket)) error {
	if family == unix.AF_UNSPEC {
		return d.ask(ctx, diagRequestBoth(diagSeq, port, states), proto, see)
	}
	return d.ask(ctx, diagRequest(diagSeq, proto, family, port, states), proto, see)
}

// diagSeq is the sequence number of a dump, each of which has its own socket.
const diagSeq = 1

func (d *sockDiag) ask(ctx context.Context, request []byte, proto probe.Proto, see func(socket)) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return fmt.Errorf("open a sock_diag socket: %w", err)
	}
	defer unix.Close(fd)
	poll := unix.NsecToTimeval(dumpPoll.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &poll); err != nil {
		return fmt.Errorf("bound the wait for sock_diag: %w", err)
	}
	if err := unix.Sendto(fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("ask sock_diag: %w", err)
	}
	changed := false
	for {
		b, err := d.receive(ctx, fd)
		if err != nil {
			return fmt.Errorf("hear sock_diag: %w", err)
		}
		p, err := parseDump(b, diagSeq, proto, see)
		changed = changed || p.changed
		switch {
		case err != nil:
			return fmt.Errorf("sock_diag: %w", err)
		case p.done && changed:
			return errChanged
		case p.done:
			return nil
		}
	}
}

// receive waits for the kernel's next datagram. It is valid until the next call.
func (d *sockDiag) receive(ctx context.Context, fd int) ([]byte, error) {
	for quiet := time.Duration(0); quiet < dumpSilence; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n, _, flags, from, err := unix.Recvmsg(fd, d.buf, nil, 0)
		sender, _ := from.(*unix.SockaddrNetlink)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			quiet += dumpPoll
		case err != nil:
			return nil, err
		case sender == nil || sender.Pid != 0: // another process, not the kernel
		case flags&unix.MSG_TRUNC != 0:
			return nil, fmt.Errorf("a datagram of more than %d bytes", len(d.buf))
		default:
			return d.buf[:n], nil
		}
	}
	return nil, errSilent
}
