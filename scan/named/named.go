package named

import (
	"context"
	"time"

	"onmux/probe"
	"onmux/scan/control"
	"onmux/scan/engine"
)

// Most bounds the controls that a user names.
const Most = 64

// Controls are the endpoints that a user named. They need not be in the plan, so an
// engine of their own asks them, each attempt by another source port.
type Controls struct {
	Endpoints []probe.Endpoint
	Engine    engine.Engine
}

// Receiver takes in answers, as control.Watch does. It must be safe for concurrent use.
type Receiver interface {
	MarkControls(answers []engine.Answer, isControl []bool)
}

// Asker asks named controls, whose indexes begin at the end of the plan. Its methods are
// called by one goroutine at a time.
type Asker struct {
	Controls
	first    uint64
	to       Receiver
	asked    []uint64 // probes to each
	answered []bool   // the receiving goroutine's, until it has ended
	ended    chan struct{}
}

// NewAsker makes an Asker whose first control has the index first. Answers go to to.
func NewAsker(c Controls, first uint64, to Receiver) *Asker {
	return &Asker{
		Controls: c, first: first, to: to,
		asked: make([]uint64, len(c.Endpoints)), answered: make([]bool, len(c.Endpoints)),
	}
}

// Split puts the named controls first, and separates them from those of the plan.
func (a *Asker) Split(controls []control.Control) (named, planned []control.Control) {
	first := 0
	for i, c := range controls {
		if c.Index >= a.first && a.Engine != nil {
			controls[first], controls[i] = controls[i], controls[first]
			first++
		}
	}
	return controls[:first], controls[first:]
}

// Ask sends probes to named controls, and returns how many left.
func (a *Asker) Ask(ctx context.Context, controls []control.Control, wait time.Duration) int {
	if len(controls) == 0 {
		return 0
	}
	batch := make([]engine.Probe, 0, len(controls))
	for _, c := range controls {
		batch = append(batch, engine.Probe{
			Index: c.Index, Endpoint: a.Endpoints[c.Index-a.first], Try: engine.MaxTries + c.Flow, Wait: wait,
		})
	}
	sent, _ := a.Engine.Send(ctx, batch) // the rest counts as not sent
	sent = min(max(sent, 0), len(batch))
	for _, c := range controls[:sent] {
		a.asked[c.Index-a.first]++
	}
	return sent
}

// Start receives what the controls answer until Stop is called.
func (a *Asker) Start(ctx context.Context) {
	if a.Engine == nil {
		return
	}
	a.ended = make(chan struct{})
	go func() {
		defer close(a.ended)
		buf, isControl := make([]engine.Answer, engine.MaxBatch), make([]bool, engine.MaxBatch)
		for {
			got, err := a.Engine.Receive(ctx, buf)
			got = min(max(got, 0), len(buf))
			a.to.MarkControls(buf[:got], isControl[:got])
			for _, r := range buf[:got] {
				if i := r.Index - a.first; i < uint64(len(a.answered)) && control.Answers(r.Reason) {
					a.answered[i] = true
				}
			}
			if err != nil {
				return
			}
		}
	}()
}

// Stop closes the engine, and returns when all answers were taken in.
func (a *Asker) Stop() error {
	if a.Engine == nil {
		return nil
	}
	err := a.Engine.Close()
	if a.ended != nil {
		<-a.ended
	}
	return err
}

// Silent are the controls that have never answered, and how often each was asked. It may
// be used after Stop.
func (a *Asker) Silent(yield func(e probe.Endpoint, asked uint64) bool) {
	for i, asked := range a.asked {
		if asked > 0 && !a.answered[i] && !yield(a.Endpoints[i], asked) {
			return
		}
	}
}
