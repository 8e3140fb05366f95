package wire

import (
	"context"
	"errors"
	"io"

	"onmux/scan/capture"
)

// checkEvery is after how many packets it is looked whether the context has ended.
const checkEvery = 1 << 12

// Read takes in the packets of a file, until its end or that of the context. What could be
// read counts, whatever the error.
func (w *Watch) Read(ctx context.Context, from io.Reader) error {
	r, err := capture.NewReader(from)
	if err != nil {
		return err
	}
	var p capture.Packet
	for n := 0; ; n++ {
		if n%checkEvery == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		switch err := r.Next(&p); {
		case err == nil:
			w.Packet(&p)
		case errors.Is(err, io.EOF):
			w.lost += r.Lost()
			w.scope.ended = max(w.scope.ended, r.Ended())
			return nil
		default:
			w.lost += r.Lost()
			return err
		}
	}
}
