package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"onmux/report"
	"onmux/report/compare"
	"onmux/report/exitcode"
	"onmux/report/flags"
	"onmux/scan/files"
)

func mergeCommand() *cli.Command {
	return commandWith(cli.Command{
		Name:      "merge",
		Usage:     "one report from all the shards of one scan",
		ArgsUsage: "FILE...",
		Description: `The files are the reports of onmux scan --shard I/N with the same --seed, saved
with -o json=FILE or -o jsonl=FILE. They must be of one scan, with every
endpoint in exactly one of them. Where some are missing, the report names them,
and the exit code is 3.`,
		UsageText: `  onmux scan 10.0.0.0/16 --seed 7 --shard 1/2 -o jsonl=1.jsonl    on one host
  onmux scan 10.0.0.0/16 --seed 7 --shard 2/2 -o jsonl=2.jsonl    on another
  onmux merge 1.jsonl 2.jsonl -o jsonl=all.jsonl`,
		Action: withSession(func(c *cli.Context, s *session) error {
			if c.NArg() == 0 {
				return usageError(errors.New("merge needs the reports of a scan's shards"), "onmux merge 1.jsonl 2.jsonl")
			}
			in := &files.Inputs{Stdin: c.App.Reader}
			var parts []*compare.Part
			for _, name := range c.Args().Slice() {
				p := &compare.Part{Name: name}
				defer p.Close()
				if err := load(c.Context, in, name, p); err != nil {
					return err
				}
				parts = append(parts, p)
			}
			merged, err := compare.Merge(parts)
			if err != nil {
				return usageError(fmt.Errorf("cannot merge: %w", err), "")
			}
			return s.writeMerged(c.Context, merged)
		}),
	}, flags.Outputs(), flags.Expect(), []cli.Flag{flags.ExitStyle()})
}

// writeMerged writes what the shards found, and holds it against the expectations.
func (s *session) writeMerged(ctx context.Context, m *compare.Merged) error {
	sinks, err := report.Open(ctx, s.outputs, s.stdout, s.layout)
	if err != nil {
		return s.outputError(ctx, err)
	}
	m.Start.Job = cmp.Or(s.job, m.Start.Job)
	// Where nothing can be written any more, Close has the reason.
	err = s.outcomeError(context.Background(), report.WriteMerged(m, s.expect, sinks))
	if broken := sinks.Close(); broken != nil {
		return &exitError{code: exitcode.Unknown, err: broken}
	}
	if f := (*exitError)(nil); m.Lack != nil && errors.As(err, &f) && f.code == exitcode.Unknown {
		f.err = errors.New("could not tell: " + strings.Join(m.Lack, "; "))
	}
	return reported(err)
}
