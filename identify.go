package main

import (
	"context"
	"sync"
	"time"

	"onmux/probe"
	"onmux/probe/service"
	"onmux/report"
)

// identifyParallel is how many endpoints of a scan are identified at a time,
// each with a few connections: --rate does not count them.
const identifyParallel = 16

// identifier adds to every open endpoint what speaks there before it is told.
// Findings that need no asking are told at once.
type identifier struct {
	ctx   context.Context
	emit  func(report.Finding) error
	slots chan struct{}
	asked sync.WaitGroup
	mu    sync.Mutex // around emit, which takes one finding at a time
	err   error      // the first of emit
}

func newIdentifier(ctx context.Context, emit func(report.Finding) error) *identifier {
	return &identifier{ctx: ctx, emit: emit, slots: make(chan struct{}, identifyParallel)}
}

// take is an emit for scan.Run: it waits only while all slots are taken. Its
// error is that of telling this finding or one before.
func (i *identifier) take(f report.Finding) error {
	r, ok := f.(probe.Result)
	if !ok || r.State != probe.Open {
		return i.tell(f)
	}
	i.slots <- struct{}{}
	i.asked.Go(func() {
		// What the service is, or that it cannot be told, does not change the state.
		r.Service, _ = service.Identify(i.ctx, r.Endpoint, service.Options{Host: r.Host, RTT: time.Duration(r.RTT)})
		<-i.slots
		_ = i.tell(r)
	})
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.err
}

func (i *identifier) tell(f report.Finding) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.err == nil {
		i.err = i.emit(f)
	}
	return i.err
}

// wait ends when all that was taken has been told.
func (i *identifier) wait() error {
	i.asked.Wait()
	return i.err
}
