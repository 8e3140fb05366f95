package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"onmux/probe/inquiry"
	"onmux/report"
	"onmux/report/phrase"
	"onmux/report/record"
	"onmux/scan"
	"onmux/scan/connect"
	"onmux/scan/engine"
	"onmux/scan/files"
	"onmux/scan/target"
)

func scanCommand() *cli.Command {
	const how = "scanning"
	return command(scan.DefaultTimeout.String()+" at most", cli.Command{
		Name:      "scan",
		Usage:     "a verdict for every address of a network",
		ArgsUsage: "TARGET...",
		Description: `A target is a name, an address, 10.0.0.0/24, 10.0.0.1-50, 10.0.0.1-10.0.1.20,
fe80::1%eth0, 2001:db8::/120 or @FILE (one a line, # comments). Open endpoints
are reported as they are found, the others as ranges at the end; --expect takes
states or counts: onmux scan 10.0.0.0/24 --expect open=0`,
		UsageText: `  onmux scan 10.0.0.0/24             a verdict for every address
  onmux scan @hosts.txt -p 22,443/tcp --exclude 10.0.0.9 -o jsonl=scan.jsonl
  onmux scan 10.0.0.0/24 --expect open=0`,
		Flags: slices.Concat(methodFlags(how), resumeFlags(how), []cli.Flag{
			&cli.StringSliceFlag{Name: "exclude", Category: how, Usage: "`TARGETS` to leave out, comma-separated; repeatable"},
			excludePortsFlag(how), openFlag(),
			&cli.StringSliceFlag{Name: "targets-from", Category: how, Usage: "`FILE` of targets, or - for standard input"},
			&cli.StringFlag{Name: "rate", Category: how,
				Usage: "`N` probes a second, as 10k, or max", DefaultText: strconv.Itoa(scan.DefaultRate)},
			&cli.StringFlag{Name: "net-rate", Category: how,
				Usage: "`N` a second to one /24 or /64, or max", DefaultText: strconv.Itoa(scan.DefaultNetRate)},
			&cli.IntFlag{Name: "retries", Category: how,
				Usage: "`N` more tries at most for the silent", Value: scan.DefaultRetries},
			&cli.StringFlag{Name: "shard", Category: how, Usage: "`I/N` part I of N, with the same --seed", DefaultText: "all"},
			&cli.Uint64Flag{Name: "seed", Category: how, Usage: "`N` that keys the order of addresses", DefaultText: "random"},
			controlFlag(how), libraryFlag(how), verifyFlag(how), serviceFlag(categoryVerify),
			&cli.BoolFlag{Name: "identify", Category: how,
				Usage: "identify the service on each open port", DisableDefaultText: true},
			&cli.BoolFlag{Name: "all", Category: categoryOutput,
				Usage: "a record for every address instead of ranges", DisableDefaultText: true},
			&cli.BoolFlag{Name: "dry-run", Category: how, Usage: "print the plan, send nothing", DisableDefaultText: true},
			&cli.BoolFlag{Name: "yes", Category: how,
				Usage: fmt.Sprintf("scan more than %d public addresses", target.MaxPublic), DisableDefaultText: true},
		}),
		Action: func(c *cli.Context) error {
			s, err := newSession(c)
			if err != nil {
				return err
			}
			ctx, cancel := s.withDeadline(c.Context)
			defer cancel()
			w, err := newScanJob(ctx, c, s)
			if w != nil {
				defer w.lock.Release()
			}
			if w != nil && len(w.names) > 0 && w.config.Plan == nil && errors.As(err, new(*target.ResolveError)) {
				return s.run(ctx, nil, w.unresolved) // which is all
			}
			if err != nil && w != nil && !w.dryRun {
				return s.endedEarly(ctx, err)
			}
			if err != nil {
				return err
			}
			if w.dryRun {
				return w.printPlan(ctx)
			}
			if done := w.config.Resume; done != nil && done.Complete {
				fmt.Fprintf(s.stderr, "onmux: %s is of a complete scan: its report is written again, and %s\n", c.String("resume"),
					whatIsSent(w.config.FollowUp))
			} else if err := w.chooseMethod(ctx, c); err != nil {
				return err
			}
			defer w.close()
			s.plan = planRecord(w.config)
			return w.withResumeHint(c, s.run(ctx, w.methods(), w.scan))
		},
	})
}

// scanJob is one scan as its flags describe it.
type scanJob struct {
	*session
	method
	config   scan.Config
	dryRun   bool
	finished bool // nothing is left to resume

	names []*target.ResolveError // that have no address

	lock   *files.Lock // of the checkpoint; nil without one
	before fs.FileInfo // of the checkpoint, before the scan; nil if there was none
}

func newScanJob(ctx context.Context, c *cli.Context, s *session) (*scanJob, error) {
	w := &scanJob{session: s, dryRun: c.Bool("dry-run"), config: scan.Config{
		Retries: c.Int("retries"), Timeout: s.timeout, All: c.Bool("all"), Seed: c.Uint64("seed"),
	}}
	if !c.IsSet("seed") {
		w.config.Seed = rand.Uint64()
	}
	if err := s.readLibrary(c, c.Bool("identify")); err != nil {
		return nil, err
	}
	w.layout.Each = w.config.All
	w.config.FollowUp = scan.FollowUp{Identify: c.Bool("identify"), Verify: c.Bool("verify-open"), Library: s.library}
	if n := w.config.Retries; n < 0 || n >= engine.MaxTries {
		return nil, usageError(fmt.Errorf("--retries %d is out of range", n), fmt.Sprintf("0 to %d", engine.MaxTries-1))
	}
	if err := w.method.read(c); err != nil {
		return nil, err
	}
	var err error
	if w.config.Rate, err = parseRate(c.String("rate")); err != nil {
		return nil, err
	}
	if w.config.NetRate, err = rateOf("net-rate", c.String("net-rate")); err != nil {
		return nil, err
	}
	if w.config.Shard, err = parseShard(c.String("shard")); err != nil {
		return nil, err
	}
	if w.config.Shard.N > 1 && !c.IsSet("seed") {
		return nil, usageError(
			errors.New("--shard needs --seed"),
			"the same --seed N for every shard: with others they would overlap",
		)
	}
	if err = w.readCheckpointFlags(ctx, c); err == nil && w.config.Resume == nil {
		w.config.Plan, err = w.plan(ctx, c)
	}
	if err == nil {
		err = w.readControls(ctx, c)
	}
	return w, err
}

func (w *scanJob) plan(ctx context.Context, c *cli.Context) (*target.Plan, error) {
	if c.NArg()+len(c.StringSlice("targets-from")) == 0 {
		return nil, usageError(errors.New("scan needs a target"), "onmux scan 10.0.0.0/24, or --targets-from FILE")
	}
	own, err := target.OwnNetworks()
	if err != nil {
		return nil, fmt.Errorf("this machine's networks cannot be read: %w", err)
	}
	plan, err := w.planOf(ctx, c, target.Config{Ports: w.ports, IPv4: w.ipv4, IPv6: w.ipv6, Own: own})
	if err != nil {
		return nil, err
	}
	if err := plan.CheckPublic(); err != nil && !c.Bool("yes") && !w.dryRun {
		return nil, usageError(err, "--yes, if they are; --dry-run prints the plan and sends nothing")
	}
	return plan, nil
}

// planOf makes a plan of the targets and exclusions of the command line.
func (w *scanJob) planOf(ctx context.Context, c *cli.Context, p target.Config) (*target.Plan, error) {
	p.Files = &files.Inputs{Stdin: c.App.Reader}
	if !w.dryRun {
		p.Unresolved = func(err *target.ResolveError) { w.names = append(w.names, err) }
	}
	p.Targets, p.TargetFiles = c.Args().Slice(), c.StringSlice("targets-from")
	for _, list := range c.StringSlice("exclude") {
		p.Exclude = append(p.Exclude, strings.Split(list, ",")...)
	}
	plan, err := target.NewPlan(ctx, p)
	if err != nil {
		return nil, w.targetError(ctx, err)
	}
	return plan, nil
}

// targetError distinguishes a target that is wrong (usage) from one that could
// not be looked up just now.
func (s *session) targetError(ctx context.Context, err error) error {
	var known *exitError
	switch {
	case errors.As(err, &known):
		return err
	case errors.Is(context.Cause(ctx), errDeadline):
		return &exitError{
			code: exitTimeout,
			err:  fmt.Errorf("the deadline of %s has passed while looking up targets", s.deadline),
		}
	case target.IsUsage(err):
		return usageError(err, "")
	}
	return &exitError{code: exitUnknown, err: err}
}

func parseRate(s string) (float64, error) { return rateOf("rate", s) }

// rateOf reads the value of a flag that is a rate; 0 is the default.
func rateOf(name, s string) (float64, error) {
	switch s {
	case "":
		return 0, nil
	case "max":
		return math.Inf(1), nil
	}
	number, unit := s, 1.0
	for suffix, size := range map[string]float64{"k": 1e3, "K": 1e3, "M": 1e6} {
		if n, ok := strings.CutSuffix(s, suffix); ok {
			number, unit = n, size
		}
	}
	rate, err := strconv.ParseFloat(number, 64)
	if rate *= unit; err != nil || !(rate > 0) || math.IsInf(rate, 0) {
		return 0, usageError(fmt.Errorf("--%s %s is not a rate", name, s), "probes a second, as 500, 10k or 1M, or max")
	}
	return rate, nil
}

func parseShard(s string) (target.Shard, error) {
	if s == "" {
		return target.Shard{}, nil
	}
	i, n, ok := strings.Cut(s, "/")
	part, err1 := strconv.Atoi(i)
	parts, err2 := strconv.Atoi(n)
	if !ok || err1 != nil || err2 != nil || part < 1 || part > parts {
		return target.Shard{}, usageError(fmt.Errorf("--shard %s is not valid", s), "1/4 is the first of four")
	}
	return target.Shard{I: part, N: parts}, nil
}

// planRecord identifies the scan and its shard, for onmux merge.
func planRecord(c scan.Config) *record.Plan {
	p := c.Plan
	return &record.Plan{Fingerprint: p.Fingerprint(), Endpoints: p.Len(), Seed: strconv.FormatUint(c.Seed, 10),
		Shard: max(c.Shard.I, 1), Shards: max(c.Shard.N, 1)}
}

func (w *scanJob) scan(ctx context.Context, emit func(record.Finding) error) (record.End, error) {
	names, err := w.unresolved(ctx, emit)
	if err != nil {
		return names, err
	}
	config := w.config
	if config.Engine, err = w.engine(ctx); err != nil {
		return record.End{}, err
	}
	config.Watch, config.Controls = w.showProgress, w.controls()
	outcome, err := scan.Run(ctx, config, func(f scan.Finding) error { return emit(phrase.Finding(f)) })
	w.finished = outcome.Complete
	w.progress.Clear()
	for _, note := range outcome.Notes {
		fmt.Fprintln(w.stderr, "onmux:", phrase.ScanNote(note))
	}
	if e, ok := config.Engine.(engine.Noter); ok {
		for _, note := range e.Notes() {
			fmt.Fprintln(w.stderr, "onmux:", phrase.EngineNote(note))
		}
	}
	outcome.Targets += names.Summary.Targets
	if n := names.Summary.States[record.Unknown]; n > 0 {
		outcome.States[record.Unknown] += n
	}
	return record.End{
		Complete: outcome.Complete,
		Coverage: slices.Concat(
			w.config.Plan.LeftOut(), phrase.ScanNotes(outcome.Coverage), w.fallback, libraryNotes(w.library)),
		Summary: outcome.Summary,
	}, err
}

// showProgress shows how far the scan is and then, if there are any, its follow-ups.
func (w *scanJob) showProgress(p scan.Progress) {
	if p.Done >= p.Total && p.FollowedUp > 0 {
		w.progress.Update(p.FollowedUp, p.Open, 0, fmt.Sprintf("following up %d open", p.Open))
		return
	}
	w.progress.Update(p.Done, p.Total, p.ETA, fmt.Sprintf("pass %d, %d open", p.Pass, p.Open))
}

// whatIsSent describes what is sent when a complete scan is reported again.
func whatIsSent(f scan.FollowUp) string {
	if f.Identify || f.Verify {
		return "only open endpoints are probed again"
	}
	return "nothing is sent"
}

// printPlan prints what the scan would do.
func (w *scanJob) printPlan(ctx context.Context) error {
	f, err := scan.NewForecast(ctx, w.config, w.device)
	if err != nil {
		return usageError(err, "")
	}
	if !w.packets {
		own, err := target.OwnNetworks()
		if err != nil {
			return failure(err)
		}
		f.LimitNeighbors(connect.Demand(ctx, connect.Config{Own: own}, w.config.Plan.Runs()))
	}
	if f.Capped > 0 {
		f.HeldBy = phrase.NetworkRate(f.Capped)
	}
	d := record.DryRun{Command: w.command, Version: version, Method: w.methods(), Plan: planRecord(w.config), Forecast: f}
	if r := w.config.Resume; r != nil {
		d.Resumes = &record.Resumption{Saved: r.Saved, Probes: r.Sent, Complete: r.Complete}
	}
	return failure(report.WriteDryRun(w.stdout, w.outputs, d))
}

// unresolved reports the ports of the names that have no address. Of several shards, the
// first does.
func (w *scanJob) unresolved(_ context.Context, emit func(record.Finding) error) (record.End, error) {
	end := record.End{Complete: true, Coverage: []string{}}
	end.Summary.States = make(map[string]uint64)
	if w.config.Shard.I > 1 {
		return end, nil
	}
	for _, name := range w.names {
		if _, err := report.TakeUnresolved(inquiry.Unresolved(name.Host, name, w.ports), &end, emit); err != nil {
			return end, err
		}
	}
	return end, nil
}
