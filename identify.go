package main

import (
	"context"
	"fmt"
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

// asker makes one attempt, as probe.Ask does.
type asker func(context.Context, probe.Endpoint, probe.Options) (probe.Result, error)

// udpHead is the time that a UDP port has to answer the question of its own
// number before it is asked others.
const udpHead = 300 * time.Millisecond

// askNaming asks e. A UDP port that stays silent is asked in other tongues
// meanwhile: if it answers one of those, it is open after all.
func (p *prober) askNaming(ctx context.Context, e probe.Endpoint, o probe.Options) (probe.Result, error) {
	if !p.identify || e.Proto != probe.UDP {
		return probe.Ask(ctx, e, o)
	}
	asking, judged := context.WithCancel(ctx)
	naming, unheard := context.WithTimeout(asking, o.Timeout)
	var found *probe.Service
	var others sync.WaitGroup
	others.Go(func() {
		if sleep(naming, udpHead) {
			if found, _ = service.Identify(naming, e, service.Options{}); found != nil {
				judged()
			}
		}
	})
	start := time.Now()
	r, err := probe.Ask(asking, e, o)
	if err == nil && r.State != probe.OpenFiltered {
		unheard()
	}
	others.Wait()
	unheard()
	judged()
	if found == nil || err == nil && r.State != probe.OpenFiltered {
		return r, err
	}
	return probe.Result{
		Endpoint: e, State: probe.Open, Reason: probe.UDPResponse, Tries: 1, Confidence: probe.High, Service: found,
		Evidence: []string{fmt.Sprintf("a datagram in answer to the question %q, within %s", found.Probe, time.Since(start).Round(time.Millisecond))},
	}, nil
}
