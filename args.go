package main

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
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
	line := splitArgs(args, known)
	if slices.Contains(line.flags, "--version") {
		return []string{"--version"}, nil
	}
	if len(line.args) == 0 {
		if line.err != nil {
			return nil, line.exitError("onmux", known)
		}
		if slices.ContainsFunc(line.flags, func(f string) bool { return f != "--help" && f != "-h" }) {
			return nil, usageError(errors.New("no command is given"), "try onmux check, onmux probe HOST or onmux scan TARGET")
		}
		return nil, nil
	}
	name := line.args[0]
	if name == "help" {
		if len(line.args) == 1 {
			return nil, nil
		}
		name, args = line.args[1], []string{name, "--help"}
		line.first = 0
	}
	cmd := app.Command(name)
	if cmd == nil {
		return nil, unknownCommand(app, name)
	}
	known = append([]cli.Flag{cli.HelpFlag}, cmd.Flags...)
	line = splitArgs(slices.Delete(slices.Clone(args), line.first, line.first+1), known)
	if line.err != nil {
		return nil, line.exitError("onmux "+name, known)
	}
	if slices.Contains(line.flags, "--help") || slices.Contains(line.flags, "-h") {
		return []string{name, "--help"}, nil
	}
	return slices.Concat([]string{name}, line.flags, []string{"--"}, line.args), nil
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

// commandLine is a command line split into flags and arguments.
type commandLine struct {
	flags []string // each whole: "--name" or "--name=value"
	args  []string
	first int    // index of args[0] in the line
	err   error  // the first thing wrong
	wrong string // the unknown flag that err is about, if it is about one, as it was typed
}

func (w commandLine) exitError(command string, known []cli.Flag) error {
	// The flag that allows more is never proposed.
	inappropriate := func(n string) bool { return len(n) == 1 || n == "yes" }
	var names []string
	for _, f := range known {
		names = append(names, slices.DeleteFunc(slices.Clone(f.Names()), inappropriate)...)
	}
	if hint := help.Foreign(strings.TrimPrefix(command, "onmux "), w.wrong); hint != "" {
		return usageError(w.err, hint)
	}
	if near := wording.Nearest(strings.TrimLeft(w.wrong, "-"), names); near != "" {
		return usageError(w.err, fmt.Sprintf("did you mean --%s? %s --help lists the flags", near, command))
	}
	return usageError(w.err, "see "+command+" --help")
}

func (w *commandLine) arg(at int, args ...string) {
	if len(w.args) == 0 {
		w.first = at
	}
	w.args = append(w.args, args...)
}

// splitArgs separates flags from arguments. It understands --name value, --name=value, the
// same with one dash, -p80, and -qv for -q -v.
func splitArgs(line []string, known []cli.Flag) commandLine {
	var w commandLine
	takes := make(map[string]bool) // by name: whether a value belongs to it
	times := make(map[string]bool) // … and whether that is a duration
	for _, f := range known {
		_, isTime := f.(*cli.DurationFlag)
		for _, n := range f.Names() {
			takes[n], times[n] = f.(cli.DocGenerationFlag).TakesValue(), isTime
		}
	}
	for i := 0; i < len(line); i++ {
		if line[i] == "--" {
			w.arg(i+1, line[i+1:]...)
			break
		}
		if len(line[i]) < 2 || line[i][0] != '-' {
			w.arg(i, line[i])
			continue
		}
		flags := expandCluster(line[i], takes)
		if written, _, _ := strings.Cut(line[i], "="); len(flags) != 1 || flags[0] != line[i] {
			if strings.HasPrefix(written, "-o") && help.Foreign("", written) != "" { // -oX is no -o X
				flags = line[i : i+1]
			}
		}
		for _, flag := range flags {
			name, _, given := strings.Cut(strings.TrimLeft(flag, "-"), "=")
			value, ok := takes[name]
			switch {
			case !ok && w.err == nil:
				w.wrong, _, _ = strings.Cut(flag, "=")
				w.err = fmt.Errorf("unknown flag %s", w.wrong)
			case ok && value && !given && (i+1 == len(line) || strings.HasPrefix(line[i+1], "--")):
				if w.err == nil {
					w.err = fmt.Errorf("%s needs a value", help.Dashed(name))
				}
			case ok && value && !given:
				i++
				flag += "=" + line[i]
			}
			if times[name] {
				flag = inSeconds(flag)
			}
			w.flags = append(w.flags, flag)
		}
	}
	return w
}

// inSeconds adds the unit to a duration that is a number: --wait=5 is --wait=5s.
func inSeconds(flag string) string {
	_, value, _ := strings.Cut(flag, "=")
	if n, err := strconv.ParseFloat(value, 64); err != nil || math.IsInf(n, 0) || math.IsNaN(n) ||
		strings.Trim(value, "0123456789.") != "" {
		return flag
	}
	return flag + "s"
}

// expandCluster turns a cluster of short flags into single ones: -qp80 into -q -p=80.
func expandCluster(word string, takes map[string]bool) []string {
	name, _, _ := strings.Cut(word[1:], "=")
	if _, whole := takes[name]; whole || word[1] == '-' {
		return []string{word}
	}
	var out []string
	for i := 1; i < len(word); i++ {
		short := word[i : i+1]
		value, ok := takes[short]
		if !ok {
			return []string{word}
		}
		if value && i+1 < len(word) {
			return append(out, "-"+short+"="+strings.TrimPrefix(word[i+1:], "="))
		}
		out = append(out, "-"+short)
	}
	return out
}
