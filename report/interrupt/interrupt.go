package interrupt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"onmux/report"
)

// Err is the cause with which the context ends.
var Err = errors.New("interrupted")

// sameSignal is how long after a signal another one is a part of the same request: shorter
// than anybody presses Ctrl-C again for having waited.
const sameSignal = 500 * time.Millisecond

// Context returns a context that the first SIGINT, SIGTERM or SIGHUP cancels with Err; the second
// ends the process at once. A SIGHUP that is ignored, as under nohup(1), stays ignored. timeout(1)
// sends its signal twice in a row, to its child and to its group: both are the first one. Of a
// watch, a listener or a worker a signal is the usual end, which needs no message.
func Context(stderr io.Writer, watch bool, code int) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	done := make(chan struct{})
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(signals, syscall.SIGHUP)
	}
	go func() {
		select {
		case <-signals:
			if watch && report.Width(stderr) > 0 {
				fmt.Fprint(stderr, "\r") // over the terminal's ^C; the line may be that of a table
			} else if report.Width(stderr) > 0 {
				fmt.Fprintln(stderr) // past a progress bar
			}
			if !watch {
				fmt.Fprintln(stderr, "onmux: interrupted: waiting for answers to what was sent; interrupt again to stop at once")
			}
			cancel(Err)
		case <-done:
			return
		}
		if another(signals, done) {
			os.Exit(code)
		}
	}()
	return ctx, func() {
		// The signals stay caught: one that arrives at the very end must not
		// replace the exit code by death by signal.
		close(done)
		cancel(nil)
	}
}

// another waits for a signal that is not a part of the request that was just received, and reports
// whether one came before done.
func another(signals <-chan os.Signal, done <-chan struct{}) bool {
	for first := time.Now(); ; {
		select {
		case <-signals:
			if time.Since(first) > sameSignal {
				return true
			}
		case <-done:
			return false
		}
	}
}
