package inquiry

import (
	"context"
	"errors"
	"net"
	"time"

	"onmux/probe"
	"onmux/probe/decoy"
	"onmux/probe/farend"
	"onmux/probe/traceroute"
)

// attemptFunc makes one attempt, as probe.Do does.
type attemptFunc func(context.Context, probe.Endpoint, probe.Options) (probe.Result, error)

// verify examines whether an open port is more than something that answers.
func (q *Inquiry) verify(ctx context.Context, r *probe.Result) error {
	if r.State != probe.Open {
		return nil
	}
	v, err := decoy.Verify(ctx, r.Endpoint, decoy.Options{Timeout: q.Timeout, RTT: time.Duration(r.RTT)})
	if err == nil {
		v.ApplyTo(r)
	}
	return err
}

// askFarEnd asks for the listener with the key, if something may be there. Over UDP its answer
// decides the state, too.
func (q *Inquiry) askFarEnd(ctx context.Context, r *probe.Result) error {
	if r.State != probe.Open && r.State != probe.OpenFiltered {
		return nil
	}
	found, err := farend.Ask(ctx, new(net.Dialer).DialContext, r.Endpoint,
		farend.Options{Key: *q.FarEnd, Timeout: q.Timeout, Path: q.Path})
	if errors.Is(err, farend.ErrNoAnswer) {
		r.FarEnd = new(probe.FarEnd)
		return nil
	} else if err != nil {
		return err
	}
	r.FarEnd = found
	if r.State == probe.OpenFiltered {
		r.State, r.Reason, r.RTT, r.Confidence, r.Doubts = probe.Open, probe.UDPResponse, found.RTT, probe.High, nil
	}
	return nil
}

// addPath adds the path to a verdict, or as much of it as was found.
func (q *Inquiry) addPath(ctx context.Context, r *probe.Result) error {
	if r.State == probe.Unknown || r.Reason == probe.NoNeighbor { // nothing left this machine
		return nil
	}
	select {
	case q.paths <- struct{}{}:
		defer func() { <-q.paths }()
	case <-ctx.Done():
		return ctx.Err()
	}
	answered := r.State == probe.Open || r.State == probe.Closed || r.ICMP != probe.ICMP{}
	o := traceroute.Options{Timeout: min(q.Timeout, hopTimeout), Answered: answered}
	path, err := traceroute.Run(ctx, r.Endpoint, o)
	switch {
	case err != nil:
	case len(path) == 0 && r.Route != nil && !r.Route.Gateway.IsValid():
		addFact(r, probe.Fact{Kind: probe.FactNoRouter})
	case len(path) == 0: // a report has no hops to show
		addFact(r, probe.Fact{Kind: probe.FactNoHop})
	}
	r.Path = path
	return err
}
