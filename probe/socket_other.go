//go:build !linux

package probe

import (
	"context"
	"errors"
)

// hasHopLimit: sockets do not receive the ICMP messages of routers.
const hasHopLimit = false

// prepare sets what must be set before a socket is bound.
func (l Local) prepare(uintptr) error {
	if l.Device != "" {
		return errors.ErrUnsupported
	}
	return nil
}

// Sandboxed reports whether a sandbox decides what this process may do, which is not known.
func Sandboxed() bool { return false }

func connectTCP(ctx context.Context, e Endpoint, o Options) (Result, error) {
	return dialTCP(ctx, e, o)
}

func exchangeUDP(ctx context.Context, e Endpoint, o Options) (Result, error) {
	return dialUDP(ctx, e, o)
}
