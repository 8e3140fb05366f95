package traceroute

import (
	"context"

	"onmux/probe"
)

// HopTries is how often a silent hop is probed.
const HopTries = hopTries

// Trace finds a path by attempts of its own.
func Trace(
	ctx context.Context,
	attempt func(context.Context, int) (probe.Result, error),
	answered bool,
) ([]probe.Hop, error) {
	return tracer(attempt).run(ctx, answered)
}
