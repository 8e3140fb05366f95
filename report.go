package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"onmux/report"
	"onmux/report/exitcode"
	"onmux/report/flags"
	"onmux/report/help"
	"onmux/report/record"
	"onmux/scan/files"
)

func reportCommand() *cli.Command {
	return commandWith(cli.Command{
		Name:      "report",
		Usage:     "write a saved report in any format",
		ArgsUsage: "FILE",
		Description: `FILE is a report that was saved with -o json=FILE or -o jsonl=FILE, nmap's or
masscan's XML, or what masscan (-oJ, -oL), zmap (csv), naabu (-json) and
RustScan (-g) write; - is standard input. It may be compressed with gzip or
bzip2. What there is of a truncated one is written, with exit code 3, as for one
of a run that was interrupted. With --exit or --exit-style, the exit code is
that of the run.

-o takes ` + strings.Join(report.Formats(), " "),
		UsageText: `  onmux report scan.jsonl -o csv
  onmux report nmap.xml -o text -o junit=report.xml`,
		Action: withSession(func(c *cli.Context, s *session) error {
			if c.NArg() != 1 {
				return usageError(
					fmt.Errorf("report needs one file, not %d", c.NArg()),
					"save one with onmux scan -o jsonl=FILE",
				)
			}
			s.job, s.layout.Now = c.String("job"), nil
			asRun := c.Bool("exit") || c.IsSet("exit-style")
			return s.replay(c.Context, &files.Inputs{Stdin: c.App.Reader}, c.Args().First(), asRun)
		}),
	}, flags.Outputs(), []cli.Flag{flags.ExitStyle(), flags.Open(), &cli.BoolFlag{Name: "exit", Category: flags.Verifying,
		Usage: "exit as the run did", DisableDefaultText: true}})
}

// replay writes a saved report. It has no expectations of its own: the violations
// are those of the run that made the report.
func (s *session) replay(ctx context.Context, in *files.Inputs, name string, asRun bool) error {
	f, err := in.Open(name)
	if err != nil {
		return usageError(err, "")
	}
	defer f.Close()
	sinks, err := report.Open(ctx, s.outputs, s.stdout, s.layout)
	if err != nil {
		return s.outputError(ctx, err)
	}
	seen := &report.Replayed{Handler: s.selected(sinks), Outputs: s.outputs, Job: s.job}
	err = report.Replay(report.Until(ctx, f), seen)
	s.progress.Clear()
	broken := sinks.Close()
	switch {
	case broken != nil:
		return &exitError{code: exitcode.Unknown, err: broken}
	case ctx.Err() != nil:
		return reported(&exitError{code: exitcode.Unknown})
	case err != nil && !seen.Began:
		return usageError(fmt.Errorf("%s: %w", name, err), "")
	case err != nil:
		return &exitError{code: exitcode.Unknown, err: fmt.Errorf("%s: %w", name, err)}
	case asRun:
		outcome := record.OutcomeOf(seen.Ended, seen.Violations)
		err := s.outcomeError(ctx, report.Result{Outcome: outcome, End: seen.Ended})
		known := func(c help.ExitCode) bool { return c.Code == seen.Ended.ExitCode && c.Code != exitcode.Holds }
		if i := slices.IndexFunc(exitcode.Codes(), known); i >= 0 && exitcode.Codes()[i].Code != codeOf(err) {
			why := fmt.Errorf("the run ended with exit code %d: %s", exitcode.Codes()[i].Code, exitcode.Codes()[i].Meaning)
			err = &exitError{code: exitcode.Codes()[i].Code, err: why, fails: outcome == record.Fails}
		}
		return reported(err)
	case seen.Ended.Cut():
		return reported(&exitError{code: exitcode.Unknown, err: errors.New("the report is incomplete")})
	}
	return nil
}
