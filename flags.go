package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

const durations = "durations look like 500ms, 2s or 1m30s"

// command fills in what the commands that look at ports have in common. The
// timeout is the default as help tells it.
func command(timeout string, c cli.Command) *cli.Command {
	return commandWith(c, portFlag(), protoFlag(), lookFlags(timeout), tellFlags(), holdFlags())
}

// commandWith fills in what all commands have in common, and groups of flags
// with one meaning everywhere.
func commandWith(c cli.Command, groups ...[]cli.Flag) *cli.Command {
	c.Flags = append(c.Flags, slices.Concat(groups...)...)
	c.CustomHelpTemplate = commandHelp
	c.HideHelpCommand = true // "onmux probe help" asks for a host of that name
	c.OnUsageError = func(ctx *cli.Context, err error, _ bool) error {
		// flag's own words: invalid value "soon" for flag -deadline: parse error
		text, hint := err.Error(), "see onmux "+ctx.Command.Name+" --help"
		if value, name, ok := strings.Cut(text, " for flag -"); ok {
			name, _, _ = strings.Cut(name, ":")
			text = fmt.Sprintf("%s for %s", value, dashed(name))
			if slices.Contains([]string{"timeout", "deadline", "wait"}, name) {
				hint = durations
			}
		}
		return usage(errors.New(text), hint)
	}
	return &c
}

// The categories of the flags with one meaning everywhere.
const (
	aboutLooking = "looking"
	aboutTelling = "telling"
	aboutHolding = "verifying"
)

func portFlag() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "port", Aliases: []string{"p"}, Category: aboutLooking, Usage: "`PORTS` as 80,443, 400-420, http, 53/udp", DefaultText: "417"},
	}
}

func protoFlag() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "proto", Value: "both", Category: aboutLooking, Usage: "`PROTO` of ports with no suffix: tcp, udp or both", DefaultText: "both"},
	}
}

func lookFlags(timeout string) []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "4", Category: aboutLooking, Usage: "IPv4 only", DisableDefaultText: true},
		&cli.BoolFlag{Name: "6", Category: aboutLooking, Usage: "IPv6 only", DisableDefaultText: true},
		&cli.DurationFlag{Name: "timeout", Category: aboutLooking, Usage: "`TIME` for one attempt, as 500ms or 2s", DefaultText: timeout},
		&cli.DurationFlag{Name: "deadline", Category: aboutLooking, Usage: "`TIME` for the whole command, then exit code 124", DefaultText: "none"},
	}
}

func tellFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "output", Aliases: []string{"o"}, Category: aboutTelling, Usage: "`FORMAT[=FILE]` text, json or jsonl; repeatable", DefaultText: "text"},
		&cli.BoolFlag{Name: "json", Category: aboutTelling, Usage: "short for -o json", DisableDefaultText: true},
		&cli.StringFlag{Name: "color", Value: "auto", Category: aboutTelling, Usage: "`WHEN` auto, always or never", DefaultText: "auto"},
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Category: aboutTelling, Usage: "only the verdict", DisableDefaultText: true},
		&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Category: aboutTelling, Usage: "every record and every piece of evidence", DisableDefaultText: true},
	}
}

func holdFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "expect", Category: aboutHolding, Usage: "`STATE[,STATE]` for each, or a count: open=0, open>=1"},
		&cli.DurationFlag{Name: "wait", Category: aboutHolding, Usage: "`TIME` to repeat it until it holds, else 124", DefaultText: "0"},
	}
}
