package report

import (
	"context"

	"onmux/probe/local"
	"onmux/report/phrase"
)

// Check looks at ports of this machine, and writes the sentences of the records.
func Check(ctx context.Context, r local.Request) (local.Report, error) {
	seen, err := local.Check(ctx, r)
	phrase.Complete(&seen)
	return seen, err
}
