package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/urfave/cli/v2"

	"onmux/probe"
	"onmux/probe/service"
	"onmux/report"
	"onmux/scan"
)

// Bounds of the probe command.
const (
	probeTimeout  = 3 * time.Second // covers the kernel's second SYN after one second
	probeParallel = 64
	probeMost     = 4096 // endpoints; more is a scan
)

func probeCommand() *cli.Command {
	return command(probeTimeout.String(), cli.Command{
		Name:      "probe",
		Usage:     "the whole truth about a few endpoints, TCP and UDP",
		ArgsUsage: "HOST[:PORT]...",
		Description: `Every address of the host is asked on every port: state, reason, round-trip
time and the evidence. --expect takes states (open, closed, filtered,
open|filtered, unreachable): onmux probe db1:5432/tcp --expect open --wait 30s`,
		UsageText: `  onmux probe db1 db2:5432/tcp       every address of both, side by side
  onmux probe [2001:db8::1]:53/udp -v
  onmux probe db1:5432/tcp --expect open --wait 30s -q`,
		Flags: append(repeatFlags(), pathFlag(), verifyFlag(aboutLooking), libraryFlag(aboutLooking),
			&cli.BoolFlag{Name: "no-identify", Category: aboutLooking, Usage: "do not ask what speaks on an open port", DisableDefaultText: true},
		),
		Action: func(c *cli.Context) error {
			s, err := newSession(c)
			if err != nil {
				return err
			}
			if c.NArg() == 0 {
				return usage(errors.New("probe needs a host"), "onmux probe HOST; onmux check looks at this machine from inside")
			}
			p := &prober{session: s, hosts: c.Args().Slice(), identify: !c.Bool("no-identify") && s.tellsMore(), verify: c.Bool("verify-open")}
			if err := s.readLibrary(c, p.identify); err != nil {
				return err
			}
			if c.Bool("path") {
				p.paths = make(chan struct{}, pathParallel)
			}
			if p.repeat, err = s.readRepeat(c); err != nil {
				return err
			}
			ctx, cancel := s.bound(c.Context)
			defer cancel()
			if s.wait == 0 { // with --wait, a name may appear meanwhile
				if p.asked, err = p.endpoints(ctx); err != nil {
					return s.targetFault(ctx, err)
				}
			}
			return s.run(ctx, map[string]string{"tcp": "connect", "udp": "udp"}, p.probe)
		},
	})
}

type prober struct {
	*session
	hosts    []string
	identify bool
	verify   bool           // look whether open is more than an answer
	repeat   *probe.Repeat  // nil: one attempt
	paths    chan struct{}  // bounds how many are followed together; nil: none is
	families families       // of what was told
	asked    []probe.Result // endpoints, if they were resolved beforehand
}

func (p *prober) probe(ctx context.Context, emit func(report.Finding) error) (report.End, error) {
	asked := p.asked
	if asked == nil {
		var err error
		if asked, err = p.endpoints(ctx); err != nil {
			return report.End{}, p.targetFault(ctx, err)
		}
	}
	if p.repeat != nil {
		return p.repeated(ctx, asked, emit)
	}
	end := p.begin("every address of the host that was found, each port once")
	for r := range p.ask(ctx, asked) {
		if err := p.tell(&end, r, emit); err != nil {
			return end, err
		}
	}
	if n := end.Summary.NotReached; n > 0 {
		end.Coverage = append(end.Coverage, fmt.Sprintf("not reached: %d of %d endpoints", n, len(asked)))
	}
	end.Coverage = append(end.Coverage, p.libraryNotes()...)
	return end, nil
}

func (p *prober) begin(coverage string) report.End {
	end := report.End{Complete: true, Coverage: []string{coverage}}
	end.Summary.States = make(map[string]uint64)
	p.families = make(families)
	return end
}

// tell counts and tells the verdict on one endpoint. One without tries was cut
// off before it was judged.
func (p *prober) tell(end *report.End, r probe.Result, emit func(report.Finding) error) error {
	if r.Tries == 0 {
		end.Complete = false
		end.Summary.NotReached++
		return nil
	}
	end.Summary.Targets++
	end.Summary.Probes += uint64(r.Tries)
	end.Summary.States[r.State.String()]++
	p.families.compare(&r)
	return emit(r)
}

// endpoints resolves the hosts: every address of each, in order, on each of its
// ports.
func (p *prober) endpoints(ctx context.Context) ([]probe.Result, error) {
	var asked []probe.Result
	found := newNames(ctx, net.DefaultResolver)
	for _, arg := range p.hosts {
		host, spec := probe.SplitHostPort(arg)
		ports := p.ports
		if spec != "" {
			var err error
			if ports, err = scan.ParsePorts([]string{spec}, p.protos); err != nil {
				return nil, usage(fmt.Errorf("%s: %w", arg, err), "")
			}
		}
		plan, err := scan.NewPlan(ctx, scan.PlanConfig{Targets: []string{host}, Ports: ports, IPv4: p.ipv4, IPv6: p.ipv6, Resolve: found.resolve})
		if err != nil {
			return nil, err
		}
		if plan.Host(plan.At(0).Addr) == "" && plan.AddrCount() > 1 {
			return nil, usage(fmt.Errorf("%s is a network, and probe asks hosts", host), "onmux scan "+host)
		}
		if uint64(len(asked))+plan.Len() > probeMost {
			return nil, usage(fmt.Errorf("more than %d endpoints are too many to probe", probeMost), "onmux scan takes any number")
		}
		for a := range plan.AddrCount() {
			for n := a; n < plan.Len(); n += plan.AddrCount() {
				e := plan.At(n)
				r := probe.Result{Endpoint: e, Host: plan.Host(e.Addr)}
				found.describe(&r)
				asked = append(asked, r)
			}
		}
	}
	return asked, nil
}

// ask asks every endpoint, many at a time, and yields the results in order. One
// that the context's end cut off comes back with no tries.
func (p *prober) ask(ctx context.Context, asked []probe.Result) iter.Seq[probe.Result] {
	return func(yield func(probe.Result) bool) {
		ctx, cancel := context.WithCancel(ctx)
		results := make([]chan probe.Result, len(asked))
		for i := range results {
			results[i] = make(chan probe.Result, 1)
		}
		var next atomic.Int64
		var workers sync.WaitGroup
		for range min(probeParallel, len(asked)) {
			workers.Go(func() {
				for i := next.Add(1) - 1; i < int64(len(asked)); i = next.Add(1) - 1 {
					results[i] <- p.one(ctx, asked[i])
				}
			})
		}
		defer workers.Wait()
		defer cancel()
		for i, c := range results {
			r := <-c
			p.progress.Update(uint64(i+1), uint64(len(asked)), 0, "probing")
			if !yield(r) {
				return
			}
		}
	}
}

// one asks an endpoint and, if it is open, what speaks there.
func (p *prober) one(ctx context.Context, r probe.Result) probe.Result {
	answer, err := p.attempt(ctx, r, p.askNaming)
	if err != nil {
		return r
	}
	return p.complete(ctx, answer)
}

// complete adds to a verdict what takes more than the question for it.
func (p *prober) complete(ctx context.Context, answer probe.Result) probe.Result {
	if p.identify && answer.Service == nil && answer.State == probe.Open {
		// That the service cannot be told does not change the state.
		answer.Service, _ = service.Identify(ctx, answer.Endpoint, service.Options{Host: answer.Host, RTT: time.Duration(answer.RTT), Library: p.library})
	}
	if p.verify {
		p.doubt(ctx, &answer)
	}
	if p.paths != nil {
		p.follow(ctx, &answer)
	}
	return answer
}

// attempt asks an endpoint until it is judged: running out of something local
// says nothing about it. The error is the context's.
func (p *prober) attempt(ctx context.Context, r probe.Result, ask asker) (probe.Result, error) {
	o := probe.Options{Timeout: cmp.Or(p.timeout, probeTimeout), Evidence: true, Resend: true}
	for pause := 10 * time.Millisecond; ; pause *= 2 {
		answer, err := ask(ctx, r.Endpoint, o)
		if errors.Is(err, probe.ErrBusy) && pause > time.Second {
			answer, err = probe.Result{Endpoint: r.Endpoint, State: probe.Unknown, Reason: probe.LocalError, Tries: 1, Error: err.Error()}, nil
		} else if errors.Is(err, probe.ErrBusy) && sleep(ctx, pause) {
			continue
		} else if err != nil {
			return r, cmp.Or(ctx.Err(), err)
		}
		answer.Host, answer.Lookup, answer.NAT64 = r.Host, r.Lookup, r.NAT64
		answer.Notes = slices.Concat(r.Notes, answer.Notes)
		return answer, nil
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
