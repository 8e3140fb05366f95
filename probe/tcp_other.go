//go:build !linux

package probe

import "context"

func askTCP(ctx context.Context, e Endpoint, o Options) (Result, error) { return dialTCP(ctx, e, o) }
