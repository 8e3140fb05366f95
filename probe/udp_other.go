//go:build !linux

package probe

import "context"

func askUDP(ctx context.Context, e Endpoint, o Options) (Result, error) { return dialUDP(ctx, e, o) }
