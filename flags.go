package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"onmux/report/help"
)

const durations = "durations look like 500ms, 2 or 2s, 1m30s"

// command fills in what the commands that look at ports have in common. The
// timeout is its default in the help.
func command(timeout string, c cli.Command) *cli.Command {
	return commandWith(c, portFlag(), protoFlag(), limitFlags(timeout), outputFlags(), outcomeFlags())
}

// commandWith fills in what all commands have in common, and groups of flags
// with one meaning everywhere.
func commandWith(c cli.Command, groups ...[]cli.Flag) *cli.Command {
	c.Flags = append(c.Flags, slices.Concat(groups...)...)
	c.CustomHelpTemplate = help.CommandTemplate
	c.HideHelpCommand = true // "onmux probe help" asks for a host of that name
	c.OnUsageError = func(ctx *cli.Context, err error, _ bool) error {
		// package flag writes: invalid value "soon" for flag -deadline: parse error
		text, hint := err.Error(), "see onmux "+ctx.Command.Name+" --help"
		if value, name, ok := strings.Cut(text, " for flag -"); ok {
			name, _, _ = strings.Cut(name, ":")
			text = fmt.Sprintf("%s for %s", value, help.Dashed(name))
			if slices.Contains([]string{"timeout", "deadline", "wait", "interval"}, name) {
				hint = durations
			}
		}
		return usageError(errors.New(text), hint)
	}
	return &c
}

// The categories of the flags with one meaning everywhere.
const (
	categoryGeneral = "general"
	categoryOutput  = "output"
	categoryVerify  = "verifying"
)

func portFlag() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "port", Aliases: []string{"p"}, Category: categoryGeneral,
			Usage: "`PORTS`: 80,443/tcp, 400-420, http, common, @FILE", DefaultText: "417"},
	}
}

func openFlag() cli.Flag {
	return &cli.BoolFlag{Name: "open", Category: categoryOutput,
		Usage: "only open endpoints, in every format", DisableDefaultText: true}
}

func firstFlag() cli.Flag {
	return &cli.Uint64Flag{Name: "first", Category: categoryGeneral,
		Usage: "`N` open endpoints are enough: stop then", DefaultText: "none"}
}

func excludePortsFlag(category string) cli.Flag {
	return &cli.StringSliceFlag{Name: "exclude-ports", Category: category, Usage: "`PORTS` to leave out"}
}

func protoFlag() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "proto", Value: "both", Category: categoryGeneral,
			Usage: "`PROTO` of ports with no suffix: tcp, udp or both", DefaultText: "both"},
	}
}

// limitFlags has --timeout only if there is something that it bounds by default.
func limitFlags(timeout string) []cli.Flag {
	flags := []cli.Flag{
		&cli.BoolFlag{Name: "4", Category: categoryGeneral, Usage: "IPv4 only", DisableDefaultText: true},
		&cli.BoolFlag{Name: "6", Category: categoryGeneral, Usage: "IPv6 only", DisableDefaultText: true},
		&cli.DurationFlag{Name: "deadline", Category: categoryGeneral,
			Usage: "`TIME` for the whole command, then exit code 124", DefaultText: "none"},
	}
	if timeout != "" {
		flags = append(flags, &cli.DurationFlag{Name: "timeout", Category: categoryGeneral,
			Usage: "`TIME` for one attempt, as 500ms or 2s", DefaultText: timeout})
	}
	return flags
}

func outputFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "output", Aliases: []string{"o"}, Category: categoryOutput,
			Usage: "`FORMAT[=FILE]` text, json, csv ...; repeatable", DefaultText: "text"},
		&cli.StringFlag{Name: "format", Category: categoryOutput,
			Usage: "`TEMPLATE` of Go for each record: '{{.Address}}:{{.Port}}'"},
		&cli.BoolFlag{Name: "json", Category: categoryOutput, Usage: "short for -o json", DisableDefaultText: true},
		&cli.StringFlag{Name: "color", Value: "auto", Category: categoryOutput,
			Usage: "`WHEN` auto, always or never", DefaultText: "auto"},
		&cli.StringFlag{Name: "job", Category: categoryOutput,
			Usage: "`NAME` of the run, a label of prom", DefaultText: "FILE's"},
		&cli.BoolFlag{Name: "stamp", Category: categoryOutput,
			Usage: "time and run id in each line of jsonl", DisableDefaultText: true},
		&cli.StringFlag{
			Name:        "title",
			Category:    categoryOutput,
			Usage:       "`TEXT` that nagios begins with",
			DefaultText: "ONMUX",
		},
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Category: categoryOutput,
			Usage: "only the verdict", DisableDefaultText: true},
		&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Category: categoryOutput,
			Usage: "every record and every piece of evidence", DisableDefaultText: true},
	}
}

func outcomeFlags() []cli.Flag { return append(expectFlags(), waitFlags()...) }

func expectFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "expect", Category: categoryVerify,
			Usage: "`STATE[,STATE]` for each, or a count: open=0, open>=1"},
	}
}

func styleFlag() cli.Flag {
	return &cli.StringFlag{Name: "exit-style", Category: categoryVerify,
		Usage: "`STYLE` of exit codes: nagios or docker", DefaultText: "onmux"}
}

func waitFlags() []cli.Flag {
	return []cli.Flag{
		styleFlag(), execFlag(),
		&cli.DurationFlag{Name: "wait", Category: categoryVerify,
			Usage: "`TIME` to retry until it holds, else 124", DefaultText: "0"},
	}
}

func verifyFlag(category string) cli.Flag {
	return &cli.BoolFlag{Name: "verify-open", Category: category,
		Usage: "test whether it is a service; and 4 random ports", DisableDefaultText: true}
}

func serviceFlag(category string) cli.Flag {
	return &cli.StringSliceFlag{Name: "service", Category: category,
		Usage: "`NAME` of the service that must answer, or any"}
}

func libraryFlag(category string) cli.Flag {
	return &cli.StringFlag{Name: "recog", Category: category, Usage: "`DIR` of Rapid7's Recog, to name more software"}
}
