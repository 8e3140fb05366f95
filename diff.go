package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"onmux/report"
	"onmux/report/compare"
	"onmux/report/flags"
	"onmux/report/record"
	"onmux/scan/files"
)

func diffCommand() *cli.Command {
	return commandWith(cli.Command{
		Name:      "diff",
		Usage:     "what changed between two saved reports",
		ArgsUsage: "OLD NEW",
		Description: `Each is a report saved with -o json=FILE or -o jsonl=FILE, or of another program
that onmux report reads; - is standard input. It lists what appeared, what
vanished, and where the state, the service or the owner differs. What may be no
change, such as silence in a report that expects to have missed answers, is
listed apart; silence that decides nothing is only counted (-v lists it). The
exit code is 1 if something certainly changed, and 3 if a report is incomplete,
or with --strict if something may have changed. With -q, nothing is printed
where nothing changed.`,
		UsageText: `  onmux diff yesterday.jsonl today.jsonl
  onmux diff nmap.xml today.jsonl -o markdown`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "strict", Category: flags.Verifying,
				Usage: "exit code 3 if something may have changed", DisableDefaultText: true},
		},
		Action: withSession(func(c *cli.Context, s *session) error {
			s.strict = c.Bool("strict")
			if c.NArg() != 2 {
				return usageError(fmt.Errorf("diff needs two files, not %d", c.NArg()), "onmux diff OLD NEW")
			}
			in := &files.Inputs{Stdin: c.App.Reader}
			var both [2]compare.Saved
			for i := range both {
				defer both[i].Close()
				if err := load(c.Context, in, c.Args().Get(i), &both[i]); err != nil {
					return err
				}
			}
			if err := compare.Comparable(both[0].Started.Command, both[1].Started.Command); err != nil {
				return usageError(err, "scan and probe compare with each other, check with check")
			}
			return s.run(
				c.Context,
				nil,
				func(_ context.Context, emit func(record.Finding) error) (record.End, error) {
					return compare.Diff(&both[0], &both[1], emit)
				},
			)
		}),
	}, flags.Outputs(), []cli.Flag{flags.ExitStyle()})
}

// load reads a saved report into h.
func load(ctx context.Context, in *files.Inputs, name string, h record.Handler) error {
	f, err := in.Open(name)
	if err != nil {
		return usageError(err, "")
	}
	defer f.Close()
	if err := report.Replay(report.Until(ctx, f), h); err != nil {
		return usageError(fmt.Errorf("%s: %w", name, err), "")
	}
	return nil
}
