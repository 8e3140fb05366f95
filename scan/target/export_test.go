package target

import (
	"context"
	"net/netip"
)

// FakeDNS resolves the names of the tests.
func FakeDNS(ctx context.Context, host string) ([]netip.Addr, error) { return fakeDNS(ctx, host) }

// Shown is the addresses of a plan, as ranges.
func Shown(p *Plan) string { return shown(p) }
