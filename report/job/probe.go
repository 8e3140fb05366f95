package job

import (
	"context"
	"errors"
	"fmt"
	"net"

	"onmux/probe"
	"onmux/probe/inquiry"
	"onmux/probe/ports"
	"onmux/probe/wording"
	"onmux/report/phrase"
	"onmux/report/phrase/coverage"
	"onmux/report/record"
	"onmux/scan/target"
)

// maxProbed is how many endpoints are probed; more is a scan.
const maxProbed = 4096

// Probe finds out everything about a few endpoints.
type Probe struct {
	Hosts      []string
	Ports      []probe.Port  // of hosts that have none of their own
	Protos     []probe.Proto // of ports with no suffix
	IPv4, IPv6 bool
	Inquiry    inquiry.Config
	Repeat     *inquiry.Repeat // nil: one attempt
	NeedsNames bool            // a name without an address is an error
	First      uint64          // open endpoints after which it stops; 0 is none
}

// Endpoints resolves the hosts: every address of each, in order, on each of its
// ports.
func (p *Probe) Endpoints(ctx context.Context) ([]probe.Result, error) {
	var asked []probe.Result
	found := inquiry.NewNames(net.DefaultResolver)
	for _, arg := range p.Hosts {
		host, spec := probe.SplitHostPort(arg)
		on := p.Ports
		if spec != "" {
			var err error
			if on, err = ports.Parse([]string{spec}, p.Protos); err != nil {
				return nil, &wording.UsageError{Err: fmt.Errorf("%s: %w", arg, err)}
			}
		}
		plan, err := target.NewPlan(
			ctx,
			target.Config{Targets: []string{host}, Ports: on, IPv4: p.IPv4, IPv6: p.IPv6, Resolve: found.Resolve},
		)
		if failed, ok := errors.AsType[*target.ResolveError](err); ok && ctx.Err() == nil && !p.NeedsNames {
			asked = append(asked, inquiry.Unresolved(failed.Host, failed, on)...)
			continue
		}
		if err != nil {
			return nil, coverage.PlanError(err)
		}
		if plan.Host(plan.At(0).Addr) == "" && plan.AddrCount() > 1 {
			return nil, &wording.UsageError{
				Err: fmt.Errorf("%s is a network; probe takes hosts", host), Hint: "onmux scan " + host,
			}
		}
		if uint64(len(asked))+plan.Len() > maxProbed {
			return nil, &wording.UsageError{
				Err:  fmt.Errorf("more than %d endpoints are too many to probe", maxProbed),
				Hint: "onmux scan takes any number",
			}
		}
		for a := range plan.AddrCount() {
			for n := a; n < plan.Len(); n += plan.AddrCount() {
				e := plan.At(n)
				r := probe.Result{Endpoint: e, Origin: probe.Origin{Host: plan.Host(e.Addr)}}
				found.Describe(ctx, &r)
				asked = append(asked, r)
			}
		}
	}
	return asked, nil
}

// Run probes the endpoints, and emits a record for each.
func (p *Probe) Run(
	ctx context.Context,
	asked []probe.Result,
	emit func(record.Finding) error,
) (record.End, error) {
	if p.Repeat != nil {
		return p.repeated(ctx, asked, emit)
	}
	limit := &first{most: p.First}
	return limit.run(ctx, emit, func(ctx context.Context, emit func(record.Finding) error) (record.End, error) {
		return p.once(ctx, asked, limit.judged, emit)
	})
}

// once probes each endpoint once. judged is called as soon as an endpoint is, before its record
// is emitted in its turn.
func (p *Probe) once(
	ctx context.Context,
	asked []probe.Result,
	judged func(probe.Result),
	emit func(record.Finding) error,
) (record.End, error) {
	end := newEnd(coverage.Addresses)
	asked, err := takeUnresolved(asked, &end, emit)
	if err != nil {
		return end, err
	}
	cut, config := 0, p.Inquiry
	config.Judged = judged
	for r, short := range inquiry.New(config).Run(ctx, asked) {
		if err := emitProbed(&end, r, emit); err != nil {
			return end, err
		}
		if short != nil && r.Tries > 0 {
			cut++
		}
	}
	if cut > 0 {
		end.Complete = false
		end.Coverage = append(end.Coverage, coverage.NotFully(cut, len(asked)))
	}
	if n := end.Summary.NotReached; n > 0 {
		end.Coverage = append(end.Coverage, coverage.NotReached(n, len(asked)))
	}
	end.Coverage = append(end.Coverage, coverage.Fingerprints(p.Inquiry.Library)...)
	return end, nil
}

func newEnd(coverage string) record.End {
	end := record.End{Complete: true, Coverage: []string{coverage}}
	end.Summary.States = make(map[string]uint64)
	return end
}

// emitProbed counts and emits the result of one endpoint. One without tries was cut off
// before it had a result.
func emitProbed(end *record.End, r probe.Result, emit func(record.Finding) error) error {
	if r.Tries == 0 {
		end.Complete = false
		end.Summary.NotReached++
		return nil
	}
	end.Summary.Targets++
	end.Summary.Probes += uint64(r.Tries)
	end.Summary.States[r.State.String()]++
	return emit(phrase.Finding(r))
}

// repeated emits each attempt as it ends, and then the results.
func (p *Probe) repeated(
	ctx context.Context,
	asked []probe.Result,
	emit func(record.Finding) error,
) (record.End, error) {
	each := func(a probe.Attempt) error { return emit(a) }
	names := newEnd("")
	asked, err := takeUnresolved(asked, &names, emit)
	if err != nil {
		return names, err
	}
	finals, cut, err := inquiry.New(p.Inquiry).RunRepeatedly(ctx, *p.Repeat, asked, each)
	end := newEnd(coverage.Repeated(p.Repeat.Count))
	end.Summary = names.Summary
	for _, r := range finals {
		if err == nil {
			err = emitProbed(&end, r, emit)
		}
	}
	if cut > 0 {
		end.Complete = false
		end.Coverage = append(end.Coverage, coverage.CutOff(cut, len(asked)))
	}
	return end, err
}
