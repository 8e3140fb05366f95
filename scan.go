package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"

	"github.com/urfave/cli/v2"

	"onmux/probe/wording"
	"onmux/report"
	"onmux/report/exitcode"
	"onmux/report/flags"
	"onmux/report/job"
	"onmux/report/record"
	"onmux/scan"
	"onmux/scan/checkpoint"
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
fe80::1%eth0, 2001:db8::/120, HOST:PORT, a URL or @FILE (onmux help targets).
Open endpoints are reported as they are found, the others as ranges at the end;
--expect takes states or counts: onmux scan 10.0.0.0/24 --expect open=0`,
		UsageText: `  onmux scan 10.0.0.0/24             a verdict for every address
  onmux scan @hosts.txt -p 22,443/tcp --exclude 10.0.0.9 -o jsonl=scan.jsonl
  onmux scan 10.0.0.0/24 --expect open=0`,
		Flags: slices.Concat(flags.Method(how), flags.Source(how), flags.Resume(how), []cli.Flag{
			&cli.StringSliceFlag{Name: "exclude", Category: how, Usage: "`TARGETS` to leave out, comma-separated; repeatable"},
			flags.ExcludePorts(how), flags.Open(), flags.First(),
			&cli.StringSliceFlag{Name: "targets-from", Category: how, Usage: "`FILE` of targets, or - for standard input"},
			&cli.StringFlag{Name: "rate", Category: how,
				Usage: "`N` probes a second, as 10k, or max", DefaultText: strconv.Itoa(scan.DefaultRate)},
			&cli.StringFlag{Name: "net-rate", Category: how,
				Usage: "`N` a second to one /24 or /64, or max", DefaultText: strconv.Itoa(scan.DefaultNetRate)},
			&cli.IntFlag{Name: "retries", Category: how,
				Usage: "`N` more tries at most for the silent", Value: scan.DefaultRetries},
			&cli.StringFlag{Name: "shard", Category: how, Usage: "`I/N` part I of N with one --seed; or auto",
				DefaultText: "all"},
			&cli.Uint64Flag{Name: "seed", Category: how, Usage: "`N` that keys the order of addresses", DefaultText: "random"},
			&cli.StringSliceFlag{Name: "control", Category: how,
				Usage: "`HOST`[:PORT[/PROTO]] that should answer; repeatable"},
			flags.Recog(how), flags.VerifyOpen(how), flags.Service(flags.Verifying),
			&cli.BoolFlag{Name: "identify", Category: how,
				Usage: "identify the service on each open port", DisableDefaultText: true},
			&cli.BoolFlag{Name: "all", Category: flags.Output,
				Usage: "a record for every address instead of ranges", DisableDefaultText: true},
			&cli.BoolFlag{Name: "dry-run", Category: how, Usage: "print the plan, send nothing", DisableDefaultText: true},
			&cli.BoolFlag{Name: "yes", Category: how,
				Usage: fmt.Sprintf("scan more than %d public addresses", target.MaxPublic), DisableDefaultText: true},
		}, flags.Via()),
		Action: withSession(func(c *cli.Context, s *session) error {
			ctx, cancel := s.withDeadline(c.Context)
			defer cancel()
			w, err := newScanJob(ctx, c, s)
			if w != nil {
				defer w.file.Release()
				defer w.disconnect()
			}
			if w != nil && len(w.NotResolved) > 0 && w.Config.Plan == nil && errors.As(err, new(*target.ResolveError)) {
				defer w.Close()
				return s.run(ctx, nil, w.job()) // which is all
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
			if done := w.Config.Resume; done != nil && done.Complete {
				fmt.Fprintf(s.stderr, "onmux: %s is of a complete scan: its report is written again, and %s\n", c.String("resume"),
					whatIsSent(w.Config.FollowUp))
			} else if err := w.chooseMethod(ctx); err != nil {
				return err
			}
			defer w.Close()
			s.plan = w.Plan()
			return w.withResumeHint(c, s.run(ctx, w.methods(), w.job()))
		}),
	})
}

// scanJob is one scan as its flags describe it.
type scanJob struct {
	*session
	job.Scan
	dryRun bool
	auto   bool                    // packets, if this process may send them
	file   *checkpoint.Reservation // of the checkpoint; nil without one

	targets   job.Targets
	named     []string     // --control
	stdin     bytes.Buffer // with --wait, what was read of standard input
	chosen    bool         // the method
	attempted bool         // the scan was made before

	disconnect func() // from the server of --via
}

// methods is how each protocol is probed; workers choose that for themselves.
func (w *scanJob) methods() map[string]string {
	if w.Via != nil {
		return nil
	}
	return w.Method.Names(w.Ports)
}

// job is the scan; with --wait its names are resolved anew before each attempt.
func (w *scanJob) job() report.Job {
	return func(ctx context.Context, emit emitter) (record.End, error) {
		first := !w.attempted
		w.attempted = true
		if first && w.Config.Plan == nil {
			return w.Unresolved(ctx, emit)
		}
		if !first && (w.Config.Plan == nil || w.Config.Plan.HasNames()) {
			w.NotResolved = nil
			t := w.targets
			t.Inputs = &files.Inputs{Stdin: bytes.NewReader(w.stdin.Bytes())}
			err := w.MakePlan(ctx, t)
			if errors.As(err, new(*target.ResolveError)) {
				return w.Unresolved(ctx, emit)
			}
			if err == nil && !w.chosen {
				err = cmp.Or(w.AddControls(ctx, w.named, t), w.chooseMethod(ctx))
			}
			if err != nil {
				return record.End{}, w.targetError(ctx, err)
			}
		}
		return w.Run(ctx, emit)
	}
}

// newScan returns the scan of a session, on its ports.
func (s *session) newScan(c scan.Config) *scanJob {
	w := &scanJob{session: s, disconnect: func() {}, Scan: job.Scan{
		Config: c, Ports: s.ports, Evidence: s.layout.Verbosity == record.Verbose,
		Log: func(note string) {
			s.progress.Clear()
			fmt.Fprintln(s.stderr, "onmux:", note)
		},
	}}
	w.Config.Watch = func(p scan.Progress) {
		done, total, what := job.Progress(p)
		s.progress.Update(done, total, p.ETA, what)
	}
	return w
}

func newScanJob(ctx context.Context, c *cli.Context, s *session) (*scanJob, error) {
	w := s.newScan(scan.Config{
		Retries: c.Int("retries"), Timeout: s.timeout, All: c.Bool("all"), Seed: c.Uint64("seed"),
	})
	w.dryRun, w.First = c.Bool("dry-run"), c.Uint64("first")
	if !c.IsSet("seed") {
		w.Config.Seed = rand.Uint64()
	}
	if err := (flagReader{s, c}).readLibrary(c.Bool("identify")); err != nil {
		return nil, err
	}
	w.layout.Each = w.Config.All
	w.Config.FollowUp = scan.FollowUp{Identify: c.Bool("identify"), Verify: c.Bool("verify-open"), Library: s.library}
	if n := w.Config.Retries; n < 0 || n >= engine.MaxTries {
		return nil, usageError(fmt.Errorf("--retries %d is out of range", n), fmt.Sprintf("0 to %d", engine.MaxTries-1))
	}
	if err := w.readMethod(c); err != nil {
		return nil, err
	}
	var err error
	if w.Config.Rate, err = job.ParseRate("rate", c.String("rate")); err != nil {
		return nil, failure(err)
	}
	if w.Config.NetRate, err = job.ParseRate("net-rate", c.String("net-rate")); err != nil {
		return nil, failure(err)
	}
	var note string
	if w.Config.Shard, note, err = job.ParseShard(c.String("shard"), c.IsSet("seed"), os.Getenv); err != nil {
		return nil, failure(err)
	}
	if note != "" && w.layout.Verbosity != record.Quiet {
		w.Log(note)
	}
	t := job.Targets{
		Args: c.Args().Slice(), Files: c.StringSlice("targets-from"), Exclude: c.StringSlice("exclude"),
		Inputs: &files.Inputs{Stdin: c.App.Reader}, Ports: s.ports, Protos: s.protos, IPv4: s.ipv4, IPv6: s.ipv6,
		Public: c.Bool("yes"), DryRun: w.dryRun,
	}
	if w.targets, w.named = t, c.StringSlice("control"); s.wait > 0 && c.App.Reader != nil {
		t.Inputs.Stdin = io.TeeReader(c.App.Reader, &w.stdin)
	}
	if w.disconnect, err = w.readVia(c); err != nil {
		return w, failure(err)
	}
	if err = w.readCheckpointFlags(ctx, c, t); err == nil && w.Config.Resume == nil && !c.IsSet("attach") {
		err = w.MakePlan(ctx, t)
	}
	if err == nil {
		err = w.AddControls(ctx, w.named, t)
	}
	return w, w.targetError(ctx, err)
}

// targetError distinguishes a target that is wrong (usage) from one that could
// not be looked up just now.
func (l *limits) targetError(ctx context.Context, err error) error {
	switch {
	case err == nil || errors.As(err, new(*exitError)):
		return err
	case errors.As(err, new(*wording.UsageError)):
		return failure(err)
	case errors.Is(context.Cause(ctx), errDeadline):
		return &exitError{
			code: exitcode.Timeout,
			err:  fmt.Errorf("the deadline of %s has passed while looking up targets", l.deadline),
		}
	case target.IsUsage(err):
		return usageError(err, "")
	}
	return &exitError{code: exitcode.Unknown, err: err}
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
	d, err := w.DryRun(ctx)
	if err != nil {
		return w.targetError(ctx, err)
	}
	d.Command, d.Version = w.command, version
	return failure(report.WriteDryRun(w.stdout, w.outputs, d))
}
