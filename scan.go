package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"onmux/report"
	"onmux/report/phrase"
	"onmux/report/record"
	"onmux/scan"
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
are told as they are found, the others as ranges at the end; --expect takes
states or counts: onmux scan 10.0.0.0/24 --expect open=0`,
		UsageText: `  onmux scan 10.0.0.0/24             a verdict for every address
  onmux scan @hosts.txt -p 22,443/tcp --exclude 10.0.0.9 -o jsonl=scan.jsonl
  onmux scan 10.0.0.0/24 --expect open=0`,
		Flags: slices.Concat(methodFlags(how), resumeFlags(how), []cli.Flag{
			&cli.StringSliceFlag{Name: "exclude", Category: how, Usage: "`TARGETS` to leave out, comma-separated; repeatable"},
			&cli.StringSliceFlag{Name: "targets-from", Category: how, Usage: "`FILE` of targets, or - for standard input"},
			&cli.StringFlag{Name: "rate", Category: how, Usage: "`N` probes a second, or max", DefaultText: strconv.Itoa(scan.DefaultRate)},
			&cli.StringFlag{Name: "net-rate", Category: how, Usage: "`N` a second to one /24 or /64, or max", DefaultText: strconv.Itoa(scan.DefaultNetRate)},
			&cli.IntFlag{Name: "retries", Category: how, Usage: "`N` more tries at most for the silent", Value: scan.DefaultRetries},
			&cli.StringFlag{Name: "shard", Category: how, Usage: "`I/N` part I of N, with the same --seed", DefaultText: "all"},
			&cli.Uint64Flag{Name: "seed", Category: how, Usage: "`N` that keys the order of addresses", DefaultText: "random"},
			libraryFlag(how), verifyFlag(how),
			&cli.BoolFlag{Name: "identify", Category: how, Usage: "identify the service on each open port", DisableDefaultText: true},
			&cli.BoolFlag{Name: "all", Category: "telling", Usage: "a record for every address instead of ranges", DisableDefaultText: true},
			&cli.BoolFlag{Name: "dry-run", Category: how, Usage: "print the plan, send nothing", DisableDefaultText: true},
			&cli.BoolFlag{Name: "yes", Category: how, Usage: fmt.Sprintf("scan more than %d public addresses", target.MaxPublic), DisableDefaultText: true},
		}),
		Action: func(c *cli.Context) error {
			s, err := newSession(c)
			if err != nil {
				return err
			}
			ctx, cancel := s.bound(c.Context)
			defer cancel()
			w, err := newSweep(ctx, c, s)
			if err != nil {
				return err
			}
			if w.dryRun {
				return w.tellPlan()
			}
			if done := w.config.Resume; done != nil && done.Complete {
				fmt.Fprintf(s.stderr, "onmux: %s is of a scan that is complete: it is told again, and %s\n", c.String("resume"), w.sends())
			} else if err := w.choose(ctx, c); err != nil {
				return err
			}
			defer w.close()
			s.plan = w.part()
			return w.hinted(c, s.run(ctx, w.methods(), w.scan))
		},
	})
}

// sweep is one scan as its flags describe it.
type sweep struct {
	*session
	method
	config   scan.Config
	dryRun   bool
	finished bool // nothing is left to resume
}

func newSweep(ctx context.Context, c *cli.Context, s *session) (*sweep, error) {
	w := &sweep{session: s, dryRun: c.Bool("dry-run"), config: scan.Config{
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
		return nil, usage(fmt.Errorf("--retries %d is out of range", n), fmt.Sprintf("0 to %d", engine.MaxTries-1))
	}
	if err := w.readMethod(c); err != nil {
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
		return nil, usage(errors.New("--shard without --seed would give shards that overlap"), "the same --seed N for every shard")
	}
	if err = w.checkpoints(ctx, c); err == nil && w.config.Resume == nil {
		w.config.Plan, err = w.plan(ctx, c)
	}
	return w, err
}

func (w *sweep) plan(ctx context.Context, c *cli.Context) (*target.Plan, error) {
	if c.NArg()+len(c.StringSlice("targets-from")) == 0 {
		return nil, usage(errors.New("scan needs a target"), "onmux scan 10.0.0.0/24, or --targets-from FILE")
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
		return nil, usage(err, "--yes, if they are; --dry-run tells the plan and sends nothing")
	}
	return plan, nil
}

// planOf makes a plan of the targets and exclusions of the command line.
func (w *sweep) planOf(ctx context.Context, c *cli.Context, p target.Config) (*target.Plan, error) {
	in := &files.Inputs{Stdin: c.App.Reader}
	var err error
	if p.Targets, err = target.Read(c.Args().Slice(), c.StringSlice("targets-from"), in); err != nil {
		return nil, usage(err, "")
	}
	for _, list := range c.StringSlice("exclude") {
		p.Exclude = append(p.Exclude, strings.Split(list, ",")...)
	}
	if p.Exclude, err = target.Read(p.Exclude, nil, in); err != nil {
		return nil, usage(fmt.Errorf("--exclude: %w", err), "")
	}
	plan, err := target.NewPlan(ctx, p)
	if err != nil {
		return nil, w.targetFault(ctx, err)
	}
	return plan, nil
}

// targetFault tells a target that is wrong (usage) from one that could not be
// looked up just now.
func (s *session) targetFault(ctx context.Context, err error) error {
	var known *fault
	switch {
	case errors.As(err, &known):
		return err
	case errors.Is(context.Cause(ctx), errDeadline):
		return &fault{code: exitTimeout, err: fmt.Errorf("the deadline of %s has passed while looking up targets", s.deadline)}
	case target.IsUsage(err):
		return usage(err, "")
	}
	return &fault{code: exitUnsure, err: err}
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
	rate, err := strconv.ParseFloat(s, 64)
	if err != nil || !(rate > 0) || math.IsInf(rate, 0) {
		return 0, usage(fmt.Errorf("--%s %s is no number of probes a second", name, s), "a number above 0, or max")
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
		return target.Shard{}, usage(fmt.Errorf("--shard %s is no part of a scan", s), "1/4 is the first of four")
	}
	return target.Shard{I: part, N: parts}, nil
}

// part says which part of which scan this is, for onmux merge.
func (w *sweep) part() *record.Plan {
	p := w.config.Plan
	return &record.Plan{Fingerprint: p.Fingerprint(), Endpoints: p.Len(), Seed: strconv.FormatUint(w.config.Seed, 10),
		Shard: max(w.config.Shard.I, 1), Shards: max(w.config.Shard.N, 1)}
}

func (w *sweep) scan(ctx context.Context, emit func(record.Finding) error) (record.End, error) {
	config := w.config
	var err error
	if config.Engine, err = w.engine(ctx); err != nil {
		return record.End{}, err
	}
	config.Watch = w.watch
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
	return record.End{
		Complete: outcome.Complete, Coverage: slices.Concat(w.config.Plan.LeftOut(), phrase.ScanNotes(outcome.Coverage), w.instead, w.libraryNotes()), Summary: outcome.Summary,
	}, err
}

// watch tells how far the scan is and then, if there are any, its second looks.
func (w *sweep) watch(p scan.Progress) {
	if p.Done >= p.Total && p.FollowedUp > 0 {
		w.progress.Update(p.FollowedUp, p.Open, 0, fmt.Sprintf("a second look at %d open", p.Open))
		return
	}
	w.progress.Update(p.Done, p.Total, p.ETA, fmt.Sprintf("pass %d, %d open", p.Pass, p.Open))
}

// sends says what a scan that is told again sends.
func (w *sweep) sends() string {
	if w.config.FollowUp.Identify || w.config.FollowUp.Verify {
		return "only what is open is looked at once more"
	}
	return "nothing is sent"
}

// tellPlan prints what the scan would do.
func (w *sweep) tellPlan() error {
	f, err := scan.NewForecast(w.config, w.device)
	if err != nil {
		return usage(err, "")
	}
	if f.Capped > 0 {
		f.HeldBy = phrase.NetworkRate(f.Capped)
	}
	d := report.DryRun{Command: w.command, Version: version, Method: w.methods(), Plan: w.part(), Forecast: f}
	if r := w.config.Resume; r != nil {
		d.Resumes = &report.Resumption{Saved: r.Saved, Probes: r.Sent, Complete: r.Complete}
	}
	return failure(d.Write(w.stdout, w.outputs))
}
