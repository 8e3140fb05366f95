package scan

import (
	"context"
	"errors"
	"time"

	"onmux/probe"
	"onmux/scan/engine"
)

// errExhausted says that the machine was out of resources for longer than
// patience.
type errExhausted struct{ error }

func (s *sweep) run(ctx context.Context, emit func(Finding) error) (Outcome, error) {
	s.begun = time.Now()
	s.sentAt = s.begun
	s.pace = newPacer(s.Rate, s.begun)
	s.timer = time.NewTimer(0)
	defer s.timer.Stop()

	ctx, halt := context.WithCancelCause(ctx)
	defer halt(nil)
	s.halt = halt
	s.out = startEmitter(emit, halt)
	s.retell(ctx)
	var stopped, failed error
	var notes []string
	if s.Resume == nil || !s.Resume.Complete() {
		notes, stopped, failed = s.ask(ctx)
	} else if s.Engine != nil {
		failed = s.Engine.Close()
	}
	s.tell()
	failed = errors.Join(failed, s.out.close())
	o := s.outcome(stopped, failed)
	o.Notes = append(o.Notes, notes...)
	return o, failed
}

// ask makes all the passes, hears the answers and keeps checkpoints. It returns what
// went wrong beside, why it stopped before the end, if it did, and what failed.
func (s *sweep) ask(ctx context.Context) (notes []string, stopped, failed error) {
	hearing := make(chan error, 1)
	go func() { hearing <- s.receive(context.WithoutCancel(ctx)) }()
	keeper := s.startKeeper()
	stopped = s.askAll(ctx)
	closing := s.Engine.Close()
	failed = <-hearing
	s.tellAllFresh()
	keeper.close()
	if failed == nil && ctx.Err() == nil && !errors.As(stopped, new(errExhausted)) {
		failed = stopped
	}
	if closing != nil {
		notes = append(notes, "closing the sockets failed: "+closing.Error())
	}
	if err := s.lastSave(stopped); err != nil {
		notes = append(notes, err.Error())
	}
	return notes, stopped, failed
}

// askAll makes the passes that are owed. It returns why it stopped before the
// end: the context's cause, the engine's error, or errExhausted.
func (s *sweep) askAll(ctx context.Context) error {
	if s.size == 0 {
		return nil
	}
	for {
		asks, turns, more := s.walk.asks, false, true
		if s.over {
			asks, turns, more = s.next()
		}
		if !more {
			// What was told to wait longer, or could not leave at once, may
			// still be answered, and no pass follows to make up for it.
			s.drain(ctx, s.wait()+engine.BusyTimeout)
			asks, turns, more = s.next()
		}
		if !more {
			again, err := s.believe(ctx)
			if err != nil {
				return err
			}
			asks, more = byProto[bool]{probe.TCP: true}, again
		}
		if !more {
			break
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if s.over {
			s.begin(asks, turns)
		}
		s.spare()
		err := s.pass(ctx)
		s.drain(context.Background(), s.pause())
		if err != nil {
			s.giveUp(err)
			return err
		}
		s.end()
	}
	if ctx.Err() != nil && s.Engine.Pending() > 0 {
		return context.Cause(ctx)
	}
	s.watch(time.Now(), 0)
	return nil
}
