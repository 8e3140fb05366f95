package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"onmux/report"
	"onmux/report/exitcode"
	"onmux/report/flags"
	"onmux/report/job"
	"onmux/report/record"
	"onmux/scan/files"
	"onmux/scan/wire"
)

func watchCommand() *cli.Command {
	return commandWith(cli.Command{
		Name:      "watch",
		Usage:     "who uses a port, by the packets that pass",
		ArgsUsage: "[PORT|FILE...]",
		Description: `Reads captures (pcap or pcapng, also compressed with gzip; - is standard input),
or without FILE the packets of this machine's interfaces until Ctrl-C or
--deadline, and sends nothing. Each endpoint that was asked has a verdict as
from a scan, what speaks there, and the flows of its clients. An argument that
can be a port is one: ./417 is a file. Expectations are those of scan, and
clients=10.0.0.0/24,!10.0.0.9: nobody else.`,
		UsageText: `  onmux watch capture.pcapng         who uses port 417, and who offers it
  onmux watch 443/tcp a.pcap b.pcap.gz -o jsonl
  tcpdump -w - | onmux watch 5432 -
  onmux watch 417 --interface eth0 --write 417.pcapng`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "interface", Category: "watching", Usage: "`NAME` to watch", DefaultText: "all"},
			&cli.StringFlag{Name: "write", Category: "watching", Usage: "`FILE` for the packets of the ports, as pcapng"},
			&cli.BoolFlag{Name: "all", Category: flags.Output,
				Usage: "a record for every endpoint instead of ranges", DisableDefaultText: true},
			flags.Open(),
		},
		Action: withSession(func(c *cli.Context, s *session) error {
			ctx, cancel := s.withDeadline(c.Context)
			defer cancel()
			_, captures := job.PortsAndFiles(c.Args().Slice())
			w := job.Watch{Config: wire.Config{Ports: s.ports, IPv4: s.ipv4, IPv6: s.ipv6}, Files: captures,
				Inputs: &files.Inputs{Stdin: c.App.Reader}, Late: errDeadline,
				Each: c.Bool("all") || s.layout.Verbosity == record.Verbose}
			err := job.CheckCaptures(captures)
			if err != nil {
				return usageError(err, "pcap and pcapng are read, also compressed with gzip")
			}
			if len(captures) == 0 {
				s.layout.Live = true
				if w.Live, err = listenLive(w.Config, c.String("interface")); err != nil {
					return err
				}
				defer w.Live.Close()
				if !c.Bool("quiet") {
					w.Board, s.stdout = report.BoardOf(s.pipe, s.stdout, s.stderr)
					fmt.Fprintf(s.stderr, "onmux: watching %s; Ctrl-C ends it\n", cmp.Or(c.String("interface"), "all interfaces"))
				}
				defer report.WhenUnread(c.App.Writer, cancel)()
			} else if c.IsSet("interface") {
				return usageError(errors.New("--interface and FILE exclude each other"), "")
			}
			if name := c.String("write"); name != "" {
				f, err := os.Create(name)
				if err != nil {
					return usageError(err, "")
				}
				defer f.Close()
				w.Keep = f
			}
			return s.run(ctx, nil, w.Run)
		}),
	}, flags.Port(), flags.Proto(), flags.Limits(""), flags.Outputs(), flags.Expect(), []cli.Flag{flags.ExitStyle()})
}

// listenLive begins to watch interfaces, or states how to get the right to.
func listenLive(c wire.Config, name string) (*wire.Live, error) {
	l, err := wire.Listen(c, name)
	switch {
	case errors.Is(err, wire.ErrForbidden):
		return nil, &exitError{code: exitcode.Unknown, err: err,
			hint: "sudo, or setcap cap_net_raw=ep on onmux, or a capture: sudo tcpdump -w - | onmux watch -"}
	case err != nil && name != "":
		return nil, usageError(err, "")
	case errors.Is(err, errors.ErrUnsupported):
		return nil, &exitError{code: exitcode.Unknown, err: err, hint: "tcpdump -w - | onmux watch -"}
	}
	return l, err
}
