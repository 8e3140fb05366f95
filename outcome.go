package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"onmux/probe"
	"onmux/probe/wording"
	"onmux/report"
	"onmux/report/exitcode"
	"onmux/report/expect"
	"onmux/report/interrupt"
	"onmux/report/phrase"
	"onmux/report/phrase/coverage"
	"onmux/report/record"
	"onmux/scan/target"
)

// run does the job, writes every output, and compares the findings with the
// expectations: once, or with --wait until they hold.
func (s *session) run(ctx context.Context, method map[string]string, do report.Job) error {
	ctx, stop := s.untilUnread(ctx)
	defer stop()
	sinks, err := report.Open(ctx, s.outputs, s.stdout, s.layout)
	if err != nil {
		return s.outputError(ctx, err) // nothing was sent yet
	}
	result := report.Run{
		Start: record.Start{
			Schema:  record.Schema,
			Command: s.command,
			Version: version,
			Started: time.Now().UTC(),
			Method:  method,
			Plan:    s.plan,
			Args:    s.args,
			Host:    hostname(),

			AllPorts: s.command == "check" && s.ports == nil,
			Job:      s.job,
			Watch:    s.watch,
		},
		Job:    do,
		Expect: s.expect,
		Names:  s.names,
		Watch:  s.watch,
		Strict: s.strict,
		Wait:   s.wait,
		Again:  retryable,

		ExitCode: func(t report.Result) int { return codeOf(s.outcomeError(ctx, t)) },
		Waiting: func(r report.Result, left time.Duration) {
			why := cmp.Or(r.Breach, r.Doubt, "what is expected does not hold yet")
			if r.Err != nil {
				why = r.Err.Error()
			}
			s.progress.Update(uint64(max(s.wait-left, 0)), uint64(s.wait), left, "waiting: "+why)
		},
	}.Do(ctx, s.selected(sinks))
	s.progress.Clear()
	err = reported(s.outcomeError(ctx, result))
	if broken := sinks.Close(); errors.Is(broken, syscall.EPIPE) || context.Cause(ctx) == errUnread {
		return &exitError{code: exitcode.Unknown} // who reads it has what it wanted
	} else if broken != nil {
		if f := (*exitError)(nil); errors.As(err, &f) && f.err != nil {
			broken = errors.Join(broken, f.err)
		}
		return &exitError{code: exitcode.Unknown, err: broken}
	}
	if s.execute != nil {
		s.execute.due = err == nil
	}
	return err
}

// errUnread is why a run ends whose report nobody reads any more.
var errUnread = errors.New("nobody reads the report")

// untilUnread ends a run as soon as the reader of its only output is gone, as head is after
// the first line: it may be long until the next line would find out.
func (s *session) untilUnread(ctx context.Context) (context.Context, func()) {
	if len(s.outputs) != 1 || s.outputs[0].File != "" || s.watch || s.execute != nil && s.execute.command != nil {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stop := report.WhenUnread(s.pipe, func() { cancel(errUnread) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// hostname is this machine's name, "" where it is not known.
func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}

// selected is to, or with --open what writes only open endpoints to it.
func (w *writing) selected(to record.Handler) record.Handler {
	if w.open {
		return report.OpenOnly(to)
	}
	return to
}

// endedEarly writes the report of a run that ended while its targets were looked up,
// and returns err. Where err has another reason, nothing is written.
func (s *session) endedEarly(ctx context.Context, err error) error {
	if f := (*exitError)(nil); ctx.Err() == nil || errors.As(err, &f) && f.code == exitcode.Usage {
		return err
	}
	return s.run(ctx, nil, func(context.Context, func(record.Finding) error) (record.End, error) {
		return record.End{Coverage: []string{coverage.NothingProbed(err)}}, err
	})
}

// outputError is the error of an output that cannot be opened: of the command line, unless
// time ran out or a signal came while a FIFO had no reader.
func (l *limits) outputError(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	switch {
	case errors.Is(cause, errDeadline):
		return &exitError{code: exitcode.Timeout, err: fmt.Errorf("the deadline of %s has passed: %w", l.deadline, err)}
	case cause != nil:
		return &exitError{code: exitcode.Unknown, err: err}
	}
	return usageError(err, "")
}

// retryable reports whether the error may be gone at the next attempt: a wrong
// command line will not, but a name may appear.
func retryable(err error) bool {
	var f *exitError
	var name *target.ResolveError
	return !errors.As(err, &f) || f.code != exitcode.Usage || errors.As(err, &name)
}

// outcomeError turns the result of a run into an exit code, and a message where
// the report has none.
func (s *session) outcomeError(ctx context.Context, t report.Result) error {
	cause := context.Cause(ctx)
	var early *exitError // the deadline passed before there was anything to probe
	var last string
	if why := cmp.Or(t.Breach, t.Doubt); why != "" {
		last = ": " + why
	}
	unknown, fails := t.End.Summary.States[probe.Unknown.String()], t.Outcome == record.Fails
	timeout := func(format string, args ...any) error {
		return &exitError{code: exitcode.Timeout, err: fmt.Errorf(format, args...), fails: fails}
	}
	undecided := func(why string) error {
		return &exitError{code: exitcode.Unknown, err: errors.New("could not tell" + why)}
	}
	switch {
	case errors.Is(cause, interrupt.Err) && (s.wait > 0 || t.End.Cut()):
		return &exitError{code: exitcode.Unknown, fails: fails} // printed when it happened
	case errors.Is(cause, errDeadline) && s.wait > 0 && t.End.Complete && t.Outcome != record.Holds:
		return timeout("the expectation did not hold before the deadline of %s%s", s.deadline, last)
	case errors.Is(cause, errDeadline) && errors.As(t.Err, &early) && early.code == exitcode.Timeout:
		return t.Err
	case errors.Is(cause, errDeadline) && t.End.Cut():
		return timeout("the deadline of %s has passed: the report is incomplete", s.deadline)
	case t.Late && t.Err != nil && retryable(t.Err):
		return timeout("the expectation did not hold within %s: %w", s.wait, t.Err)
	case t.Late && last == "" && !t.End.Complete:
		at := ""
		if names := wording.Few(s.about, len(s.about)); names != "" {
			at = " at " + phrase.Visible(names)
		}
		return timeout("the expectation did not hold within %s: no attempt%s was finished (--timeout bounds one)", s.wait, at)
	case t.Late:
		return timeout("the expectation did not hold within %s%s", s.wait, last)
	case t.Err != nil:
		return failure(t.Err)
	case fails && s.command == "check" && s.layout.Verbosity == record.Quiet &&
		slices.ContainsFunc(s.expect, expect.Expectation.NeedsListeners):
		return &exitError{code: exitcode.Fails, err: errors.New(t.Breach)} // which the line of a verdict does not contain
	case fails:
		return &exitError{code: exitcode.Fails}
	case t.Outcome == record.CannotTell && unknown > 0:
		return undecided(fmt.Sprintf(" about %d of %d", unknown, t.End.Summary.Targets))
	case t.Outcome == record.CannotTell && t.End.Complete && s.command == "diff":
		return undecided(": no change is certain")
	case t.Outcome == record.CannotTell && t.End.Complete:
		return undecided(": " + cmp.Or(t.Doubt, "not everything that is expected could be checked"))
	case t.Outcome == record.CannotTell && t.End.First > 0:
		return undecided(": --first ended it before everything was probed")
	case t.Outcome == record.CannotTell:
		return undecided(": the report is incomplete")
	}
	return nil
}
