package socket

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"

	"onmux/probe"
)

// Cookie is the kernel's own name for the socket; 0 if it is not known.
func (s Socket) Cookie() uint64 { return s.cookie }

// EachHeld calls see with the sockets of a protocol that hold a port, in this network
// namespace. With an error, some may be missing.
func EachHeld(ctx context.Context, proto probe.Proto, see func(Socket)) error {
	diag := NewDiag()
	var errs []error
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		errs = append(errs, diag.ask(ctx, diagRequest(proto, family, 0, 0, HeldStates), proto, nil, see))
	}
	return errors.Join(errs...)
}

// EachTCP calls see with the TCP sockets in some states, of those whose peer has a
// port unless it is 0, as the kernel or else /proc/net lists them. It may call it
// with others too.
func EachTCP(ctx context.Context, peer uint16, states uint32, see func(Socket)) error {
	diag, files := NewDiag(), ProcNet{"/proc/thread-self/net"}
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		err := diag.ask(ctx, diagRequest(probe.TCP, family, 0, peer, states), probe.TCP, nil, see)
		if err == nil || errors.Is(err, errInterrupted) || ctx.Err() != nil {
			continue
		}
		if err2 := files.each(ctx, probe.TCP, family, see); err2 != nil && !(family == unix.AF_INET6 && files.LacksIPv6()) {
			return inOneLine([]error{err, err2})
		}
	}
	return ctx.Err()
}
