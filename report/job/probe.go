package job

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"

	"onmux/probe"
	"onmux/probe/inquiry"
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
// ports. An endpoint to which several of them lead comes once, with all their names.
func (p *Probe) Endpoints(ctx context.Context) ([]probe.Result, error) {
	asked := endpoints{numbers: make(map[probe.Endpoint]int)}
	found := inquiry.NewNames(net.DefaultResolver)
	unresolved := func(failed *target.ResolveError) {
		asked.all = append(asked.all, inquiry.Unresolved(failed.Host, failed, failed.Ports)...)
	}
	if p.NeedsNames {
		unresolved = nil
	}
	for _, host := range p.Hosts {
		plan, err := target.NewPlan(ctx, target.Config{
			Targets: []string{host}, Ports: p.Ports, Protos: p.Protos, IPv4: p.IPv4, IPv6: p.IPv6, Resolve: found.Resolve,
			Unresolved: unresolved,
		})
		if errors.As(err, new(*target.ResolveError)) && ctx.Err() == nil && !p.NeedsNames {
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
		if uint64(len(asked.all))+plan.Len() > maxProbed {
			return nil, &wording.UsageError{
				Err:  fmt.Errorf("more than %d endpoints are too many to probe", maxProbed),
				Hint: "onmux scan takes any number",
			}
		}
		for a := range plan.AddrCount() {
			for n := a; n < plan.Len(); n += plan.AddrCount() {
				r := probe.Result{Endpoint: plan.At(n)}
				r.Origin = probe.OriginOf(plan.Hosts(r.Endpoint))
				if asked.add(r) {
					found.Describe(ctx, &asked.all[len(asked.all)-1])
				}
			}
		}
	}
	return asked.all, nil
}

// endpoints are those that are to be probed, each once.
type endpoints struct {
	all     []probe.Result
	numbers map[probe.Endpoint]int // in all
}

// add reports whether the endpoint is a new one. Otherwise its names are added to those
// that lead to it.
func (e *endpoints) add(r probe.Result) bool {
	i, known := e.numbers[r.Endpoint]
	if !known {
		e.numbers[r.Endpoint] = len(e.all)
		e.all = append(e.all, r)
		return true
	}
	e.all[i].AddHost(r.Host)
	return false
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
		if err := emitProbed(ctx, &end, r, emit); err != nil {
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
func emitProbed(ctx context.Context, end *record.End, r probe.Result, emit func(record.Finding) error) error {
	if r.Tries == 0 {
		end.Complete = false
		end.Summary.NotReached++
		return nil
	}
	end.Summary.Targets++
	end.Summary.Probes += uint64(r.Tries)
	end.Summary.States[r.State.String()]++
	r.MAC = new(macs).of(ctx, &r)
	return emit(phrase.Finding(r))
}

// refresh resolves the hosts again.
func (p *Probe) refresh(ctx context.Context) ([]probe.Result, error) {
	all, err := p.Endpoints(ctx)
	return slices.DeleteFunc(all, func(r probe.Result) bool { return !r.Addr.IsValid() }), err
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
	repeat := *p.Repeat
	if names.Summary.Targets > 0 || slices.ContainsFunc(asked, func(r probe.Result) bool { return r.Host != "" }) {
		repeat.Refresh = p.refresh
	}
	finals, cut, err := inquiry.New(p.Inquiry).RunRepeatedly(ctx, repeat, asked, each)
	end := newEnd(coverage.Repeated(p.Repeat.Count))
	end.Summary = names.Summary
	for _, r := range finals {
		if err == nil {
			err = emitProbed(ctx, &end, r, emit)
		}
	}
	if cut > 0 {
		end.Complete = false
		end.Coverage = append(end.Coverage, coverage.CutOff(cut, len(asked)))
	}
	return end, err
}
