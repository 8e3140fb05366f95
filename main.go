// Onmux tells what is on a port: of this machine, of one host, or of every
// address of a network. Port 417, which IANA assigned to "Onmux", is where it
// starts; any other port will do. This package turns flags into configurations
// and outcomes into exit codes; the answers are made in probe and scan and told
// by report.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"onmux/probe"
	"onmux/report"
	"onmux/scan"
)

const version = "0.1.0"

// The exit codes of every command.
const (
	exitHolds   = 0   // done, and what was expected holds
	exitFails   = 1   // done, and what was expected does not hold
	exitUsage   = 2   // bad flag, target or file; nothing was sent
	exitUnsure  = 3   // could not tell
	exitTimeout = 124 // --wait or --deadline ran out
)

// fault is an error that knows its exit code and what to do about it. With no
// err nothing is printed: the report said it already.
type fault struct {
	code int
	err  error
	hint string
}

func (f *fault) Error() string {
	if f.err == nil {
		return fmt.Sprintf("exit status %d", f.code)
	}
	return f.err.Error()
}

func (f *fault) Unwrap() error { return f.err }

func usage(err error, hint string) error { return &fault{exitUsage, err, hint} }

var (
	errInterrupted = errors.New("interrupted")
	errDeadline    = errors.New("the deadline has passed")
)

func main() {
	// A closed pipe is an error of one output, not the end of the others.
	signal.Ignore(syscall.SIGPIPE)
	cli.FlagStringer = flagLine
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is main without the process: it returns the exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := interruptible(stderr)
	defer stop()
	app := newApp(stdin, stdout, stderr)
	args, err := arrange(app, args)
	if err == nil {
		err = app.RunContext(ctx, append([]string{"onmux"}, args...))
	}
	return tell(err, stderr)
}

// tell prints an error as one line, and a hint as another, and returns the exit
// code that belongs to it.
func tell(err error, stderr io.Writer) int {
	if err == nil {
		return exitHolds
	}
	f := &fault{code: exitUnsure, err: err}
	errors.As(err, &f)
	if f.err != nil {
		fmt.Fprintln(stderr, "onmux:", report.Visible(strings.ReplaceAll(f.err.Error(), "\n", "; ")))
	}
	if f.hint != "" {
		fmt.Fprintln(stderr, "hint:", f.hint)
	}
	return f.code
}

// interruptible returns a context that the first SIGINT or SIGTERM cancels with
// errInterrupted; the second ends the process at once.
func interruptible(stderr io.Writer) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	done := make(chan struct{})
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case <-signals:
			if width(stderr) > 0 {
				fmt.Fprintln(stderr) // past a progress bar
			}
			fmt.Fprintln(stderr, "onmux: interrupted: taking what is on its way; once more stops at once")
			cancel(errInterrupted)
		case <-done:
			return
		}
		select {
		case <-signals:
			os.Exit(exitUnsure)
		case <-done:
		}
	}()
	return ctx, func() {
		// The signals stay ours: one that comes in the last moment must not turn
		// the exit code into a death by signal.
		close(done)
		cancel(nil)
	}
}

func newApp(stdin io.Reader, stdout, stderr io.Writer) *cli.App {
	return &cli.App{
		Name:  "onmux",
		Usage: "what is on port 417 (or any other): here, on that host, in that network",
		Commands: []*cli.Command{
			checkCommand(), probeCommand(), scanCommand(), explainCommand(),
		},
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "version", Usage: "print the version and exit", DisableDefaultText: true},
		},
		Reader: stdin, Writer: stdout, ErrWriter: stderr,
		HideHelpCommand:           true, // arrange knows it
		HideVersion:               true, // its own flag takes -v, which means --verbose here
		DisableSliceFlagSeparator: true, // "--expect closed,filtered" is one value
		CustomAppHelpTemplate:     appHelp,
		ExitErrHandler:            func(*cli.Context, error) {},
		Action: func(c *cli.Context) error {
			if c.Bool("version") {
				fmt.Fprintln(stdout, "onmux", version)
				return nil
			}
			return cli.ShowAppHelp(c)
		},
	}
}

// job finds out and tells its findings; how it ended is for the stream's end.
// An error is one that left the question unanswered.
type job func(ctx context.Context, emit func(report.Finding) error) (report.End, error)

// bound is ctx until the deadline, if there is one.
func (s *session) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.deadline == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, s.deadline, errDeadline)
}

// run does the job, tells it in every form that was asked for, and holds it
// against the expectations: once, or with --wait until they hold.
func (s *session) run(ctx context.Context, method map[string]string, do job) error {
	sinks, err := report.Open(s.outputs, s.stdout, s.layout)
	if err != nil {
		return usage(err, "") // nothing was sent yet
	}
	began := report.Start{Schema: report.Schema, Command: s.command, Version: version, Started: time.Now().UTC(), Method: method}
	var t telling
	if s.wait > 0 {
		t = s.repeat(ctx, began, sinks, do)
	} else {
		t = s.once(ctx, began, sinks, do)
	}
	if s.progress != nil {
		s.progress.Clear()
	}
	return errors.Join(s.conclude(ctx, t), failure(sinks.Close()))
}

// telling is what came of one attempt at the job.
type telling struct {
	outcome report.Outcome
	end     report.End
	err     error // the job's
	late    bool  // --wait ran out first
}

// once does the job, telling h as it goes.
func (s *session) once(ctx context.Context, began report.Start, h report.Handler, do job) telling {
	judge := report.NewJudge(s.expect)
	h.Start(began) // an output's own error comes back from Close; the others go on
	emit := func(f report.Finding) error {
		h.Finding(f)
		for _, v := range judge.Finding(f) {
			h.Finding(v)
		}
		return nil
	}
	end, err := do(ctx, emit)
	end.Finished = time.Now().UTC()
	end.Summary.Duration = probe.Millis(end.Finished.Sub(began.Started))
	end.Complete = end.Complete && err == nil
	for _, v := range judge.End(end) {
		h.Finding(v)
	}
	h.End(end)
	return telling{outcome: judge.Outcome(), end: end, err: err}
}

// repeat does the job until the expectations hold or the wait is over, and
// tells the last whole attempt.
func (s *session) repeat(ctx context.Context, began report.Start, h report.Handler, do job) telling {
	limited, cancel := context.WithTimeout(ctx, s.wait)
	defer cancel()
	var last telling
	var told *report.Recording
	pause := 100 * time.Millisecond
	for {
		r := &report.Recording{}
		t := s.once(limited, began, r, do)
		if t.end.Complete || told == nil {
			last, told = t, r
		}
		if t.outcome == report.Holds || !worthwhile(t.err) || !sleep(limited, pause) {
			break
		}
		pause = min(2*pause, 2*time.Second)
	}
	last.late = last.outcome != report.Holds && limited.Err() != nil && ctx.Err() == nil
	told.Replay(h)
	return last
}

// worthwhile reports whether what went wrong may be right in a moment: a wrong
// command line will not, but a name may appear.
func worthwhile(err error) bool {
	var f *fault
	var name *scan.ResolveError
	return !errors.As(err, &f) || f.code != exitUsage || errors.As(err, &name)
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// conclude turns what came of it into the exit code, and what the report cannot
// say into an error.
func (s *session) conclude(ctx context.Context, t telling) error {
	cause := context.Cause(ctx)
	unknown := t.end.Summary.States[probe.Unknown.String()]
	switch {
	case errors.Is(cause, errInterrupted):
		return &fault{code: exitUnsure} // said when it happened
	case errors.Is(cause, errDeadline) && !t.end.Complete:
		return &fault{exitTimeout, fmt.Errorf("the deadline of %s has passed: the report is incomplete", s.deadline), ""}
	case t.late && t.err != nil && worthwhile(t.err):
		return &fault{exitTimeout, fmt.Errorf("what was expected did not come about within %s: %w", s.wait, t.err), ""}
	case t.late:
		return &fault{exitTimeout, fmt.Errorf("what was expected did not come about within %s", s.wait), ""}
	case t.err != nil:
		return failure(t.err)
	case t.outcome == report.Fails:
		return &fault{code: exitFails}
	case t.outcome == report.CannotTell && unknown > 0:
		return &fault{exitUnsure, fmt.Errorf("could not tell about %d of %d", unknown, t.end.Summary.Targets), ""}
	case t.outcome == report.CannotTell && t.end.Complete:
		return &fault{exitUnsure, errors.New("could not tell: not all that is expected could be looked at"), ""}
	case t.outcome == report.CannotTell:
		return &fault{exitUnsure, errors.New("could not tell: the report is incomplete"), ""}
	}
	return nil
}

// failure makes an error one that says "could not tell", unless it knows better.
func failure(err error) error {
	var f *fault
	if err == nil || errors.As(err, &f) {
		return err
	}
	return &fault{exitUnsure, err, ""}
}
