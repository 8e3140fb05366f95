package connect

import (
	"context"
	"errors"
	"fmt"
	"time"

	"onmux/probe"
	"onmux/scan/engine"
)

// askFunc makes one attempt: probe.Do.
type askFunc func(context.Context, probe.Endpoint, probe.Options) (probe.Result, error)

// attempts makes them as an engine is configured, and again while this machine is short of something.
// Any number of goroutines may use it.
type attempts struct {
	ask       func(probe.Endpoint, probe.Options) (probe.Result, error) // makes one, until the engine is closed
	evidence  bool
	local     probe.Local
	neighbors *neighborLimit
	refused   *counter // neighbors, by the table; nil where that is not known
	dropped   *counter // packets, by this machine's own firewall; nil if it is not watched
	pool      *pool
	closing   <-chan struct{}
}

// resendWait is how long an attempt takes at least in which the kernel sends a second SYN
// and so shows that none can leave.
const resendWait = 1200 * time.Millisecond

// one makes an attempt. Silence while the table of neighbors had no room proves nothing:
// the error is then probe.ErrNoRoom. Silence while this machine dropped packets is looked at for longer.
func (a *attempts) one(
	ctx context.Context, to probe.Endpoint, o probe.Options, ask askFunc,
) (probe.Result, error) {
	refused, dropped, begun := a.refused.before(ctx, to.Addr), a.dropped.before(ctx, to.Addr), time.Now()
	r, err := ask(ctx, to, o)
	if err != nil || r.Reason != probe.NoResponse {
		return r, err
	}
	// By then the packet had been sent, also where the machine is busy and that took long.
	sent := time.Now().Add(-o.Timeout / 2)
	if early := begun.Add(roomPause); sent.Before(early) {
		sent = early
	}
	if a.refused.increased(ctx, to.Addr, refused, sent) {
		return probe.Result{}, fmt.Errorf("%s: %w, so that nothing may have left this machine", to, probe.ErrNoRoom)
	}
	if to.Proto == probe.TCP && o.Timeout < resendWait && a.dropped.increased(ctx, to.Addr, dropped, sent) {
		o.Timeout = resendWait
		return ask(ctx, to, o)
	}
	return r, nil
}

// try makes an attempt, again and again while this machine is short of something. It
// returns false after silence.
func (a *attempts) try(p engine.Probe) (probe.Result, bool) {
	o := probe.Options{
		Evidence: a.evidence, Timeout: p.Wait, Try: p.Try, Neighbor: a.neighbors.contains(p.Endpoint.Addr),
		Local: a.local,
	}
	if p.Try > engine.MaxTries { // a control answers the first, and another flow
		o.Try, o.Local = 1, a.local.WithoutPort()
	}
	r, err := a.ask(p.Endpoint, o)
	if errors.Is(err, probe.ErrBusy) {
		r, err = a.retry(p, o, err)
	}
	switch {
	case errors.Is(err, probe.ErrBusy):
		return probe.Result{Reason: probe.LocalError, Error: err.Error()}, true
	case err != nil: // closed meanwhile
		return r, false
	}
	a.pool.grow()
	return r, r.Reason != probe.NoResponse
}

// retry makes the attempt again, at growing intervals, until it could be made,
// BusyTimeout is over or the engine is closed; the error is then the shortage.
func (a *attempts) retry(p engine.Probe, o probe.Options, err error) (probe.Result, error) {
	var r probe.Result
	since, pause := time.Now(), shortestBackoff
	for errors.Is(err, probe.ErrBusy) {
		if !errors.Is(err, probe.ErrNoRoom) { // which other endpoints do not meet
			a.pool.shrink(err, pause+time.Millisecond)
		}
		if time.Since(since) >= engine.BusyTimeout {
			break
		}
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-a.closing:
			t.Stop()
			return r, err
		}
		pause = min(2*pause, longestBackoff)
		r, err = a.ask(p.Endpoint, o)
	}
	return r, err
}
