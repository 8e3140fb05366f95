//go:build !linux

package local

import (
	"context"

	"onmux/probe"
	"onmux/probe/local/owner"
	"onmux/probe/local/socket"
)

// passOn finds nothing, as nothing was traced.
func (v *view) passOn(context.Context, owner.Owners) error { return nil }

// trace says that nothing is traced: only Linux tells whose socket has which
// peer.
func (v view) trace(context.Context, socket.Query, []probe.Port) (tracing, error) {
	return tracing{asked: true, coverage: []string{"--trace: not done on this system"}}, nil
}
