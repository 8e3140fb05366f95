//go:build !linux

package connect

import (
	"context"
	"net/netip"

	"onmux/scan/engine"
)

// systemTable is nil: the table of other systems is not known.
func systemTable() Table { return nil }

// nextHopState is not known.
func nextHopState(context.Context, netip.Addr, uint32) engine.PathState { return engine.PathDirect }
