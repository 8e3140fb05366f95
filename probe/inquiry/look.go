package inquiry

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"onmux/probe"
	"onmux/probe/decoy"
	"onmux/probe/service"
	"onmux/probe/traceroute"
)

// asker makes one attempt, as probe.Ask does.
type asker func(context.Context, probe.Endpoint, probe.Options) (probe.Result, error)

// askNaming asks e. A UDP port that stays silent is asked in other tongues
// meanwhile: if it answers one of those, it is open after all.
func (q *Inquiry) askNaming(ctx context.Context, e probe.Endpoint, o probe.Options) (probe.Result, error) {
	if !q.Identify || e.Proto != probe.UDP {
		return probe.Ask(ctx, e, o)
	}
	asking, judged := context.WithCancel(ctx)
	naming, unheard := context.WithTimeout(asking, o.Timeout)
	var found *probe.Service
	var others sync.WaitGroup
	others.Go(func() {
		if sleep(naming, udpHead) {
			if found, _ = service.Identify(naming, e, service.Options{Library: q.Library}); found != nil {
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
		Evidence: []string{fmt.Sprintf("a datagram in answer to the question %q, within %s", found.Probe,
			time.Since(start).Round(time.Millisecond))},
	}, nil
}

// doubt looks what stands behind an open port.
func (q *Inquiry) doubt(ctx context.Context, r *probe.Result) error {
	if r.State != probe.Open {
		return nil
	}
	v, err := decoy.Verify(ctx, r.Endpoint, decoy.Options{Timeout: q.Timeout, RTT: time.Duration(r.RTT)})
	if err == nil {
		v.ApplyTo(r)
	}
	return err
}

// follow adds the path to a verdict, or what of it was found.
func (q *Inquiry) follow(ctx context.Context, r *probe.Result) error {
	if r.State == probe.Unknown || r.Reason == probe.NoNeighbour { // nothing left this machine
		return nil
	}
	select {
	case q.paths <- struct{}{}:
		defer func() { <-q.paths }()
	case <-ctx.Done():
		return ctx.Err()
	}
	answered := r.State == probe.Open || r.State == probe.Closed || r.ICMP != probe.ICMP{}
	path, err := traceroute.Run(ctx, r.Endpoint, traceroute.Options{Timeout: min(q.Timeout, hopTimeout),
		Answered: answered})
	switch {
	case err != nil:
	case len(path) == 0 && r.Route != nil && !r.Route.Gateway.IsValid():
		r.Notes = append(slices.Clone(r.Notes),
			"the path: the target is on this network, so that no router lies between; it drops the packets itself")
	case len(path) == 0: // the report has no hops to tell
		r.Notes = append(slices.Clone(r.Notes), "the path: "+traceroute.Describe(r.Endpoint, path))
	default:
		r.Evidence = append(slices.Clone(r.Evidence), traceroute.Describe(r.Endpoint, path))
	}
	r.Path = path
	return err
}
