package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"onmux/report/flags"
	"onmux/report/help"
)

const durations = "durations look like 500ms, 2 or 2s, 1m30s"

// command fills in what the commands that look at ports have in common. The
// timeout is its default in the help.
func command(timeout string, c cli.Command) *cli.Command {
	return commandWith(c, flags.Port(), flags.Proto(), flags.Limits(timeout), flags.Outputs(), flags.Outcome())
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
