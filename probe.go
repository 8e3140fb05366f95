package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"onmux/probe"
	"onmux/probe/inquiry"
	"onmux/report/flags"
	"onmux/report/help"
	"onmux/report/job"
	"onmux/report/record"
	"onmux/scan/files"
	"onmux/scan/target"
)

func probeCommand() *cli.Command {
	return command(inquiry.DefaultTimeout.String(), cli.Command{
		Name:      "probe",
		Usage:     "everything about a few endpoints, TCP and UDP",
		ArgsUsage: "HOST[:PORT]...",
		Description: `Probes every port on every address of the host: state, reason, round-trip
time and the evidence. A host may have ports of its own, be a URL, or be in a
file (@FILE; onmux help targets). --expect takes states (open, closed, filtered,
open|filtered, unreachable): onmux probe db1:5432/tcp --expect open --wait 30s`,
		UsageText: `  onmux probe db1 db2:5432/tcp       every address of both, side by side
  onmux probe [2001:db8::1]:53/udp -v
  onmux probe db1:5432/tcp --expect open --wait 30s -q`,
		Flags: append(
			append(repeatFlags(), flags.Source(flags.General)...),
			flags.VerifyOpen(flags.General),
			flags.Recog(flags.General),
			flags.Open(), flags.First(),
			flags.Service(flags.Verifying),
			&cli.BoolFlag{Name: "any-address", Category: flags.Verifying,
				Usage: "one address of each name suffices", DisableDefaultText: true},
			&cli.StringFlag{Name: "far-end", Category: flags.General,
				Usage: "`KEY` of the onmux listen that must answer there"},
			&cli.BoolFlag{Name: "path", Category: flags.General,
				Usage: "show the routers on the way (traceroute)", DisableDefaultText: true},
			&cli.BoolFlag{Name: "no-identify", Category: flags.General,
				Usage: "do not identify the service on an open port", DisableDefaultText: true},
			&cli.BoolFlag{Name: "starttls", Category: flags.General,
				Usage: "show the certificate behind STARTTLS", DisableDefaultText: true},
			&cli.BoolFlag{Name: "thorough", Category: flags.General,
				Usage: "send every request to an unknown service, not a few", DisableDefaultText: true},
		),
		Action: withSession(func(c *cli.Context, s *session) error {
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
			if hosts, err = target.Words(hosts, &files.Inputs{Stdin: c.App.Reader}, s.protos); err != nil {
				return s.targetError(c.Context, err)
			}
			p := s.newProbe(hosts, inquiry.Config{
				Timeout: s.timeout, Identify: !c.Bool("no-identify") && s.farEnd == nil && (s.needsDetails() || s.needsService()),
				Thorough: c.Bool("thorough"), StartTLS: c.Bool("starttls"),
				FarEnd: s.farEnd, Verify: c.Bool("verify-open"), Path: c.Bool("path"),
				Progress: func(done, all int) { s.progress.Update(uint64(done), uint64(all), 0, "probing") },
			})
			if err := (flagReader{s, c}).readLibrary(p.Inquiry.Identify); err != nil {
				return err
			}
			if p.Inquiry.Local, err = s.readLocal(c, c.String("interface"), "path", "verify-open", "far-end"); err != nil {
				return err
			}
			p.IPv4, p.IPv6 = s.ipv4, s.ipv6
			p.Inquiry.Library, p.First = s.library, c.Uint64("first")
			if p.Repeat, err = (flagReader{s, c}).readRepeat(); err != nil {
				return err
			}
			ctx, cancel := s.withDeadline(c.Context)
			defer cancel()
			var asked []probe.Result
			if s.wait == 0 { // with --wait, a name may appear meanwhile
				if asked, err = p.Endpoints(ctx); err != nil {
					return s.endedEarly(ctx, s.targetError(ctx, err))
				}
			}
			return s.run(ctx, map[string]string{"tcp": "connect", "udp": "udp"},
				func(ctx context.Context, emit emitter) (record.End, error) {
					if asked != nil {
						return p.Run(ctx, asked, emit)
					}
					return s.probe(ctx, p, emit)
				})
		}),
	})
}

// newProbe returns a probe of hosts, on the ports of the session.
func (s *session) newProbe(hosts []string, c inquiry.Config) *job.Probe {
	return &job.Probe{Hosts: hosts, Ports: s.ports, Protos: s.protos, IPv4: s.ipv4, IPv6: s.ipv6, Inquiry: c}
}

// probe resolves the hosts of p, and probes them.
func (s *session) probe(ctx context.Context, p *job.Probe, emit emitter) (record.End, error) {
	asked, err := p.Endpoints(ctx)
	if err != nil {
		return record.End{}, s.targetError(ctx, err)
	}
	return p.Run(ctx, asked, emit)
}

// Bounds of repeated attempts.
const (
	defaultInterval = time.Second
	minInterval     = 10 * time.Millisecond // the shortest interval
	maxAttempts     = 1_000_000             // attempts at each endpoint; 0 has no bound
)

func repeatFlags() []cli.Flag {
	return []cli.Flag{
		&cli.IntFlag{Name: "count", Aliases: []string{"c"}, Category: flags.General,
			Usage: "`N` attempts, all reported; 0: until interrupted", DefaultText: "1"},
		&cli.DurationFlag{Name: "interval", Category: flags.General,
			Usage: "`TIME` from one attempt to the next", DefaultText: defaultInterval.String()},
	}
}

// readRepeat returns nil if attempts are not to be repeated.
func (r flagReader) readRepeat() (*inquiry.Repeat, error) {
	repeat := &inquiry.Repeat{Count: r.c.Int("count"), Interval: cmp.Or(r.c.Duration("interval"), defaultInterval)}
	switch {
	case r.c.IsSet("interval") && !r.c.IsSet("count"):
		return nil, usageError(
			errors.New("--interval needs --count"),
			"-c 10 makes ten attempts, -c 0 goes on until interrupted",
		)
	case !r.c.IsSet("count"):
		return nil, nil
	case r.c.IsSet("first"):
		return nil, usageError(errors.New("--count and --first exclude each other"), "--first stops at what is open")
	case repeat.Count < 0 || repeat.Count > maxAttempts:
		return nil, usageError(
			fmt.Errorf("--count %d is out of range", repeat.Count),
			fmt.Sprintf("1 to %d, or 0 until interrupted", maxAttempts),
		)
	case r.c.IsSet("interval") && r.c.Duration("interval") < minInterval:
		return nil, usageError(
			fmt.Errorf("--interval %s is too short", r.c.Duration("interval")),
			"at least "+minInterval.String(),
		)
	case r.wait > 0:
		return nil, usageError(
			errors.New("--count and --wait exclude each other"),
			"--wait repeats until the expectation holds; --deadline bounds --count",
		)
	}
	return repeat, nil
}
