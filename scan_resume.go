package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"onmux/report/help"
	"onmux/scan"
	"onmux/scan/checkpoint"
	"onmux/scan/target"
)

// planFlags are the flags whose values are in a checkpoint, because they make the plan
// or the meaning of a verdict, and --checkpoint, --resume and --yes.
var planFlags = []string{
	"port", "proto", "4", "6", "exclude", "targets-from", "shard", "seed", "retries", "timeout",
	"checkpoint", "resume", "yes",
}

func resumeFlags(category string) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "checkpoint", Category: category, Usage: "`FILE` to keep the scan's state in, for --resume"},
		&cli.StringFlag{Name: "resume", Category: category, Usage: "`FILE` of a checkpoint to go on from, without targets"},
	}
}

// readCheckpointFlags reads --checkpoint and --resume; without them it does nothing.
func (w *scanJob) readCheckpointFlags(ctx context.Context, c *cli.Context) error {
	to, from := c.String("checkpoint"), c.String("resume")
	for _, name := range []string{"checkpoint", "resume"} {
		if c.IsSet(name) && c.String(name) == "" {
			return usageError(fmt.Errorf("--%s needs the name of a file", name), "")
		}
		if c.IsSet(name) && w.wait > 0 {
			return usageError(fmt.Errorf("--wait and --%s exclude each other", name), "--wait repeats the scan")
		}
	}
	if name := cmp.Or(to, from); name != "" && !w.dryRun {
		if info, err := os.Stat(name); err == nil {
			w.before = info
		}
		if err := w.acquire(name); err != nil {
			return err
		}
	}
	if to != "" && !w.dryRun && !sameFile(to, from) {
		if err := checkpoint.MayWrite(to); err != nil {
			return usageError(err, "name another file or remove it; --resume goes on with an unfinished scan")
		}
	}
	if from == "" {
		w.config.Checkpoint = to
		return nil
	}
	if to == "" {
		to = from
	}
	if err := w.resume(ctx, c, from); err != nil {
		return err
	}
	w.config.Checkpoint = to
	return nil
}

// acquire takes the lock of a checkpoint, unless it is no file to save to at all, which has
// an error of its own.
func (w *scanJob) acquire(name string) error {
	if w.before != nil && !w.before.Mode().IsRegular() {
		return nil
	}
	var err error
	if w.lock, err = checkpoint.Acquire(name); err != nil {
		return usageError(err, "")
	}
	return nil
}

func sameFile(a, b string) bool {
	if filepath.Clean(a) == filepath.Clean(b) {
		return true
	}
	x, err1 := os.Stat(a)
	y, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(x, y)
}

// resume takes everything that makes the plan from a checkpoint. Flags that are given
// too must agree with it.
func (w *scanJob) resume(ctx context.Context, c *cli.Context, file string) error {
	from, err := checkpoint.Read(file)
	if err != nil {
		return usageError(err, "")
	}
	given := w.config
	w.config = scan.Resumed(from)
	w.config.Rate, w.config.NetRate, w.config.All, w.config.FollowUp = given.Rate, given.NetRate, given.All, given.FollowUp
	if c.IsSet("seed") {
		w.config.Seed = given.Seed
	}
	if c.IsSet("shard") {
		w.config.Shard = given.Shard
	}
	if c.IsSet("retries") {
		w.config.Retries = given.Retries
	}
	if c.IsSet("timeout") {
		w.config.Timeout = given.Timeout
	}
	if w.config.Plan, err = w.resumedPlan(ctx, c, from); err != nil {
		return err
	}
	if err := w.config.Differs(); err != nil {
		return usageError(err, "with --resume, targets and the flags that make the plan can be left out")
	}
	w.config.Plan = from.Plan() // it knows what was left out, and why
	w.ports = from.Plan().Ports()
	w.method.adopt(c, from)
	return nil
}

// resumedPlan is the plan of a checkpoint, with what the command line has instead.
func (w *scanJob) resumedPlan(ctx context.Context, c *cli.Context, from *checkpoint.Checkpoint) (*target.Plan, error) {
	p := target.Config{Ports: from.Plan().Ports(), IPv4: w.ipv4, IPv6: w.ipv6}
	if c.IsSet("port") || c.IsSet("proto") {
		p.Ports = w.ports
	}
	if c.NArg() > 0 || c.IsSet("targets-from") {
		known := from.Plan().Config()
		p.Own, p.Resolve = known.Own, known.Resolve
		return w.planOf(ctx, c, p)
	}
	if c.IsSet("exclude") {
		return nil, usageError(errors.New("--exclude needs targets: those of the checkpoint are in it"),
			"leave it out, or give the targets too")
	}
	plan := from.Plan()
	first, last := plan.At(0).Addr, plan.At(plan.AddrCount()-1).Addr
	switch {
	case !w.ipv4 && first.Is4():
		return nil, usageError(errors.New("the checkpoint is of another plan: it has IPv4 addresses, not only IPv6 (-6)"), "")
	case !w.ipv6 && last.Is6():
		return nil, usageError(errors.New("the checkpoint is of another plan: it has IPv6 addresses, not only IPv4 (-4)"), "")
	}
	return plan.OnPorts(p.Ports)
}

// withResumeHint adds to err how to go on with a scan that stopped early.
func (w *scanJob) withResumeHint(c *cli.Context, err error) error {
	if w.config.Checkpoint == "" || w.finished || !saved(w.config, w.before) {
		return err
	}
	hint := "resume with: " + resumeCommand(c, w.config.Checkpoint)
	var f *exitError
	if err == nil || !errors.As(err, &f) {
		fmt.Fprintln(w.stderr, "hint:", hint)
		return err
	}
	hinted := *f
	hinted.hint = hint
	return &hinted
}

// saved reports whether there is a checkpoint of this scan: its own, or the one that it goes
// on from.
func saved(c scan.Config, before os.FileInfo) bool {
	info, err := os.Stat(c.Checkpoint)
	if err != nil {
		return false
	}
	return c.Resume != nil && !c.Resume.Complete || before == nil || !os.SameFile(before, info)
}

// resumeCommand is the command that goes on with a scan: with the flags whose values
// are not in its checkpoint.
func resumeCommand(c *cli.Context, file string) string {
	words := []string{"onmux", "scan", "--resume", help.Quote(file)}
	for _, f := range c.Command.Flags {
		name := f.Names()[0]
		if !c.IsSet(name) || slices.Contains(planFlags, name) {
			continue
		}
		switch f.(type) {
		case *cli.BoolFlag:
			words = append(words, help.Dashed(name))
		case *cli.StringSliceFlag:
			for _, v := range c.StringSlice(name) {
				words = append(words, help.Dashed(name), help.Quote(v))
			}
		default:
			words = append(words, help.Dashed(name), help.Quote(fmt.Sprint(c.Value(name))))
		}
	}
	return strings.Join(words, " ")
}
