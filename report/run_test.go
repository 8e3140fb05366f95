package report

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"onmux/probe"
	"onmux/report/expect"
	"onmux/report/record"
)

// A run with Wait writes one attempt, the one that mattered.
func TestRunWaits(t *testing.T) {
	open, err := expect.Parse("open", "probe")
	if err != nil {
		t.Fatal(err)
	}
	notYet := errors.New("no such host yet")
	for _, c := range []struct {
		name   string
		wait   time.Duration
		job    func(attempt int) (probe.State, error)
		want   record.Outcome
		late   bool
		err    error
		tries  int
		lasted time.Duration
	}{
		{"at once", time.Minute, func(int) (probe.State, error) { return probe.Open, nil }, record.Holds, false, nil,
			1, 0},
		{"third time", time.Minute, func(n int) (probe.State, error) {
			return []probe.State{probe.Closed, probe.Closed, probe.Open}[n], nil
		}, record.Holds, false, nil, 3, 300 * time.Millisecond},
		{"never", time.Second, func(int) (probe.State, error) { return probe.Closed, nil }, record.Fails, true, nil, 4,
			time.Second},
		{"name appears", time.Minute, func(n int) (probe.State, error) {
			if n == 0 {
				return 0, notYet
			}
			return probe.Open, nil
		}, record.Holds, false, nil, 2, 100 * time.Millisecond},
		{"name never appears", time.Second, func(int) (probe.State, error) { return 0, notYet }, record.CannotTell,
			true, notYet, 4, time.Second},
		{"hopeless", time.Minute, func(int) (probe.State, error) { return 0, errors.ErrUnsupported },
			record.CannotTell, false, errors.ErrUnsupported, 1, 0},
		{"without waiting", 0, func(int) (probe.State, error) { return probe.Closed, nil }, record.Fails, false, nil,
			1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tries := 0
				r := Run{
					Start: record.Start{Started: time.Now()}, Expect: []expect.Expectation{open}, Wait: c.wait,
					Again: func(err error) bool { return errors.Is(err, notYet) },
					Job: func(_ context.Context, emit func(record.Finding) error) (record.End, error) {
						state, err := c.job(tries)
						tries++
						if err != nil {
							return record.End{}, err
						}
						emit(probe.Result{State: state})
						return record.End{Complete: true}, nil
					},
				}
				began := time.Now()
				var kept record.Recording
				result := r.Do(context.Background(), &kept)
				if result.Outcome != c.want || result.Late != c.late || !errors.Is(result.Err, c.err) ||
					tries != c.tries ||
					time.Since(began) != c.lasted {
					t.Errorf("%+v after %d tries and %s", result, tries, time.Since(began))
				}
				if len(kept.Findings) > 2 {
					t.Errorf("wrote more than one attempt: %v", kept.Findings)
				}
			})
		})
	}
}

// The end of the context ends the waiting; that is not late but cut off.
func TestRunCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		open, _ := expect.Parse("open", "probe")
		result := Run{Expect: []expect.Expectation{open}, Wait: time.Minute, Again: func(error) bool { return true },
			Job: func(ctx context.Context, emit func(record.Finding) error) (record.End, error) {
				return record.End{}, ctx.Err()
			},
		}.Do(ctx, &record.Recording{})
		if result.Late || result.Outcome == record.Holds {
			t.Errorf("%+v", result)
		}
	})
}

// failing is a handler whose output breaks at the first record.
type failing struct {
	record.Func
	calls int
}

var errBroken = errors.New("broken")

func newFailing() *failing {
	f := &failing{}
	f.Func = func(record.Finding) error { f.calls++; return errBroken }
	return f
}

func (f *failing) Start(record.Start) error { return nil }
func (f *failing) End(record.End) error     { f.calls++; return nil }

// Where nothing can be written the job goes on: its outcome does not depend on it.
func TestRunGoesOnWithoutOutput(t *testing.T) {
	open, err := expect.Parse("open", "probe")
	if err != nil {
		t.Fatal(err)
	}
	for _, wait := range []time.Duration{0, time.Minute} {
		h, emitted := newFailing(), 0
		result := Run{Expect: []expect.Expectation{open}, Wait: wait, Again: func(error) bool { return false },
			Job: func(_ context.Context, emit func(record.Finding) error) (record.End, error) {
				for range 3 {
					if err := emit(probe.Result{State: probe.Open}); err != nil {
						return record.End{}, err
					}
					emitted++
				}
				return record.End{Complete: true}, nil
			}}.Do(context.Background(), h)
		if result.WriteErr != errBroken || h.calls != 1 || emitted != 3 || result.Outcome != record.Holds ||
			result.Err != nil {
			t.Errorf("wait %s: %+v, %d calls, %d records", wait, result, h.calls, emitted)
		}
	}
}

// unread fails as a pipe does that nobody reads any more, from the second record on.
type unread struct {
	record.Nop
	written int
}

func (u *unread) Endpoint(probe.Result) error {
	if u.written++; u.written > 1 {
		return fmt.Errorf("writing: %w", syscall.EPIPE)
	}
	return nil
}

func TestRunEndsWithItsReader(t *testing.T) {
	emitted := 0
	r := Run{Job: func(_ context.Context, emit func(record.Finding) error) (record.End, error) {
		for range 100 {
			emitted++
			if err := emit(probe.Result{State: probe.Open}); err != nil {
				return record.End{Complete: true}, err
			}
		}
		return record.End{Complete: true}, nil
	}}.Do(t.Context(), &unread{})
	if emitted != 2 || r.Err != nil || r.End.Complete || !errors.Is(r.WriteErr, syscall.EPIPE) {
		t.Errorf("%d records, %+v", emitted, r)
	}
}
