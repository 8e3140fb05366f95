package main

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"onmux/probe"
)

// Bounds of paths. Routers tell of few packets a second that ended with them, so
// few paths are looked at together, as most go through the same ones.
const (
	hopTimeout   = time.Second
	pathParallel = 2
)

func pathFlag() cli.Flag {
	return &cli.BoolFlag{Name: "path", Category: aboutLooking, Usage: "who hands packets on to it, and who drops them", DisableDefaultText: true}
}

func verifyFlag(category string) cli.Flag {
	return &cli.BoolFlag{Name: "verify-open", Category: category, Usage: "is it a service: its conduct, and 4 random ports", DisableDefaultText: true}
}

// doubt looks what stands behind an open port.
func (p *prober) doubt(ctx context.Context, r *probe.Result) {
	if r.State != probe.Open {
		return
	}
	v, err := probe.VerifyOpen(ctx, r.Endpoint, probe.VerifyOptions{Timeout: cmp.Or(p.timeout, probeTimeout), RTT: time.Duration(r.RTT)})
	switch {
	case err == nil:
		v.Doubt(r)
	case ctx.Err() == nil:
		r.Notes = append(slices.Clone(r.Notes), "whether it is a service could not be looked at: "+err.Error())
	}
}

// follow adds the path to a verdict.
func (p *prober) follow(ctx context.Context, r *probe.Result) {
	if r.State == probe.Unknown || r.Reason == probe.NoNeighbour { // nothing left this machine
		return
	}
	select {
	case p.paths <- struct{}{}:
		defer func() { <-p.paths }()
	case <-ctx.Done():
		return
	}
	answered := r.State == probe.Open || r.State == probe.Closed || r.ICMP != probe.ICMP{}
	path, err := probe.Path(ctx, r.Endpoint, probe.PathOptions{Timeout: min(cmp.Or(p.timeout, hopTimeout), hopTimeout), Answered: answered})
	switch {
	case err != nil:
		r.Notes = append(slices.Clone(r.Notes), "the path: "+err.Error())
	case len(path) == 0 && r.Route != nil && !r.Route.Gateway.IsValid():
		r.Notes = append(slices.Clone(r.Notes), "the path: the target is on this network, so that no router lies between; it drops the packets itself")
	case len(path) == 0: // the report has no hops to tell
		r.Notes = append(slices.Clone(r.Notes), "the path: "+probe.TellPath(r.Endpoint, path))
	default:
		r.Evidence = append(slices.Clone(r.Evidence), probe.TellPath(r.Endpoint, path))
	}
	r.Path = path
}
