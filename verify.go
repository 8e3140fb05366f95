package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"onmux/probe"
	"onmux/probe/inquiry"
	"onmux/probe/local"
	"onmux/report"
	"onmux/report/policy"
	"onmux/scan"
)

func verifyCommand() *cli.Command {
	return commandWith(cli.Command{
		Name:      "verify",
		Usage:     "hold a policy file against the world; the CI command",
		ArgsUsage: "FILE",
		Description: `The policy (YAML, or - for standard input) has rules about ports of this machine
(check), remote endpoints (probe) and networks (scan). All are judged, also
when one fails; each is a test case in every format. --snapshot writes the
policy that describes today: of what listens here, or with FILE of what its
rules ask about.`,
		UsageText: `  onmux verify --snapshot > onmux.yaml
  onmux verify onmux.yaml -o text -o junit=report.xml
  onmux verify onmux.yaml --only database --wait 60s`,
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "only", Category: aboutHolding, Usage: "`NAME` of a rule, and no others; repeatable"},
			&cli.BoolFlag{Name: "snapshot", Category: aboutHolding, Usage: "write the policy that describes today", DisableDefaultText: true},
			&cli.StringFlag{Name: "rate", Category: aboutLooking, Usage: "`N` probes a second of a scan, or max", DefaultText: fmt.Sprint(scan.DefaultRate)},
			&cli.BoolFlag{Name: "yes", Category: aboutLooking, Usage: fmt.Sprintf("scan more than %d public addresses", scan.PublicMost), DisableDefaultText: true},
		},
		Action: func(c *cli.Context) error {
			s, err := newSession(c)
			if err != nil {
				return err
			}
			v := &verifier{session: s, yes: c.Bool("yes"), policy: policy.Today()}
			if v.rate, err = parseRate(c.String("rate")); err != nil {
				return err
			}
			switch {
			case c.NArg() == 1:
				v.policy, err = readPolicy(c.Args().First(), c.App.Reader)
			case c.NArg() > 1 || !c.Bool("snapshot"):
				err = usage(fmt.Errorf("verify needs one policy file, and was given %d", c.NArg()), "onmux verify --snapshot writes one to begin with")
			}
			if err != nil {
				return err
			}
			if names := c.StringSlice("only"); len(names) > 0 {
				if v.policy, err = v.policy.Only(names); err != nil {
					return usage(fmt.Errorf("--only: %w", err), "")
				}
			}
			ctx, cancel := s.bound(c.Context)
			defer cancel()
			if c.Bool("snapshot") {
				return v.snapshot(ctx)
			}
			return s.run(ctx, nil, v.verify)
		},
	}, lookFlags("each its own"), tellFlags(), waitFlags())
}

func readPolicy(name string, stdin io.Reader) (policy.Policy, error) {
	if name == "-" {
		name = "standard input"
	} else {
		f, err := os.Open(name)
		if err != nil {
			return policy.Policy{}, usage(err, "")
		}
		defer f.Close()
		stdin = f
	}
	text, err := io.ReadAll(io.LimitReader(stdin, policy.MaxFile+1)) // which Parse refuses
	if err != nil {
		return policy.Policy{}, usage(err, "")
	}
	p, err := policy.Parse(name, text, time.Now())
	if err != nil {
		return p, usage(err, "")
	}
	return p, nil
}

// verifier finds out what the rules of a policy ask.
type verifier struct {
	*session
	policy policy.Policy
	rate   float64
	yes    bool
}

// verify judges every rule and tells them in the order of the file.
func (v *verifier) verify(ctx context.Context, emit func(report.Finding) error) (report.End, error) {
	end := report.End{Complete: true, Summary: scan.Summary{States: make(map[string]uint64)}}
	err := v.each(ctx, func(r policy.Rule, t *policy.Trial, of report.End, failed error) error {
		rule, violations := t.End(of, failed)
		end.Summary.Targets++
		end.Summary.States[rule.Outcome.String()]++
		end.Complete = end.Complete && of.Complete
		if err := emit(rule); err != nil {
			return err
		}
		for _, violation := range violations {
			if err := emit(violation); err != nil {
				return err
			}
		}
		return nil
	})
	judged := end.Summary.Targets - end.Summary.States[report.CannotTell.String()]
	end.Coverage = []string{fmt.Sprintf("judged %d of %d rules", judged, end.Summary.Targets)}
	if ctx.Err() != nil {
		end.Complete = false
	}
	return end, err
}

// told is what came of the question of one rule.
type told func(r policy.Rule, t *policy.Trial, end report.End, failed error) error

// each asks what the rules ask: all about this machine from one look, remote
// endpoints side by side, one scan for all rules about the same network.
func (v *verifier) each(ctx context.Context, tell told) error {
	trials := make([]*policy.Trial, len(v.policy.Rules))
	ends := make([]report.End, len(v.policy.Rules))
	errs := make([]error, len(v.policy.Rules))
	for i, r := range v.policy.Rules {
		trials[i] = r.Trial()
	}
	v.checks(ctx, trials, ends, errs)
	v.probes(ctx, trials, ends, errs)
	v.scans(ctx, trials, ends, errs)
	for i, r := range v.policy.Rules {
		if errs[i] != nil && ctx.Err() != nil { // whichever way each found out
			errs[i] = context.Cause(ctx)
		}
		if err := tell(r, trials[i], ends[i], errs[i]); err != nil {
			return err
		}
	}
	return nil
}

func (v *verifier) checks(ctx context.Context, trials []*policy.Trial, ends []report.End, errs []error) {
	var all []probe.Port
	owners := false
	for _, r := range v.policy.Rules {
		if r.Check != nil {
			all = append(all, r.Check.Ports...)
			owners = owners || slices.ContainsFunc(r.Expect, report.Expectation.NeedsOwner) || v.layout.Verbosity != report.Quiet
		}
	}
	if all == nil {
		return
	}
	slices.SortFunc(all, func(a, b probe.Port) int {
		return 2*(int(a.Number)-int(b.Number)) + int(a.Proto) - int(b.Proto)
	})
	seen, err := local.Check(ctx, local.Request{Ports: slices.Compact(all), IPv4: v.ipv4, IPv6: v.ipv6, Owners: owners})
	if err != nil {
		seen = local.Report{} // why stands in the error
	}
	for i, r := range v.policy.Rules {
		if r.Check == nil {
			continue
		}
		ends[i], errs[i] = report.End{Complete: err == nil, Coverage: seen.Coverage}, err
		for _, verdict := range seen.Verdicts {
			if slices.Contains(r.Check.Ports, probe.Port{Number: verdict.Port, Proto: verdict.Proto}) {
				trials[i].Finding(verdict)
			}
		}
		for _, l := range seen.Listeners {
			if slices.Contains(r.Check.Ports, probe.Port{Number: l.Port, Proto: l.Proto}) {
				trials[i].Finding(l)
			}
		}
	}
}

// probesAtOnce bounds the hosts that are asked side by side.
const probesAtOnce = 16

func (v *verifier) probes(ctx context.Context, trials []*policy.Trial, ends []report.End, errs []error) {
	var running sync.WaitGroup
	slots := make(chan struct{}, probesAtOnce)
	quiet := *v.session
	quiet.progress = nil
	for i, r := range v.policy.Rules {
		if r.Probe == nil {
			continue
		}
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			one := quiet
			one.ports = r.Probe.Ports
			p := &prober{session: &one, hosts: []string{r.Probe.Host}, config: inquiry.Config{Timeout: v.timeout, Identify: r.Identifies()}}
			ends[i], errs[i] = p.probe(ctx, func(f report.Finding) error {
				trials[i].Finding(f)
				return nil
			})
		})
	}
	running.Wait()
}

func (v *verifier) scans(ctx context.Context, trials []*policy.Trial, ends []report.End, errs []error) {
	done := make([]bool, len(v.policy.Rules))
	for i, r := range v.policy.Rules {
		if r.Scan == nil || done[i] {
			continue
		}
		var same []int
		for j, o := range v.policy.Rules {
			if o.Scan != nil && r.Scan.Same(o.Scan) {
				same = append(same, j)
				done[j] = true
			}
		}
		end, err := v.scanOne(ctx, r.Scan, func(f report.Finding) error {
			for _, j := range same {
				trials[j].Finding(f)
			}
			return nil
		})
		for _, j := range same {
			ends[j], errs[j] = end, err
		}
	}
}

func (v *verifier) scanOne(ctx context.Context, s *policy.Scan, emit func(report.Finding) error) (report.End, error) {
	if err := context.Cause(ctx); err != nil {
		return report.End{}, err
	}
	one := *v.session
	one.ports = s.Ports
	w := &sweep{session: &one, config: scan.Config{Retries: scan.DefaultRetries, Timeout: v.timeout, Rate: v.rate}}
	own, err := scan.OwnNetworks()
	if err != nil {
		return report.End{}, fmt.Errorf("this machine's networks cannot be read: %w", err)
	}
	w.config.Plan, err = scan.NewPlan(ctx, scan.PlanConfig{Targets: s.Targets, Exclude: s.Exclude, Ports: s.Ports, IPv4: v.ipv4, IPv6: v.ipv6, Own: own})
	if err != nil {
		return report.End{}, err
	}
	if err := w.config.Plan.Yours(); err != nil && !v.yes {
		return report.End{}, fmt.Errorf("%w (--yes, if they are)", err)
	}
	return w.scan(ctx, emit)
}

// snapshot writes the policy that describes what is found now.
func (v *verifier) snapshot(ctx context.Context) error {
	if slices.ContainsFunc(v.outputs, func(o report.Output) bool { return o.Format != "text" }) {
		return usage(errors.New("--snapshot writes a policy, and no report"), "leave --output out")
	}
	shot := policy.NewSnapshot()
	v.policy = v.policy.Plain()
	if v.policy.Rules == nil {
		seen, err := local.Check(ctx, local.Request{All: probe.Protos(), IPv4: v.ipv4, IPv6: v.ipv6, Owners: true})
		if err != nil {
			return failure(err)
		}
		shot.Listeners(seen)
	}
	complete := true
	err := v.each(ctx, func(r policy.Rule, t *policy.Trial, end report.End, failed error) error {
		complete = complete && end.Complete
		if failed != nil {
			return &fault{code: exitUnsure, err: fmt.Errorf("could not tell of rule %q, and no policy was written: %w", r.Name, failed)}
		}
		shot.Rule(r, t, time.Now())
		return nil
	})
	v.progress.Clear()
	if err != nil {
		return failure(err)
	}
	if !complete {
		return &fault{code: exitUnsure, err: errors.New("could not tell everything: no policy was written")}
	}
	text, err := shot.YAML()
	if err != nil {
		return failure(err)
	}
	_, err = v.stdout.Write(text)
	return failure(err)
}
