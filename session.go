package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"onmux/probe"
	"onmux/probe/farend"
	"onmux/probe/local/secret"
	"onmux/probe/ports"
	"onmux/probe/recog"
	"onmux/probe/service"
	"onmux/report"
	"onmux/report/expect"
	"onmux/report/help"
	"onmux/report/record"
	"onmux/scan/files"
)

// session is one run of a command: what the common flags asked for.
type session struct {
	command string
	args    []string // the command line as it was given
	stdout  io.Writer
	stderr  io.Writer
	outputs []report.Output
	layout  record.Options
	expect  []expect.Expectation
	job     string
	open    bool // only open endpoints are written
	strict  bool // of diff: what may be a change counts
	ports   []probe.Port
	protos  []probe.Proto // for ports with no suffix
	ipv4    bool
	ipv6    bool
	limits
	library  *recog.Library   // names more software; nil is none
	farEnd   *farend.Key      // --far-end
	plan     *record.Plan     // of a scan
	watch    bool             // --watch
	execute  *execution       // of --exec; nil without
	progress *report.Progress // nil where nobody would see it
}

// limits are the times that flags set; 0 is the default of the command, or none.
type limits struct {
	timeout  time.Duration // of one attempt
	deadline time.Duration // of the whole command
	wait     time.Duration // until the expectations hold
}

// argsKey is where an app keeps its command line as it was given.
const argsKey = "args"

func given(app *cli.App) []string {
	args, _ := app.Metadata[argsKey].([]string)
	args, _ = secret.Mask(args) // a target may be a URL with a password
	return args
}

// newSession reads the common flags; everything wrong with them is a usage
// error, found before anything is sent.
func newSession(c *cli.Context) (*session, error) {
	s := &session{
		command: c.Command.Name, args: given(c.App), stdout: c.App.Writer, stderr: c.App.ErrWriter,
		ipv4: !c.Bool("6"), ipv6: !c.Bool("4"), open: c.Bool("open"),
		limits: limits{timeout: c.Duration("timeout"), deadline: c.Duration("deadline"), wait: c.Duration("wait")},
	}
	if !s.ipv4 && !s.ipv6 {
		return nil, usageError(errors.New("-4 and -6 exclude each other"), "leave both out for both families")
	}
	for _, name := range []string{"timeout", "deadline", "wait"} {
		if c.IsSet(name) && c.Duration(name) <= 0 {
			return nil, usageError(fmt.Errorf("--%s must be greater than 0", name), durations)
		}
	}
	if c.IsSet("first") && c.Uint64("first") == 0 {
		return nil, usageError(errors.New("--first must be greater than 0"), "leave it out to find all")
	}
	if c.Bool("quiet") && c.Bool("verbose") {
		return nil, usageError(errors.New("--quiet and --verbose exclude each other"), "")
	}
	if err := errors.Join(s.readPorts(c), s.readExpectations(c), s.readOutputs(c), s.readExec(c)); err != nil {
		var first *exitError
		errors.As(err, &first)
		return nil, first
	}
	return s, nil
}

func (s *session) readPorts(c *cli.Context) error {
	switch proto := c.String("proto"); proto {
	case "both", "": // some commands ask no ports
		s.protos = probe.Protos()
	case "tcp":
		s.protos = []probe.Proto{probe.TCP}
	case "udp":
		s.protos = []probe.Proto{probe.UDP}
	default:
		return usageError(fmt.Errorf("--proto %s: unknown protocol", proto), "tcp, udp or both")
	}
	specs := c.StringSlice("port")
	if s.command == "watch" {
		named, _ := portsAndFiles(c.Args().Slice())
		specs = append(specs, named...)
	}
	if s.command == "check" || s.command == "listen" {
		for _, arg := range c.Args().Slice() {
			if len(arg) > 1 && arg[0] == ':' { // as others write the port of this machine
				arg = arg[1:]
			}
			specs = append(specs, arg)
		}
	}
	if len(specs) == 0 {
		specs = []string{strconv.Itoa(probe.Onmux)}
	}
	var err error
	if s.ports, err = s.portsOf(c, specs); err != nil {
		return usageError(err, "")
	}
	if not := c.StringSlice("exclude-ports"); len(not) > 0 {
		excluded, err := s.portsOf(c, not)
		if err != nil {
			return usageError(fmt.Errorf("--exclude-ports: %w", err), "")
		}
		if s.ports = ports.Exclude(s.ports, excluded); len(s.ports) == 0 {
			return usageError(errors.New("--exclude-ports leaves no port"), "name more with --port")
		}
	}
	return nil
}

// portsOf reads lists of ports, of which each may be @FILE.
func (s *session) portsOf(c *cli.Context, specs []string) ([]probe.Port, error) {
	var lists []string
	in := &files.Inputs{Stdin: c.App.Reader}
	for _, spec := range specs {
		name, ok := strings.CutPrefix(spec, "@")
		if !ok {
			lists = append(lists, spec)
			continue
		}
		f, err := in.Open(name)
		if err != nil {
			return nil, err
		}
		more, err := ports.Read(files.Title(name), f)
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
		lists = append(lists, more...)
	}
	return ports.Parse(lists, s.protos)
}

func (s *session) readExpectations(c *cli.Context) error {
	for _, text := range c.StringSlice("expect") {
		e, err := expect.Parse(text, s.command)
		if err != nil {
			return usageError(fmt.Errorf("--expect %s: %w", text, err), "")
		}
		s.expect = append(s.expect, e)
	}
	if err := errors.Join(s.readService(c), s.readFarEnd(c)); err != nil {
		return err
	}
	if s.command == "check" {
		if err := s.readHolder(c); err != nil {
			return err
		}
	}
	if style := c.String("exit-style"); style != "" && !slices.Contains(exitStyles, style) {
		return usageError(fmt.Errorf("--exit-style %s: unknown style", style), strings.Join(exitStyles, ", "))
	}
	if s.wait > 0 && len(s.expect) == 0 && s.command != "verify" {
		return usageError(errors.New("--wait needs --expect"), "as in --expect open --wait 30s")
	}
	return nil
}

// readService reads --service, and rejects what needs identification where there is none.
func (s *session) readService(c *cli.Context) error {
	if names := c.StringSlice("service"); len(names) > 0 {
		e, err := expect.OfService(names, service.Names(), s.command)
		if err != nil {
			return usageError(fmt.Errorf("--service: %w", err),
				"the first word of what onmux probe shows of a service, as ssh or postgresql; or any")
		}
		s.expect = append(s.expect, e)
	}
	needs := s.needsService()
	switch {
	case needs && c.Bool("no-identify"):
		return usageError(errors.New("--no-identify excludes what is expected of a service"), "leave one of them out")
	case needs && s.command == "scan" && !c.Bool("identify"):
		return usageError(errors.New("what is expected of a service needs --identify"), "add --identify")
	}
	return nil
}

// readFarEnd reads --far-end, whose listener must answer.
func (s *session) readFarEnd(c *cli.Context) (err error) {
	if s.farEnd, err = readKey(c, "far-end"); s.farEnd != nil {
		s.expect = append(s.expect, expect.OfEndpoint(expect.Endpoint{FarEnd: true}, time.Now()))
	}
	return err
}

// needsService reports whether services must be identified to judge what is expected.
func (s *session) needsService() bool {
	return slices.ContainsFunc(s.expect, expect.Expectation.NeedsService)
}

func (s *session) readOutputs(c *cli.Context) error {
	texts := c.StringSlice("output")
	if c.Bool("json") {
		texts = append(texts, "json")
	}
	if c.IsSet("format") && !slices.ContainsFunc(texts, func(t string) bool { return strings.HasPrefix(t, "template") }) {
		texts = append(texts, "template")
	}
	if !slices.ContainsFunc(texts, func(t string) bool { return !strings.Contains(t, "=") }) {
		texts = append(texts, "text")
	}
	for _, text := range texts {
		o, err := report.ParseOutput(text)
		if err != nil {
			return usageError(fmt.Errorf("--output %s: %w", text, err), "")
		}
		if err := report.Fits(o.Format, s.command); err != nil {
			return usageError(fmt.Errorf("--output %s: %w", text, err), "")
		}
		s.outputs = append(s.outputs, o)
	}
	color, err := report.Colored(c.String("color"), s.stdout)
	if err != nil {
		return usageError(fmt.Errorf("--color: %w", err), "")
	}
	s.layout = record.Options{
		AtOnce:   c.Command.Name == "check",
		Live:     report.Width(s.stdout) > 0 && slices.Contains([]string{"probe", "scan"}, c.Command.Name),
		Color:    color,
		Width:    report.Width(s.stdout),
		ASCII:    report.ASCII(),
		PortName: ports.NameOf,
		Title:    c.String("title"),
		Stamp:    c.Bool("stamp"),
		Now:      time.Now,
	}
	s.job = cmp.Or(c.String("job"), report.JobOf(s.outputs))
	if err := s.readTemplate(c); err != nil {
		return err
	}
	switch {
	case c.Bool("quiet"):
		s.layout.Verbosity = record.Quiet
	case c.Bool("verbose"):
		s.layout.Verbosity = record.Verbose
	}
	if !c.Bool("quiet") {
		w := report.Width(s.stderr)
		if os.Getenv("TERM") == "dumb" {
			w = 0
		}
		s.progress = report.NewProgress(s.stderr, w)
		s.stdout = s.progress.Wrap(s.stdout)
	}
	return nil
}

// readTemplate reads --format.
func (s *session) readTemplate(c *cli.Context) error {
	if !c.IsSet("format") {
		return nil
	}
	var err error
	if s.layout.Template, err = report.ParseTemplate(c.String("format")); err != nil {
		return usageError(fmt.Errorf("--format: %w", err),
			"as in --format '{{.Address}}:{{.Port}} {{.State}}'; fields as in -o json")
	}
	return nil
}

// readLibrary reads --recog, which needs identification.
func (s *session) readLibrary(c *cli.Context, identify bool) error {
	dir := c.String("recog")
	switch {
	case !c.IsSet("recog"):
		return nil
	case !identify && c.Bool("no-identify"):
		return usageError(errors.New("--recog and --no-identify exclude each other"), "")
	case !identify && c.Command.Name == "scan":
		return usageError(errors.New("--recog needs --identify"), "--identify --recog "+help.Quote(dir))
	}
	var err error
	if s.library, err = recog.Open(dir); err != nil {
		return usageError(fmt.Errorf("--recog: %w", err), "https://github.com/rapid7/recog has them in its folder xml")
	}
	return nil
}

// withDeadline is ctx until the deadline, if there is one.
func (s *session) withDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.deadline == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, s.deadline, errDeadline)
}
