package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"onmux/report"
	"onmux/report/exitcode"
	"onmux/report/help"
	"onmux/report/record"
)

// releaseDate is of version, for a program that was built from something else than a commit.
const releaseDate = "2026-11-28"

// program describes the app for its documentation.
func program(app *cli.App) help.Program {
	date := help.BuildOf(version).Day(releaseDate)
	p := help.Program{Usage: app.Usage, Version: version, Date: date, ExitCodes: exitcode.Codes()}
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
		return exitcode.Styles()
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
		Name:      "completion",
		Usage:     "complete commands and flags in bash, zsh or fish",
		ArgsUsage: "SHELL",
		Description: `Prints a script that knows the commands, their flags and the words they take.
onmux completion install [SHELL] writes it to where the shell looks for those of
its user; without a shell, for the one in $SHELL.`,
		UsageText: `  onmux completion install            for your shell
  source <(onmux completion bash)     in ~/.bashrc
  source <(onmux completion zsh)      in ~/.zshrc, after compinit
  onmux completion fish | source      in ~/.config/fish/config.fish`,
		Action: func(c *cli.Context) error {
			args := c.Args().Slice()
			install := len(args) > 0 && args[0] == "install"
			if install {
				if args = args[1:]; len(args) == 0 {
					args = []string{filepath.Base(os.Getenv("SHELL"))}
				}
			}
			if len(args) != 1 || !slices.Contains(help.Shells(), args[0]) {
				return usageError(fmt.Errorf("completion needs the name of a shell"), strings.Join(help.Shells(), ", "))
			}
			if !install {
				return failure(help.Complete(c.App.Writer, args[0], program(c.App)))
			}
			file, todo, err := help.Install(args[0], program(c.App))
			if err != nil {
				return failure(err)
			}
			_, err = fmt.Fprintf(c.App.Writer, "%s is written: %s\n", file, todo)
			return failure(err)
		},
	})
}

func manCommand() *cli.Command {
	return commandWith(cli.Command{
		Name:      "man",
		Usage:     "print a manual page",
		ArgsUsage: "[PAGE]",
		Description: `In roff, made from the same sources as --help and onmux help TOPIC. Without an
argument it is the page of all commands.`,
		UsageText: `  onmux man | man -l -                read it
  onmux man check | man -l -          the page of a command
  onmux man --dir ~/.local/share/man  write all pages there, for man onmux-check`,
		Flags: []cli.Flag{&cli.StringFlag{Name: "dir", Usage: "`DIR` to write all pages to, in man1 and man7"}},
		Action: func(c *cli.Context) error {
			pages := help.Pages(program(c.App))
			switch name := c.Args().First(); {
			case c.IsSet("dir") && c.NArg() == 0:
				return failure(help.WritePages(c.String("dir"), program(c.App)))
			case c.NArg() == 0:
				return failure(help.WriteManual(c.App.Writer, program(c.App), pages[0]))
			case c.NArg() > 1 || c.IsSet("dir"):
				return usageError(fmt.Errorf("man takes one page, or --dir"), "onmux man | man -l -")
			case !slices.Contains(pages, name):
				return usageError(fmt.Errorf("%q is not a page", name), "the pages are "+strings.Join(pages, ", "))
			default:
				return failure(help.WriteManual(c.App.Writer, program(c.App), name))
			}
		},
	})
}

// topicCommand is how reorder prints a topic: onmux help TOPIC.
const topicCommand = "topic"

func newTopicCommand() *cli.Command {
	return commandWith(cli.Command{
		Name:   topicCommand,
		Usage:  "print a topic of the help",
		Hidden: true,
		Action: func(c *cli.Context) error {
			t, ok := help.TopicOf(c.Args().First())
			if !ok {
				return usageError(fmt.Errorf("%q is not a topic", c.Args().First()), "onmux --help lists the topics")
			}
			return failure(t.Write(c.App.Writer))
		},
	})
}
