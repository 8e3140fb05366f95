package probe

import (
	"context"
	"time"
)

// Sleep waits until d has passed or ctx is done, of which it returns the error.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
