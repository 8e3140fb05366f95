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
	named := byName(known)
	line := split(args, named)
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
	if len(app.Commands) > 1 {
		named = byName(known)
	}
	line = split(slices.Delete(slices.Clone(args), line.First, line.First+1), named)
	if line.Err != nil {
		return nil, lineError(line, "onmux "+name, known)
	}
	if slices.Contains(line.Flags, "--help") || slices.Contains(line.Flags, "-h") {
		return []string{name, "--help"}, nil
	}
	cmd.Flags = inEffect(cmd.Flags, line.Flags, named)
	return slices.Concat([]string{name}, line.Flags, []string{"--"}, line.Args), nil
}

// inEffect are the flags that a line has, and those with a default. With all of them, cli takes
// a third of a millisecond: it looks for each among the others, and makes up the help of each.
func inEffect(flags []cli.Flag, line []string, named map[string]cli.Flag) []cli.Flag {
	return slices.DeleteFunc(slices.Clone(flags), func(f cli.Flag) bool {
		given := slices.ContainsFunc(line, func(word string) bool { return named[help.FlagName(word)] == f })
		initial := f.(cli.DocGenerationFlag).GetValue()
		return !given && (initial == "" || initial == "0" || initial == "0s")
	})
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

// byName are flags by all their names.
func byName(known []cli.Flag) map[string]cli.Flag {
	named := make(map[string]cli.Flag, 2*len(known))
	for _, f := range known {
		for _, n := range f.Names() {
			named[n] = f
		}
	}
	return named
}

// split separates the flags of a line from its arguments.
func split(line []string, named map[string]cli.Flag) help.Line {
	flags := make(map[string]help.Syntax, len(named))
	for n, f := range named {
		_, isTime := f.(*cli.DurationFlag)
		flags[n] = help.Syntax{Value: f.(cli.DocGenerationFlag).TakesValue(), Time: isTime}
	}
	return help.Split(line, flags)
}
