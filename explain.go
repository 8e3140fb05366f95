package main

import (
	"cmp"
	"context"
	"os"

	"github.com/urfave/cli/v2"

	"onmux/probe/ports"
	"onmux/report/flags"
	"onmux/report/phrase"
	"onmux/report/record"
)

func explainCommand() *cli.Command {
	return commandWith(cli.Command{
		Name:      "explain",
		Usage:     "what is known about a port: registry and history",
		ArgsUsage: "[PORT|NAME...]",
		Description: `A port's names, at IANA and on this machine; what is needed to bind it here;
whether connections may leave from it; and for 417 its history, with sources.
Nothing is sent, and no socket is opened: onmux check shows what holds it.`,
		UsageText: `  onmux explain                      the history of 417
  onmux explain http-alt 53/udp`,
		Action: withSession(func(c *cli.Context, s *session) error {
			machine := ports.ReadMachine()
			topics, wrong := machine.Topics(c.Args().Slice(), s.protos)
			if len(topics) == 0 {
				return failure(wrong)
			}
			err := s.run(
				c.Context,
				nil,
				func(_ context.Context, emit func(record.Finding) error) (record.End, error) {
					end := record.End{Complete: true, Coverage: phrase.PortCoverage(machine)}
					for _, t := range topics {
						info := machine.Info(t.Port, t.Protos)
						info.Notes = phrase.PortNotes(machine.Platform, t.Port, os.Geteuid() == 0)
						if err := emit(info); err != nil {
							return end, err
						}
					}
					return end, nil
				},
			)
			return cmp.Or(err, failure(wrong)) // what could be explained is
		}),
	}, flags.Proto(), flags.Outputs())
}
