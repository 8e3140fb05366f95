package main

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"onmux/probe"
	"onmux/probe/ports"
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
			return nil, usageError(errors.New("no command is given"), "try onmux check, onmux probe HOST or onmux scan TARGET")
		}
		return nil, nil
	}
	name := line.Args[0]
	if name == "help" {
		if len(line.Args) == 1 {
			return nil, nil
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

// unknownCommand is the error of a word in the place of a command: a port, a host and a
// network name the command that was probably meant.
func unknownCommand(app *cli.App, name string) error {
	var names []string
	for _, c := range app.Commands {
		names = append(names, c.Name)
	}
	near := wording.Nearest(name, names)
	port := strings.TrimPrefix(name, ":")
	_, notPort := ports.Parse([]string{port}, probe.Protos())
	_, notAddress := netip.ParseAddr(strings.Trim(name, "[]"))
	first, _, several := strings.Cut(name, "/")
	if !several {
		first, _, several = strings.Cut(name, "-")
	}
	_, notFirst := netip.ParseAddr(first)
	switch word := help.Quote(name); {
	case near != "":
		return usageError(fmt.Errorf("unknown command %q", name), "did you mean onmux "+near+"? onmux --help lists the commands")
	case notPort == nil:
		return usageError(fmt.Errorf("%s is a port, not a command: onmux check %s shows what holds it here", word, port),
			fmt.Sprintf("onmux probe HOST:%s for another host, onmux explain %s for what it is used for", port, port))
	case several && notFirst == nil:
		return usageError(fmt.Errorf("%s is a network, not a command: onmux scan %s probes each address", word, word),
			"onmux scan "+word+" --dry-run prints what would be sent")
	case notAddress == nil || strings.ContainsAny(name, ".:") || name == "localhost":
		return usageError(fmt.Errorf("%s is a host, not a command: onmux probe %s examines it", word, word),
			"onmux probe HOST:PORT for another port than 417, onmux scan for networks")
	default:
		return usageError(fmt.Errorf("unknown command %q", name),
			"onmux --help lists the commands; if it is a host: onmux probe "+word)
	}
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
