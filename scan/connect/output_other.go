//go:build !linux

package connect

import (
	"context"
	"errors"
)

// droppedPackets is not known.
func droppedPackets(context.Context, bool) (uint64, error) { return 0, errors.ErrUnsupported }
