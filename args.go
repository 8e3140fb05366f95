package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"onmux/probe/wording"
	"onmux/report/help"
)

// reorder puts flags before arguments, as cli needs them, and refuses unknown
// commands and flags with the nearest name as a hint. "--" ends the flags.
func reorder(app *cli.App, args []string) ([]string, error) {
	known := append([]cli.Flag{cli.HelpFlag}, app.Flags...)
	for _, c := range app.Commands {
		known = append(known, c.Flags...)
	}
	line := split(args, known)
	if slices.Contains(line.Flags, "--version") {
		return []string{"--version"}, nil
	}
	if len(line.Args) == 0 {
		if line.Err != nil {
			return nil, lineError(line, "onmux", known)
		}
		if slices.ContainsFunc(line.Flags, func(f string) bool { return f != "--help" && f != "-h" }) {
			return nil, usageError(
				errors.New("no command is given"),
				"try onmux check, onmux probe HOST or onmux scan TARGET",
			)
		}
		return nil, nil
	}
	name := line.Args[0]
	if name == "help" {
		if len(line.Args) == 1 {
			return nil, nil
		}
		if _, ok := help.TopicOf(line.Args[1]); ok {
			return []string{topicCommand, "--", line.Args[1]}, nil
		}
		name, args = line.Args[1], []string{name, "--help"}
		line.First = 0
	}
	cmd := app.Command(name)
	if cmd == nil {
		return nil, unknownCommand(app, name)
	}
	known = append([]cli.Flag{cli.HelpFlag}, cmd.Flags...)
	line = split(slices.Delete(slices.Clone(args), line.First, line.First+1), known)
	if line.Err != nil {
		return nil, lineError(line, "onmux "+name, known)
	}
	if slices.Contains(line.Flags, "--help") || slices.Contains(line.Flags, "-h") {
		return []string{name, "--help"}, nil
	}
	return slices.Concat([]string{name}, line.Flags, []string{"--"}, line.Args), nil
}

func unknownCommand(app *cli.App, name string) error {
	var names []string
	for _, c := range app.VisibleCommands() {
		names = append(names, c.Name)
	}
	hint, err := help.UnknownCommand(name, names)
	return usageError(err, hint)
}

// lineError is what is wrong with a line of a command.
func lineError(w help.Line, command string, known []cli.Flag) error {
	// The flag that allows more is never proposed.
	inappropriate := func(n string) bool { return len(n) == 1 || n == "yes" }
	var names []string
	for _, f := range known {
		names = append(names, slices.DeleteFunc(slices.Clone(f.Names()), inappropriate)...)
	}
	if hint := help.Foreign(strings.TrimPrefix(command, "onmux "), w.Wrong); hint != "" {
		return usageError(w.Err, hint)
	}
	if near := wording.Nearest(strings.TrimLeft(w.Wrong, "-"), names); near != "" {
		return usageError(w.Err, fmt.Sprintf("did you mean --%s? %s --help lists the flags", near, command))
	}
	return usageError(w.Err, "see "+command+" --help")
}

// split separates the flags of a line from its arguments.
func split(line []string, known []cli.Flag) help.Line {
	flags := make(map[string]help.Syntax)
	for _, f := range known {
		_, isTime := f.(*cli.DurationFlag)
		for _, n := range f.Names() {
			flags[n] = help.Syntax{Value: f.(cli.DocGenerationFlag).TakesValue(), Time: isTime}
		}
	}
	return help.Split(line, flags)
}
