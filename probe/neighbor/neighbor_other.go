//go:build !linux

package neighbor

import (
	"context"
	"net/netip"
)

// MAC is "": the table of neighbors is not read here.
func MAC(context.Context, netip.Addr) string { return "" }
