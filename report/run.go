package report

import (
	"cmp"
	"context"
	"errors"
	"syscall"
	"time"

	"onmux/probe"
	"onmux/report/expect"
	"onmux/report/phrase"
	"onmux/report/record"
)

// Job finds out and emits its findings one by one; how it ended is for the
// stream's end. An error is one that left the question unanswered.
type Job func(ctx context.Context, emit func(record.Finding) error) (record.End, error)

// ErrEnded ends a job that nobody reads any more, or a watch.
var ErrEnded = errors.New("the report has ended")

// Run is a job whose findings are written and held against expectations.
type Run struct {
	Start  record.Start
	Job    Job
	Expect []expect.Expectation
	Names  expect.Names // how the addresses of a name count
	Strict bool         // of a comparison: what may be a change leaves the outcome open

	// Watch ends the job at the first violation, and when no output can be written any more:
	// emit then fails with ErrEnded.
	Watch bool

	// Wait repeats the job, with pauses that grow from 100 ms to 2 s, until the
	// expectations hold or so much time has passed; 0 does it once. The last
	// whole attempt is written, as if it were the only one.
	Wait  time.Duration
	Again func(error) bool // whether a job's error may be gone in a moment; needed to Wait

	// Waiting is called before each pause, with what came of the attempt and how long is left.
	// It may be nil.
	Waiting func(r Result, left time.Duration)

	// ExitCode is with what code the process ends after r, for the report. It may be nil.
	ExitCode func(r Result) int
}

// Result is what came of a Run.
type Result struct {
	Outcome  record.Outcome
	End      record.End
	Err      error  // the job's
	WriteErr error  // of the handler, after which nothing was written to it
	Late     bool   // Wait ran out first
	Breach   string // why it is not as expected, in one line; of several the first
	Doubt    string // why that is not known, likewise, if a record is the reason
}

// Do does the job and writes its findings to h. Where h fails, the job goes on: its
// outcome does not depend on what becomes of a report. Only a pipe that nobody reads any
// more (EPIPE) ends it, if there is no other output.
func (r Run) Do(ctx context.Context, h record.Handler) Result {
	if r.Wait == 0 {
		return r.once(ctx, h)
	}
	limited, cancel := context.WithTimeout(ctx, r.Wait)
	defer cancel()
	var last Result
	var kept *record.Recording
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		attempt := &record.Recording{}
		result := r.once(limited, attempt)
		if !result.End.Cut() || kept == nil {
			last, kept = result, attempt
		}
		done := result.Outcome == record.Holds && result.Err == nil
		if !done && r.Waiting != nil {
			deadline, _ := limited.Deadline()
			r.Waiting(result, time.Until(deadline))
		}
		if done || result.Err != nil && !r.Again(result.Err) || probe.Sleep(limited, pause) != nil {
			break
		}
	}
	last.Late = (last.Outcome != record.Holds || last.Err != nil) && limited.Err() != nil && ctx.Err() == nil
	last.End.ExitCode = r.exitCode(last)
	kept.Ended = last.End
	last.WriteErr = kept.Replay(h)
	return last
}

// once does the job, and writes to h as it goes.
func (r Run) once(ctx context.Context, h record.Handler) Result {
	judge := expect.NewJudge(r.Expect)
	judge.Strict = r.Strict
	judge.SetNames(r.Names)
	out := Result{WriteErr: h.Start(r.Start)}
	write := func(f record.Finding) {
		if out.WriteErr == nil {
			out.WriteErr = record.Write(h, f)
		}
	}
	violated := func(v record.Violation, f record.Finding) {
		out.Breach = cmp.Or(out.Breach, phrase.Breach(v)+reasonOf(f))
		write(v)
	}
	unread := func() bool {
		return out.WriteErr != nil && (r.Watch || errors.Is(out.WriteErr, syscall.EPIPE))
	}
	emit := func(f record.Finding) error {
		if unread() {
			return ErrEnded
		}
		write(f)
		if v, ok := f.(record.Violation); ok {
			out.Breach = cmp.Or(out.Breach, phrase.Breach(v))
		}
		for _, v := range judge.Finding(f) {
			violated(v, f)
		}
		if unread() || r.Watch && out.Breach != "" {
			return ErrEnded
		}
		return nil
	}
	if out.End, out.Err = r.Job(ctx, emit); errors.Is(out.Err, ErrEnded) {
		out.End.Complete, out.Err = false, nil
	}
	out.End.Finished = time.Now().UTC()
	// Rounded as documents have it, so that a replay is the same.
	out.End.Summary.Duration = probe.Millis(out.End.Finished.Sub(r.Start.Started).Round(time.Microsecond))
	out.End.Complete = out.End.Complete && out.Err == nil
	for _, v := range judge.End(out.End) {
		violated(v, nil)
	}
	out.Outcome, out.Doubt = judge.Outcome(), judge.Doubt()
	out.End.Outcome = out.Outcome
	if r.Wait == 0 { // else it is not known yet
		out.End.ExitCode = r.exitCode(out)
	}
	if out.WriteErr == nil {
		out.WriteErr = h.End(out.End)
	}
	return out
}

func (r Run) exitCode(of Result) int {
	if r.ExitCode == nil {
		return 0
	}
	return r.ExitCode(of)
}

// reasonOf is " (reset)" of an endpoint: what the state was concluded from.
func reasonOf(f record.Finding) string {
	if r, ok := f.(probe.Result); ok {
		return phrase.Because(r.Reason, 0)
	}
	return ""
}
