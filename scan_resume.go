package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"onmux/report/help"
	"onmux/report/job"
	"onmux/scan/checkpoint"
)

// planFlags are the flags whose values are in a checkpoint, because they make the plan
// or the meaning of a verdict, and --checkpoint, --resume, --yes, and --first, which has
// been reached.
var planFlags = []string{
	"port", "proto", "4", "6", "exclude", "targets-from", "shard", "seed", "retries", "timeout",
	"checkpoint", "resume", "yes", "first",
}

// readCheckpointFlags reads --checkpoint and --resume; without them it does nothing.
func (w *scanJob) readCheckpointFlags(ctx context.Context, c *cli.Context, t job.Targets) error {
	to, from := c.String("checkpoint"), c.String("resume")
	for _, name := range []string{"checkpoint", "resume"} {
		if c.IsSet(name) && c.String(name) == "" {
			return usageError(fmt.Errorf("--%s needs the name of a file", name), "")
		}
		if c.IsSet(name) && w.wait > 0 {
			return usageError(fmt.Errorf("--wait and --%s exclude each other", name), "--wait repeats the scan")
		}
	}
	var err error
	if name := cmp.Or(to, from); name != "" && !t.DryRun {
		if w.file, err = checkpoint.Reserve(name); err != nil {
			return usageError(err, "")
		}
	}
	if to != "" && !t.DryRun && !checkpoint.SameFile(to, from) {
		if err := checkpoint.MayWrite(to); err != nil {
			return usageError(err, "name another file or remove it; --resume goes on with an unfinished scan")
		}
	}
	if from != "" {
		saved, err := checkpoint.Read(from)
		if err != nil {
			return usageError(err, "")
		}
		if err := w.Resume(ctx, saved, t, c.IsSet); err != nil {
			return w.targetError(ctx, err)
		}
		// A scan cannot go on with another method than the one that it began with.
		if w.auto && w.Device == "" {
			w.Adopt(saved.Methods)
		}
	}
	w.Config.Checkpoint = cmp.Or(to, from)
	return nil
}

// withResumeHint adds to err how to go on with a scan that stopped early.
func (w *scanJob) withResumeHint(c *cli.Context, err error) error {
	file, from := w.Config.Checkpoint, w.Config.Resume
	if file == "" || w.Complete || !w.file.Saved(file, from != nil && !from.Complete) {
		return err
	}
	hint := "resume with: " + resumeCommand(c, file)
	var f *exitError
	if err == nil || !errors.As(err, &f) {
		fmt.Fprintln(w.stderr, "hint:", hint)
		return err
	}
	hinted := *f
	hinted.hint = hint
	return &hinted
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
