package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"onmux/report"
	"onmux/report/record"
	"onmux/scan/files"
)

func reportCommand() *cli.Command {
	return commandWith(cli.Command{
		Name:      "report",
		Usage:     "write a saved report in any format",
		ArgsUsage: "FILE",
		Description: `FILE is a report that was saved with -o json=FILE or -o jsonl=FILE, or nmap's
XML; - is standard input. What there is of a truncated one is written, with
exit code 3, as for one of a run that was interrupted.

-o takes ` + strings.Join(report.Formats(), " "),
		UsageText: `  onmux report scan.jsonl -o csv
  onmux report nmap.xml -o text -o junit=report.xml`,
		Action: func(c *cli.Context) error {
			s, err := newSession(c)
			if err != nil {
				return err
			}
			if c.NArg() != 1 {
				return usageError(
					fmt.Errorf("report needs one file, not %d", c.NArg()),
					"save one with onmux scan -o jsonl=FILE",
				)
			}
			return s.replay(c.Context, &files.Inputs{Stdin: c.App.Reader}, c.Args().First())
		},
	}, outputFlags(), []cli.Flag{styleFlag()})
}

// replay writes a saved report. It has no expectations of its own: the violations
// are those of the run that made the report.
func (s *session) replay(ctx context.Context, in *files.Inputs, name string) error {
	f, err := in.Open(name)
	if err != nil {
		return usageError(err, "")
	}
	defer f.Close()
	sinks, err := report.Open(ctx, s.outputs, s.stdout, s.layout)
	if err != nil {
		return s.outputError(ctx, err)
	}
	seen := &whole{Handler: sinks}
	err = report.Replay(reader{ctx, f}, seen)
	s.progress.Clear()
	broken := sinks.Close()
	switch {
	case broken != nil:
		return &exitError{code: exitUnknown, err: broken}
	case ctx.Err() != nil:
		return &exitError{code: exitUnknown}
	case err != nil && !seen.began:
		return usageError(fmt.Errorf("%s: %w", name, err), "")
	case err != nil:
		return &exitError{code: exitUnknown, err: fmt.Errorf("%s: %w", name, err)}
	case !seen.complete:
		return &exitError{code: exitUnknown, err: errors.New("the report is incomplete")}
	}
	return nil
}

// whole records whether a report began, and whether it is complete.
type whole struct {
	record.Handler
	began, complete bool
}

func (w *whole) Start(s record.Start) error {
	w.began = true
	return w.Handler.Start(s)
}

func (w *whole) End(e record.End) error {
	w.complete = e.Complete
	return w.Handler.End(e)
}

// reader stops reading when the context ends.
type reader struct {
	ctx context.Context
	io.Reader
}

func (r reader) Read(b []byte) (int, error) {
	if err := context.Cause(r.ctx); err != nil {
		return 0, err
	}
	return r.Reader.Read(b)
}
