package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"onmux/probe"
	"onmux/report"
	"onmux/scan"
	"onmux/scan/packet"
)

const appHelp = `onmux - {{.Usage}}

usage: onmux COMMAND [FLAGS] [ARGUMENTS]
{{range .VisibleCommands}}
  {{.Name}} {{.ArgsUsage}}{{"\t"}}{{.Usage}}{{end}}
  help COMMAND{{"\t"}}all flags of a command
  --version{{"\t"}}print the version

examples:
  onmux check                        what holds port 417 here, and who owns it
  onmux probe db1:5432/tcp           the whole truth about one endpoint
  onmux scan 10.0.0.0/24             a verdict for every address
  onmux check 8080 --expect free     exit code 1 if it is not
  onmux explain 417                  what the port is, and where its name is from

exit codes: 0 done, 1 an expectation does not hold, 2 usage, 3 could not tell,
124 --wait or --deadline ran out
`

const commandHelp = `{{.HelpName}} - {{.Usage}}

usage: {{.HelpName}} [FLAGS] {{.ArgsUsage}}
{{if .Description}}
{{.Description}}
{{end}}{{range .VisibleFlagCategories}}
{{if .Name}}{{.Name}}:{{else}}flags:{{end}}
{{range .Flags}}{{.}}
{{end}}{{end}}`

// flagLine is a flag as help tells it.
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

// arrange puts flags before arguments, which cli demands and people don't, and
// refuses unknown commands and flags by naming the nearest. "--" ends the flags.
func arrange(app *cli.App, args []string) ([]string, error) {
	known := append([]cli.Flag{cli.HelpFlag}, app.Flags...)
	for _, c := range app.Commands {
		known = append(known, c.Flags...)
	}
	line := split(args, known)
	if slices.Contains(line.flags, "--version") {
		return []string{"--version"}, nil
	}
	if len(line.args) == 0 {
		if line.err != nil {
			return nil, line.fault("onmux", known)
		}
		if slices.ContainsFunc(line.flags, func(f string) bool { return f != "--help" && f != "-h" }) {
			return nil, usage(errors.New("there are flags, but no command"), "try onmux check, onmux probe HOST or onmux scan TARGET")
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
		return nil, usage(fmt.Errorf("there is no command %q", name), nearestCommand(app, name))
	}
	known = append([]cli.Flag{cli.HelpFlag}, cmd.Flags...)
	line = split(slices.Delete(slices.Clone(args), line.first, line.first+1), known)
	if line.err != nil {
		return nil, line.fault("onmux "+name, known)
	}
	if slices.Contains(line.flags, "--help") || slices.Contains(line.flags, "-h") {
		return []string{name, "--help"}, nil
	}
	return slices.Concat([]string{name}, line.flags, []string{"--"}, line.args), nil
}

func nearestCommand(app *cli.App, name string) string {
	_, nearest, _ := strings.Cut(cli.SuggestCommand(app.Commands, name), `"`)
	nearest, _, _ = strings.Cut(nearest, `"`)
	return fmt.Sprintf("did you mean onmux %s? onmux --help lists the commands", nearest)
}

// words is a command line taken apart.
type words struct {
	flags []string // each whole: "--name" or "--name=value"
	args  []string
	first int    // where in the line args[0] stood
	err   error  // the first thing wrong
	wrong string // the unknown flag that err is about, if it is about one
}

func (w words) fault(command string, known []cli.Flag) error {
	hint := "see " + command + " --help"
	if near := cli.SuggestFlag(known, w.wrong, true); w.wrong != "" && near != "" {
		hint = fmt.Sprintf("did you mean %s? %s --help lists the flags", near, command)
	}
	return usage(w.err, hint)
}

func (w *words) arg(at int, args ...string) {
	if len(w.args) == 0 {
		w.first = at
	}
	w.args = append(w.args, args...)
}

// split tells flags from arguments. It knows --name value, --name=value, the
// same with one dash, -p80, and -qv for -q -v.
func split(line []string, known []cli.Flag) words {
	var w words
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
		for _, flag := range expand(line[i], takes) {
			name, _, given := strings.Cut(strings.TrimLeft(flag, "-"), "=")
			value, ok := takes[name]
			switch {
			case !ok && w.err == nil:
				w.err, w.wrong = fmt.Errorf("there is no flag %s", dashed(name)), name
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

// expand turns a cluster of short flags into single ones: -qp80 into -q -p=80.
func expand(word string, takes map[string]bool) []string {
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

// session is one run of a command: what the common flags asked for.
type session struct {
	command  string
	stdout   io.Writer
	stderr   io.Writer
	outputs  []report.Output
	layout   report.Options
	expect   []report.Expectation
	ports    []probe.Port
	protos   []probe.Proto // for ports with no suffix
	ipv4     bool
	ipv6     bool
	timeout  time.Duration
	deadline time.Duration
	wait     time.Duration
	progress *report.Progress // nil where nobody would see it
}

// newSession reads the common flags; everything wrong with them is a usage
// error, found before anything is sent.
func newSession(c *cli.Context) (*session, error) {
	s := &session{
		command: c.Command.Name, stdout: c.App.Writer, stderr: c.App.ErrWriter,
		ipv4: !c.Bool("6"), ipv6: !c.Bool("4"),
		timeout: c.Duration("timeout"), deadline: c.Duration("deadline"), wait: c.Duration("wait"),
	}
	if !s.ipv4 && !s.ipv6 {
		return nil, usage(errors.New("-4 and -6 exclude each other"), "leave both out for both families")
	}
	for _, name := range []string{"timeout", "deadline", "wait"} {
		if c.IsSet(name) && c.Duration(name) <= 0 {
			return nil, usage(fmt.Errorf("--%s %s is no time to wait", name, c.Duration(name)), durations)
		}
	}
	if c.Bool("quiet") && c.Bool("verbose") {
		return nil, usage(errors.New("--quiet and --verbose exclude each other"), "")
	}
	if err := errors.Join(s.readPorts(c), s.readExpectations(c), s.readOutputs(c)); err != nil {
		var first *fault
		errors.As(err, &first)
		return nil, first
	}
	return s, nil
}

func (s *session) readPorts(c *cli.Context) error {
	switch proto := c.String("proto"); proto {
	case "both":
		s.protos = probe.Protos()
	case "tcp":
		s.protos = []probe.Proto{probe.TCP}
	case "udp":
		s.protos = []probe.Proto{probe.UDP}
	default:
		return usage(fmt.Errorf("--proto %s: there is no such protocol", proto), "tcp, udp or both")
	}
	specs := c.StringSlice("port")
	if s.command == "check" {
		specs = append(specs, c.Args().Slice()...)
	}
	if len(specs) == 0 {
		specs = []string{strconv.Itoa(probe.Onmux)}
	}
	ports, err := scan.ParsePorts(specs, s.protos)
	if err != nil {
		return usage(err, "")
	}
	s.ports = ports
	return nil
}

func (s *session) readExpectations(c *cli.Context) error {
	for _, text := range c.StringSlice("expect") {
		e, err := report.ParseExpectation(text, s.command)
		if err != nil {
			return usage(fmt.Errorf("--expect %s: %w", text, err), "")
		}
		s.expect = append(s.expect, e)
	}
	if s.command == "check" {
		if err := s.expectHolder(c); err != nil {
			return err
		}
	}
	if s.wait > 0 && len(s.expect) == 0 {
		return usage(errors.New("--wait has nothing to wait for"), "say what with --expect, as in --expect open --wait 30s")
	}
	return nil
}

func (s *session) readOutputs(c *cli.Context) error {
	texts := c.StringSlice("output")
	if c.Bool("json") {
		texts = append(texts, "json")
	}
	if !slices.ContainsFunc(texts, func(t string) bool { return !strings.Contains(t, "=") }) {
		texts = append(texts, "text")
	}
	for _, text := range texts {
		o, err := report.ParseOutput(text)
		if err != nil {
			return usage(fmt.Errorf("--output %s: %w", text, err), "")
		}
		s.outputs = append(s.outputs, o)
	}
	color, err := wantsColor(c.String("color"), s.stdout)
	if err != nil {
		return err
	}
	s.layout = report.Options{Color: color, Width: width(s.stdout), PortName: packet.PortName}
	switch {
	case c.Bool("quiet"):
		s.layout.Verbosity = report.Quiet
	case c.Bool("verbose"):
		s.layout.Verbosity = report.Verbose
	}
	if w := width(s.stderr); w > 0 && !c.Bool("quiet") && os.Getenv("TERM") != "dumb" {
		s.progress = report.NewProgress(s.stderr, w)
		s.stdout = s.progress.Wrap(s.stdout)
	}
	return nil
}

// wantsColor decides once whether standard output is coloured: the flag, then
// NO_COLOR, then CLICOLOR_FORCE, then whether it is a terminal that can.
func wantsColor(flag string, stdout io.Writer) (bool, error) {
	force := os.Getenv("CLICOLOR_FORCE")
	switch {
	case flag == "always":
		return true, nil
	case flag == "never":
		return false, nil
	case flag != "auto":
		return false, usage(fmt.Errorf("--color %s: there is no such choice", flag), "auto, always or never")
	case os.Getenv("NO_COLOR") != "":
		return false, nil
	case force != "" && force != "0":
		return true, nil
	}
	return width(stdout) > 0 && os.Getenv("TERM") != "dumb" && os.Getenv("CLICOLOR") != "0", nil
}

// width is a terminal's number of columns, and 0 for all that is no terminal.
func width(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		return n
	}
	if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
		return n
	}
	return 80
}
