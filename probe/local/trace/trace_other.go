//go:build !linux

package trace

import (
	"context"

	"onmux/probe"
	"onmux/probe/local/owner"
	"onmux/probe/local/socket"
)

// Connect tries nothing: only Linux lists whose socket has which peer.
func Connect(context.Context, socket.Query, socket.Table, []probe.Port) (Result, error) {
	return Result{Unsupported: true}, nil
}

// Listeners finds nothing: only Linux has network namespaces and rules.
func Listeners(context.Context, []probe.Endpoint, bool) (map[probe.Endpoint]*owner.Behind, error) {
	return nil, nil
}

// FindBehind finds nothing, as nothing was traced.
func (Result) FindBehind(context.Context, owner.Owners) error {
	return nil
}

// TryBind binds nothing on this system.
func TryBind(socket.Query, probe.Port) BindTrials { return nil }
