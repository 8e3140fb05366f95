package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
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
	greetTimeout  = 2 * time.Second
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
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "no-identify", Category: "looking", Usage: "do not listen to what an open port says", DisableDefaultText: true},
		},
		Action: func(c *cli.Context) error {
			s, err := newSession(c)
			if err != nil {
				return err
			}
			if c.NArg() == 0 {
				return usage(errors.New("probe needs a host"), "onmux probe HOST; onmux check looks at this machine from inside")
			}
			p := &prober{session: s, hosts: c.Args().Slice(), identify: !c.Bool("no-identify") && s.tellsMore()}
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
	end := report.End{Complete: true, Coverage: []string{"every address of the host that was found, each port once"}}
	end.Summary.States = make(map[string]uint64)
	for r := range p.ask(ctx, asked) {
		if r.Tries == 0 { // cut off before it was judged
			end.Complete = false
			end.Summary.NotReached++
			continue
		}
		end.Summary.Targets++
		end.Summary.Probes += uint64(r.Tries)
		end.Summary.States[r.State.String()]++
		if err := emit(r); err != nil {
			return end, err
		}
	}
	if n := end.Summary.NotReached; n > 0 {
		end.Coverage = append(end.Coverage, fmt.Sprintf("not reached: %d of %d endpoints", n, len(asked)))
	}
	return end, nil
}

// endpoints resolves the hosts: every address of each, in order, on each of its
// ports.
func (p *prober) endpoints(ctx context.Context) ([]probe.Result, error) {
	var asked []probe.Result
	for _, arg := range p.hosts {
		host, spec := probe.SplitHostPort(arg)
		ports := p.ports
		if spec != "" {
			var err error
			if ports, err = scan.ParsePorts([]string{spec}, p.protos); err != nil {
				return nil, usage(fmt.Errorf("%s: %w", arg, err), "")
			}
		}
		plan, err := scan.NewPlan(ctx, scan.PlanConfig{Targets: []string{host}, Ports: ports, IPv4: p.ipv4, IPv6: p.ipv6})
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
				asked = append(asked, probe.Result{Endpoint: e, Host: plan.Host(e.Addr)})
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

// one asks an endpoint until it is judged: running out of something local says
// nothing about it.
func (p *prober) one(ctx context.Context, r probe.Result) probe.Result {
	timeout := cmp.Or(p.timeout, probeTimeout)
	host := r.Host
	for pause := 10 * time.Millisecond; ; pause *= 2 {
		answer, err := probe.Ask(ctx, r.Endpoint, probe.Options{Timeout: timeout, Evidence: true, Resend: true})
		if errors.Is(err, probe.ErrBusy) && pause > time.Second {
			answer = probe.Result{Endpoint: r.Endpoint, State: probe.Unknown, Reason: probe.LocalError, Tries: 1, Error: err.Error()}
		} else if errors.Is(err, probe.ErrBusy) && sleep(ctx, pause) {
			continue
		} else if err != nil {
			return r
		}
		answer.Host = host
		if p.identify && answer.State == probe.Open && answer.Proto == probe.TCP {
			// That the greeting could not be heard does not change the state.
			answer.Service, _ = service.Greet(ctx, r.Endpoint, min(timeout, greetTimeout))
		}
		return answer
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
