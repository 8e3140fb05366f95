package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"onmux/report"
	"onmux/report/help"
	"onmux/report/record"
)

// program describes the app for its documentation.
func program(app *cli.App) help.Program {
	p := help.Program{Usage: app.Usage, Version: version, ExitCodes: exitCodes}
	for _, c := range app.VisibleCommands() {
		out := help.Command{Name: c.Name, Args: c.ArgsUsage, Usage: c.Usage, Description: c.Description,
			Examples: c.UsageText}
		for _, f := range c.VisibleFlags() {
			out.Flags = append(out.Flags, documented(c.Name, f))
		}
		p.Commands = append(p.Commands, out)
	}
	return p
}

// documented is a flag as help and completion need it. The text between backquotes names
// its value.
func documented(command string, f cli.Flag) help.Flag {
	out := help.Flag{Names: f.Names(), Values: flagValues(command, f)}
	d, ok := f.(cli.DocGenerationFlag)
	if !ok {
		return out
	}
	before, rest, _ := strings.Cut(d.GetUsage(), "`")
	value, after, found := strings.Cut(rest, "`")
	out.Text = strings.TrimSpace(before + strings.TrimLeft(after, ": "))
	if found {
		out.Value = value
	}
	out.TakesFile = value == "FILE" || value == "DIR"
	if d.TakesValue() {
		out.Default = d.GetDefaultText()
	}
	return out
}

// flagValues are the words that a flag of a command takes, if they are few.
func flagValues(command string, f cli.Flag) []string {
	switch f.Names()[0] {
	case "proto":
		return []string{"tcp", "udp", "both"}
	case "output":
		return report.Formats()
	case "color":
		return []string{"auto", "always", "never"}
	case "method":
		return []string{"auto", "syn", "connect"}
	case "exit-style":
		return exitStyles
	case "expect":
		return record.Words(command)
	case "addr":
		return []string{"loopback", "any"}
	}
	return nil
}

// flagLine is a flag as help prints it.
func flagLine(f cli.Flag) string {
	d := documented("", f)
	return "  " + d.Spelling() + "\t" + d.Description()
}

func completionCommand() *cli.Command {
	return commandWith(cli.Command{
		Name:        "completion",
		Usage:       "complete commands and flags in bash, zsh or fish",
		ArgsUsage:   "SHELL",
		Description: "Prints a script that knows the commands, their flags and the words they take.",
		UsageText: `  source <(onmux completion bash)     in ~/.bashrc
  source <(onmux completion zsh)      in ~/.zshrc, after compinit
  onmux completion fish | source      in ~/.config/fish/config.fish`,
		Action: func(c *cli.Context) error {
			if c.NArg() != 1 || !slices.Contains(help.Shells(), c.Args().First()) {
				return usageError(fmt.Errorf("completion needs the name of a shell"), strings.Join(help.Shells(), ", "))
			}
			return failure(help.Complete(c.App.Writer, c.Args().First(), program(c.App)))
		},
	})
}

func manCommand() *cli.Command {
	return commandWith(cli.Command{
		Name:        "man",
		Usage:       "print the manual page",
		Description: `In roff, made from the same table as --help.`,
		UsageText: `  onmux man | man -l -                read it
  onmux man > onmux.1                 for the folder man1 of your MANPATH`,
		Action: func(c *cli.Context) error {
			if c.NArg() > 0 {
				return usageError(fmt.Errorf("man takes no arguments"), "onmux man | man -l -")
			}
			return failure(help.WriteManual(c.App.Writer, program(c.App)))
		},
	})
}
