//go:build unix

package report

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"

	"onmux/probe"
)

const (
	fifoPoll  = 20 * time.Millisecond
	fifoGrace = 2 * time.Second // for the rest of a report, once its context has ended
)

var errNoReader = errors.New("nobody reads this FIFO")

// fifo is the writing end of a FIFO. It does not wait for a reader longer than its context.
type fifo struct {
	*os.File
	stop func() bool
}

// openFIFO waits for a reader.
func openFIFO(ctx context.Context, name string) (*fifo, error) {
	for {
		f, err := os.OpenFile(name, os.O_WRONLY|syscall.O_NONBLOCK, 0)
		switch {
		case err == nil:
			stop := context.AfterFunc(ctx, func() { _ = f.SetWriteDeadline(time.Now().Add(fifoGrace)) })
			return &fifo{f, stop}, nil
		case !errors.Is(err, syscall.ENXIO):
			return nil, err
		}
		if probe.Sleep(ctx, fifoPoll) != nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: errNoReader}
		}
	}
}

func (f *fifo) Close() error {
	f.stop()
	return f.File.Close()
}
