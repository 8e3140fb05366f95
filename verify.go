package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"onmux/probe/inquiry"
	"onmux/probe/local"
	"onmux/report"
	"onmux/report/exitcode"
	"onmux/report/flags"
	"onmux/report/job"
	"onmux/report/phrase/coverage"
	"onmux/report/policy"
	"onmux/report/record"
	"onmux/scan"
	"onmux/scan/files"
	"onmux/scan/target"
)

func verifyCommand() *cli.Command {
	return commandWith(cli.Command{
		Name:      "verify",
		Usage:     "check whether a policy file holds; for CI",
		ArgsUsage: "FILE",
		Description: `The policy (YAML, or - for standard input) has rules about ports of this machine
(check), remote endpoints (probe) and networks (scan). Every rule is judged,
also after one failed; each is a test case in every format. --snapshot writes
the policy that holds now: about what listens here, or with FILE about what its
rules name. The keys of rules:

` + strings.TrimSuffix(policy.Reference(), "\n") + `

Keys that begin with x- are ignored; anchors and aliases may be used. onmux
schema policy prints the JSON Schema of policies, for editors.`,
		UsageText: `  onmux verify --snapshot > onmux.yaml
  onmux verify onmux.yaml -o text -o junit=report.xml
  onmux verify onmux.yaml --only database --wait 60s`,
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "only", Category: flags.Verifying, Usage: "`NAME` of a rule, and no others; repeatable"},
			&cli.BoolFlag{Name: "snapshot", Category: flags.Verifying,
				Usage: "write the policy that holds now", DisableDefaultText: true},
			&cli.StringFlag{Name: "rate", Category: flags.General,
				Usage: "`N` probes a second of a scan, or max", DefaultText: fmt.Sprint(scan.DefaultRate)},
			&cli.BoolFlag{Name: "yes", Category: flags.General,
				Usage: fmt.Sprintf("scan more than %d public addresses", target.MaxPublic), DisableDefaultText: true},
		},
		Action: withSession(func(c *cli.Context, s *session) error {
			v := &verifier{session: s, yes: c.Bool("yes")}
			var err error
			if v.rate, err = job.ParseRate("rate", c.String("rate")); err != nil {
				return failure(err)
			}
			p, err := readRules(c)
			if err != nil {
				return err
			}
			if c.NArg() == 1 && !c.IsSet("job") && c.Args().First() != "-" {
				s.job = report.BareName(c.Args().First())
			}
			ctx, cancel := s.withDeadline(c.Context)
			defer cancel()
			if c.Bool("snapshot") {
				return v.snapshot(ctx, p)
			}
			return s.run(ctx, nil, func(ctx context.Context, emit emitter) (record.End, error) {
				return policy.Verify(ctx, p, v, emit)
			})
		}),
	}, flags.Limits("each its own"), flags.Outputs(), flags.Wait())
}

// policyOf reads the rules that the command line selects; with --snapshot and no file, none.
func readRules(c *cli.Context) (policy.Policy, error) {
	var p policy.Policy
	var err error
	switch {
	case c.NArg() == 1:
		if p, err = policy.Read(&files.Inputs{Stdin: c.App.Reader}, c.Args().First(), time.Now()); err != nil {
			return p, usageError(err, "")
		}
	case c.NArg() > 1 || !c.Bool("snapshot"):
		return p, usageError(fmt.Errorf("verify needs one policy file, not %d", c.NArg()),
			"onmux verify --snapshot writes one to begin with")
	}
	if names := c.StringSlice("only"); len(names) > 0 {
		if p, err = p.Only(names); err != nil {
			return p, usageError(fmt.Errorf("--only: %w", err), "")
		}
	}
	return p, nil
}

// emitter takes the records of a command.
type emitter = func(record.Finding) error

// verifier runs check, probe and scan for the rules of a policy.
type verifier struct {
	*session
	rate float64
	yes  bool
}

// Check also finds the owners of sockets of which no rule expects one, for all but the shortest report.
func (v *verifier) Check(ctx context.Context, r local.Request) (local.Report, error) {
	r.IPv4, r.IPv6 = v.ipv4, v.ipv6
	r.Owners = r.Owners || v.needsDetails()
	return report.Check(ctx, r)
}

func (v *verifier) Probe(ctx context.Context, p *policy.Probe, identify bool, emit emitter) (record.End, error) {
	one := v.newProbe([]string{p.Host}, inquiry.Config{Timeout: v.timeout, Identify: identify})
	one.Ports, one.NeedsNames = p.Ports, true
	return v.probe(ctx, one, emit)
}

func (v *verifier) Scan(ctx context.Context, s *policy.Scan, emit emitter) (record.End, error) {
	w := v.newScan(scan.Config{Retries: scan.DefaultRetries, Timeout: v.timeout, Rate: v.rate})
	var own []netip.Prefix
	own, w.NetworksUnread = target.OwnNetworks()
	w.Ports = s.Ports
	var err error
	w.Config.Plan, err = target.NewPlan(ctx, target.Config{
		Targets: s.Targets, Exclude: s.Exclude, Ports: s.Ports, IPv4: v.ipv4, IPv6: v.ipv6, Own: own,
	})
	if err != nil {
		return record.End{}, coverage.PlanError(err)
	}
	if err := w.Config.Plan.CheckPublic(); err != nil && !v.yes {
		return record.End{}, fmt.Errorf("%w (--yes, if they are)", err)
	}
	return w.Run(ctx, emit)
}

// snapshot writes the policy that holds now.
func (v *verifier) snapshot(ctx context.Context, p policy.Policy) error {
	if slices.ContainsFunc(v.outputs, func(o report.Output) bool { return o.Format != "text" }) {
		return usageError(errors.New("--snapshot writes a policy, not a report"), "leave --output out")
	}
	text, err := policy.Describe(ctx, p, v, time.Now())
	v.progress.Clear()
	if err != nil {
		return &exitError{code: exitcode.Unknown, err: err}
	}
	_, err = v.stdout.Write(text)
	return failure(err)
}
