package report

import (
	"cmp"
	"context"
	"time"

	"onmux/probe"
)

// Job finds out and tells its findings one by one; how it ended is for the
// stream's end. An error is one that left the question unanswered.
type Job func(ctx context.Context, emit func(Finding) error) (End, error)

// Run is a job to be told and to be held against expectations.
type Run struct {
	Start  Start
	Job    Job
	Expect []Expectation

	// Wait repeats the job, with pauses that grow from 100 ms to 2 s, until the
	// expectations hold or so much time has passed; 0 does it once. The last
	// whole attempt is told, as if it were the only one.
	Wait  time.Duration
	Again func(error) bool // whether a job's error may be gone in a moment; needed to Wait
}

// Told is what came of a Run.
type Told struct {
	Outcome Outcome
	End     End
	Err     error  // the job's
	Late    bool   // Wait ran out first
	Breach  string // why it is not as expected, in one line; of several the first
	Doubt   string // why it cannot be told, likewise, if a finding is the reason
}

// Tell does the job and tells h. An error of h is its own: the run goes on.
func (r Run) Tell(ctx context.Context, h Handler) Told {
	if r.Wait == 0 {
		return r.once(ctx, h)
	}
	limited, cancel := context.WithTimeout(ctx, r.Wait)
	defer cancel()
	var last Told
	var kept *Recording
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		attempt := &Recording{}
		told := r.once(limited, attempt)
		if told.End.Complete || kept == nil {
			last, kept = told, attempt
		}
		if told.Outcome == Holds && told.Err == nil || told.Err != nil && !r.Again(told.Err) || !sleep(limited, pause) {
			break
		}
	}
	last.Late = (last.Outcome != Holds || last.Err != nil) && limited.Err() != nil && ctx.Err() == nil
	kept.Replay(h)
	return last
}

// once does the job, telling h as it goes.
func (r Run) once(ctx context.Context, h Handler) Told {
	judge := NewJudge(r.Expect)
	h.Start(r.Start)
	var breach string
	violated := func(v Violation, f Finding) {
		breach = cmp.Or(breach, v.breach()+reasonOf(f))
		h.Finding(v)
	}
	tell := func(f Finding) error {
		h.Finding(f)
		if v, ok := f.(Violation); ok {
			breach = cmp.Or(breach, v.breach())
		}
		for _, v := range judge.Finding(f) {
			violated(v, f)
		}
		return nil
	}
	end, err := r.Job(ctx, tell)
	end.Finished = time.Now().UTC()
	end.Summary.Duration = probe.Millis(end.Finished.Sub(r.Start.Started).Round(time.Microsecond)) // as documents have it, so that a replay says the same
	end.Complete = end.Complete && err == nil
	for _, v := range judge.End(end) {
		violated(v, nil)
	}
	end.Outcome = judge.Outcome()
	h.End(end)
	return Told{Outcome: end.Outcome, End: end, Err: err, Breach: breach, Doubt: judge.Doubt()}
}

// reasonOf is " (reset)" of an endpoint: what the state was concluded from.
func reasonOf(f Finding) string {
	if r, ok := f.(probe.Result); ok {
		return because(r.Reason, 0)
	}
	return ""
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
