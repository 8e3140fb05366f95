package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"onmux/probe/wording"
)

const appHelp = `onmux - {{.Usage}}

usage: onmux COMMAND [FLAGS] [ARGUMENTS]
{{range .VisibleCommands}}
  {{.Name}} {{.ArgsUsage}}{{"\t"}}{{.Usage}}{{end}}
  help COMMAND{{"\t"}}all flags of a command
  --version{{"\t"}}print the version

examples:
  onmux check                        what holds port 417 here, and who owns it
  onmux probe db1:5432/tcp           everything about one endpoint
  onmux scan 10.0.0.0/24             a verdict for every address
  onmux check 8080 --expect free     exit code 1 if it is not
  onmux explain 417                  what the port is, and who says so

exit codes: 0 done, 1 an expectation does not hold, 2 usage, 3 could not tell,
124 --wait or --deadline ran out
`

const commandHelp = `{{.HelpName}} - {{.Usage}}

usage: {{.HelpName}} [FLAGS]{{with .ArgsUsage}} {{.}}{{end}}
{{if .Description}}
{{.Description}}
{{end}}{{if .UsageText}}
examples:
{{.UsageText}}
{{end}}{{range .VisibleFlagCategories}}
{{if .Name}}{{.Name}}:{{else}}flags:{{end}}
{{range .Flags}}{{.}}
{{end}}{{end}}`

// flagLine is a flag as help prints it.
func flagLine(f cli.Flag) string {
	d, ok := f.(cli.DocGenerationFlag)
	if !ok {
		return ""
	}
	var names []string
	for _, n := range f.Names() {
		names = append(names, dashed(n))
	}
	slices.SortFunc(names, func(a, b string) int { return len(a) - len(b) })
	if len(names) == 1 && len(names[0]) > 2 {
		names[0] = "    " + names[0]
	}
	// The text between backquotes names the value.
	before, rest, _ := strings.Cut(d.GetUsage(), "`")
	value, after, found := strings.Cut(rest, "`")
	line := "  " + strings.Join(names, ", ")
	if found {
		line += " " + value
	}
	line += "\t" + strings.TrimSpace(before+strings.TrimLeft(after, ": "))
	if text := d.GetDefaultText(); text != "" && d.TakesValue() {
		line += " (default " + text + ")"
	}
	return line
}

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
		return nil, usageError(fmt.Errorf("unknown command %q", name), suggestCommand(app, name))
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

func suggestCommand(app *cli.App, name string) string {
	var names []string
	for _, c := range app.Commands {
		names = append(names, c.Name)
	}
	hint := "onmux --help lists the commands"
	if near := wording.Nearest(name, names); near != "" {
		hint = "did you mean onmux " + near + "? " + hint
	}
	return hint
}

// commandLine is a command line split into flags and arguments.
type commandLine struct {
	flags []string // each whole: "--name" or "--name=value"
	args  []string
	first int    // index of args[0] in the line
	err   error  // the first thing wrong
	wrong string // the unknown flag that err is about, if it is about one
}

func (w commandLine) exitError(command string, known []cli.Flag) error {
	hint := "see " + command + " --help"
	var names []string
	for _, f := range known {
		names = append(names, slices.DeleteFunc(f.Names(), func(n string) bool { return len(n) == 1 })...)
	}
	if near := wording.Nearest(strings.TrimLeft(w.wrong, "-"), names); near != "" {
		hint = fmt.Sprintf("did you mean --%s? %s --help lists the flags", near, command)
	}
	return usageError(w.err, hint)
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
	for _, f := range known {
		for _, n := range f.Names() {
			takes[n] = f.(cli.DocGenerationFlag).TakesValue()
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
		for _, flag := range expandCluster(line[i], takes) {
			name, _, given := strings.Cut(strings.TrimLeft(flag, "-"), "=")
			value, ok := takes[name]
			switch {
			case !ok && w.err == nil:
				w.err, w.wrong = fmt.Errorf("unknown flag %s", dashed(name)), name
			case ok && value && !given && (i+1 == len(line) || strings.HasPrefix(line[i+1], "--")):
				if w.err == nil {
					w.err = fmt.Errorf("%s needs a value", dashed(name))
				}
			case ok && value && !given:
				i++
				flag += "=" + line[i]
			}
			w.flags = append(w.flags, flag)
		}
	}
	return w
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

func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

const durations = "durations look like 500ms, 2s or 1m30s"

// command fills in what the commands that look at ports have in common. The
// timeout is its default in the help.
func command(timeout string, c cli.Command) *cli.Command {
	return commandWith(c, portFlag(), protoFlag(), limitFlags(timeout), outputFlags(), outcomeFlags())
}

// commandWith fills in what all commands have in common, and groups of flags
// with one meaning everywhere.
func commandWith(c cli.Command, groups ...[]cli.Flag) *cli.Command {
	c.Flags = append(c.Flags, slices.Concat(groups...)...)
	c.CustomHelpTemplate = commandHelp
	c.HideHelpCommand = true // "onmux probe help" asks for a host of that name
	c.OnUsageError = func(ctx *cli.Context, err error, _ bool) error {
		// package flag writes: invalid value "soon" for flag -deadline: parse error
		text, hint := err.Error(), "see onmux "+ctx.Command.Name+" --help"
		if value, name, ok := strings.Cut(text, " for flag -"); ok {
			name, _, _ = strings.Cut(name, ":")
			text = fmt.Sprintf("%s for %s", value, dashed(name))
			if slices.Contains([]string{"timeout", "deadline", "wait"}, name) {
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
		&cli.StringSliceFlag{Name: "port", Aliases: []string{"p"}, Category: categoryGeneral, Usage: "`PORTS` as 80,443, 400-420, http, 53/udp", DefaultText: "417"},
	}
}

func protoFlag() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "proto", Value: "both", Category: categoryGeneral, Usage: "`PROTO` of ports with no suffix: tcp, udp or both", DefaultText: "both"},
	}
}

func limitFlags(timeout string) []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "4", Category: categoryGeneral, Usage: "IPv4 only", DisableDefaultText: true},
		&cli.BoolFlag{Name: "6", Category: categoryGeneral, Usage: "IPv6 only", DisableDefaultText: true},
		&cli.DurationFlag{Name: "timeout", Category: categoryGeneral, Usage: "`TIME` for one attempt, as 500ms or 2s", DefaultText: timeout},
		&cli.DurationFlag{Name: "deadline", Category: categoryGeneral, Usage: "`TIME` for the whole command, then exit code 124", DefaultText: "none"},
	}
}

func outputFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "output", Aliases: []string{"o"}, Category: categoryOutput, Usage: "`FORMAT[=FILE]` text, json, csv ...; repeatable", DefaultText: "text"},
		&cli.BoolFlag{Name: "json", Category: categoryOutput, Usage: "short for -o json", DisableDefaultText: true},
		&cli.StringFlag{Name: "color", Value: "auto", Category: categoryOutput, Usage: "`WHEN` auto, always or never", DefaultText: "auto"},
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Category: categoryOutput, Usage: "only the verdict", DisableDefaultText: true},
		&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Category: categoryOutput, Usage: "every record and every piece of evidence", DisableDefaultText: true},
	}
}

func outcomeFlags() []cli.Flag { return append(expectFlags(), waitFlags()...) }

func expectFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "expect", Category: categoryVerify, Usage: "`STATE[,STATE]` for each, or a count: open=0, open>=1"},
	}
}

func styleFlag() cli.Flag {
	return &cli.StringFlag{Name: "exit-style", Category: categoryVerify, Usage: "`STYLE` of exit codes: nagios or docker", DefaultText: "onmux"}
}

func waitFlags() []cli.Flag {
	return []cli.Flag{
		styleFlag(),
		&cli.DurationFlag{Name: "wait", Category: categoryVerify, Usage: "`TIME` to retry until it holds, else 124", DefaultText: "0"},
	}
}

func verifyFlag(category string) cli.Flag {
	return &cli.BoolFlag{Name: "verify-open", Category: category, Usage: "test whether it is a service; and 4 random ports", DisableDefaultText: true}
}

func libraryFlag(category string) cli.Flag {
	return &cli.StringFlag{Name: "recog", Category: category, Usage: "`DIR` of Rapid7's Recog, to name more software"}
}
