package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/urfave/cli/v2"

	"onmux/probe"
	"onmux/probe/inquiry"
	"onmux/probe/ports"
	"onmux/report"
	"onmux/report/help"
	"onmux/report/phrase"
	"onmux/report/record"
	"onmux/scan/target"
)

// maxProbed is how many endpoints probe takes; more is a scan.
const maxProbed = 4096

func probeCommand() *cli.Command {
	return command(inquiry.DefaultTimeout.String(), cli.Command{
		Name:      "probe",
		Usage:     "everything about a few endpoints, TCP and UDP",
		ArgsUsage: "HOST[:PORT]...",
		Description: `Probes every port on every address of the host: state, reason, round-trip
time and the evidence. --expect takes states (open, closed, filtered,
open|filtered, unreachable): onmux probe db1:5432/tcp --expect open --wait 30s`,
		UsageText: `  onmux probe db1 db2:5432/tcp       every address of both, side by side
  onmux probe [2001:db8::1]:53/udp -v
  onmux probe db1:5432/tcp --expect open --wait 30s -q`,
		Flags: append(
			repeatFlags(),
			verifyFlag(categoryGeneral),
			libraryFlag(categoryGeneral),
			openFlag(),
			serviceFlag(categoryVerify),
			&cli.BoolFlag{Name: "path", Category: categoryGeneral,
				Usage: "show the routers on the way (traceroute)", DisableDefaultText: true},
			&cli.BoolFlag{Name: "no-identify", Category: categoryGeneral,
				Usage: "do not identify the service on an open port", DisableDefaultText: true},
			&cli.BoolFlag{Name: "starttls", Category: categoryGeneral,
				Usage: "show the certificate behind STARTTLS", DisableDefaultText: true},
			&cli.BoolFlag{Name: "thorough", Category: categoryGeneral,
				Usage: "send every request to an unknown service, not a few", DisableDefaultText: true},
		),
		Action: func(c *cli.Context) error {
			s, err := newSession(c)
			if err != nil {
				return err
			}
			if c.NArg() == 0 {
				return usageError(
					errors.New("probe needs a host"),
					"onmux probe HOST; onmux check looks at this machine from inside",
				)
			}
			hosts, hint, err := help.WithPorts(c.Args().Slice())
			if err != nil {
				return usageError(err, hint)
			}
			p := &prober{session: s, hosts: hosts, config: inquiry.Config{
				Timeout: s.timeout, Identify: !c.Bool("no-identify") && (s.needsDetails() || s.needsService()),
				Thorough: c.Bool("thorough"), StartTLS: c.Bool("starttls"),
				Verify: c.Bool("verify-open"), Path: c.Bool("path"),
				Progress: func(done, all int) { s.progress.Update(uint64(done), uint64(all), 0, "probing") },
			}}
			if err := s.readLibrary(c, p.config.Identify); err != nil {
				return err
			}
			p.config.Library = s.library
			if p.repeat, err = s.readRepeat(c); err != nil {
				return err
			}
			ctx, cancel := s.withDeadline(c.Context)
			defer cancel()
			if s.wait == 0 { // with --wait, a name may appear meanwhile
				if p.asked, err = p.endpoints(ctx); err != nil {
					return s.endedEarly(ctx, s.targetError(ctx, err))
				}
			}
			return s.run(ctx, map[string]string{"tcp": "connect", "udp": "udp"}, p.probe)
		},
	})
}

type prober struct {
	*session
	hosts  []string
	config inquiry.Config
	repeat *inquiry.Repeat // nil: one attempt
	asked  []probe.Result  // endpoints, if they were resolved beforehand

	needsNames bool // a name without an address is an error
}

func (p *prober) probe(ctx context.Context, emit func(record.Finding) error) (record.End, error) {
	asked := p.asked
	if asked == nil {
		var err error
		if asked, err = p.endpoints(ctx); err != nil {
			return record.End{}, p.targetError(ctx, err)
		}
	}
	if p.repeat != nil {
		return p.repeated(ctx, asked, emit)
	}
	end := p.newEnd("every address of the host that was found, each port once")
	asked, err := report.TakeUnresolved(asked, &end, emit)
	if err != nil {
		return end, err
	}
	cut := 0
	for r, short := range inquiry.New(p.config).Run(ctx, asked) {
		if err := p.emit(&end, r, emit); err != nil {
			return end, err
		}
		if short != nil && r.Tries > 0 {
			cut++
		}
	}
	if cut > 0 {
		end.Complete = false
		end.Coverage = append(end.Coverage, fmt.Sprintf("not fully probed: %d of %d endpoints", cut, len(asked)))
	}
	if n := end.Summary.NotReached; n > 0 {
		end.Coverage = append(end.Coverage, fmt.Sprintf("not reached: %d of %d endpoints", n, len(asked)))
	}
	end.Coverage = append(end.Coverage, libraryNotes(p.library)...)
	return end, nil
}

func (p *prober) newEnd(coverage string) record.End {
	end := record.End{Complete: true, Coverage: []string{coverage}}
	end.Summary.States = make(map[string]uint64)
	return end
}

// emit counts and reports the result of one endpoint. One without tries was cut
// off before it had a result.
func (p *prober) emit(end *record.End, r probe.Result, emit func(record.Finding) error) error {
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

// endpoints resolves the hosts: every address of each, in order, on each of its
// ports.
func (p *prober) endpoints(ctx context.Context) ([]probe.Result, error) {
	var asked []probe.Result
	found := inquiry.NewNames(net.DefaultResolver)
	for _, arg := range p.hosts {
		host, spec := probe.SplitHostPort(arg)
		on := p.ports
		if spec != "" {
			var err error
			if on, err = ports.Parse([]string{spec}, p.protos); err != nil {
				return nil, usageError(fmt.Errorf("%s: %w", arg, err), "")
			}
		}
		plan, err := target.NewPlan(
			ctx,
			target.Config{Targets: []string{host}, Ports: on, IPv4: p.ipv4, IPv6: p.ipv6, Resolve: found.Resolve},
		)
		if failed, ok := errors.AsType[*target.ResolveError](err); ok && ctx.Err() == nil && !p.needsNames {
			asked = append(asked, inquiry.Unresolved(failed.Host, failed, on)...)
			continue
		}
		if err != nil {
			return nil, err
		}
		if plan.Host(plan.At(0).Addr) == "" && plan.AddrCount() > 1 {
			return nil, usageError(fmt.Errorf("%s is a network; probe takes hosts", host), "onmux scan "+host)
		}
		if uint64(len(asked))+plan.Len() > maxProbed {
			return nil, usageError(
				fmt.Errorf("more than %d endpoints are too many to probe", maxProbed),
				"onmux scan takes any number",
			)
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

// Bounds of repeated attempts.
const (
	defaultInterval = time.Second
	minInterval     = 10 * time.Millisecond // the shortest interval
	maxAttempts     = 1_000_000             // attempts at each endpoint; 0 has no bound
)

func repeatFlags() []cli.Flag {
	return []cli.Flag{
		&cli.IntFlag{Name: "count", Aliases: []string{"c"}, Category: categoryGeneral,
			Usage: "`N` attempts, each reported; 0: until interrupted", DefaultText: "1"},
		&cli.DurationFlag{Name: "interval", Category: categoryGeneral,
			Usage: "`TIME` from one attempt to the next", DefaultText: defaultInterval.String()},
	}
}

// readRepeat returns nil if attempts are not to be repeated.
func (s *session) readRepeat(c *cli.Context) (*inquiry.Repeat, error) {
	r := &inquiry.Repeat{Count: c.Int("count"), Interval: cmp.Or(c.Duration("interval"), defaultInterval)}
	switch {
	case c.IsSet("interval") && !c.IsSet("count"):
		return nil, usageError(
			errors.New("--interval needs --count"),
			"-c 10 makes ten attempts, -c 0 goes on until interrupted",
		)
	case !c.IsSet("count"):
		return nil, nil
	case r.Count < 0 || r.Count > maxAttempts:
		return nil, usageError(
			fmt.Errorf("--count %d is out of range", r.Count),
			fmt.Sprintf("1 to %d, or 0 until interrupted", maxAttempts),
		)
	case c.IsSet("interval") && c.Duration("interval") < minInterval:
		return nil, usageError(
			fmt.Errorf("--interval %s is too short", c.Duration("interval")),
			"at least "+minInterval.String(),
		)
	case s.wait > 0:
		return nil, usageError(
			errors.New("--count and --wait exclude each other"),
			"--wait repeats until the expectation holds; --deadline bounds --count",
		)
	}
	return r, nil
}

// repeated reports each attempt as it ends, and then the results.
func (p *prober) repeated(
	ctx context.Context,
	asked []probe.Result,
	emit func(record.Finding) error,
) (record.End, error) {
	each := func(a probe.Attempt) error { return emit(a) }
	names := p.newEnd("")
	asked, err := report.TakeUnresolved(asked, &names, emit)
	if err != nil {
		return names, err
	}
	finals, cut, err := inquiry.New(p.config).RunRepeatedly(ctx, *p.repeat, asked, each)
	end := p.newEnd(fmt.Sprintf("every address of the host that was found, each port %d times", p.repeat.Count))
	if p.repeat.Count == 0 {
		end = p.newEnd("every address of the host that was found, each port until interrupted")
	}
	end.Summary = names.Summary
	for _, r := range finals {
		if err == nil {
			err = p.emit(&end, r, emit)
		}
	}
	if cut > 0 {
		end.Complete = false
		end.Coverage = append(
			end.Coverage,
			fmt.Sprintf("cut off before the last attempt: %d of %d endpoints", cut, len(asked)),
		)
	}
	return end, err
}
