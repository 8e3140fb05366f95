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
	"onmux/probe/lookup"
	"onmux/probe/ports"
	"onmux/probe/recog"
	"onmux/probe/service"
	"onmux/report"
	"onmux/report/exitcode"
	"onmux/report/expect"
	"onmux/report/help"
	"onmux/report/job"
	"onmux/report/record"
	"onmux/scan/files"
)

// session is one run of a command: what the common flags asked for.
type session struct {
	command string
	args    []string // the command line as it was given
	about   []string // its arguments
	expect  []expect.Expectation
	names   expect.Names // how the addresses of a name count
	strict  bool         // of diff: what may be a change counts
	writing
	subjects
	limits
	library *recog.Library // names more software; nil is none
	farEnd  *farend.Key    // --far-end
	plan    *record.Plan   // of a scan
	watch   bool           // --watch
	execute *execution     // of --exec; nil without
}

// writing is where a report goes, and how it looks.
type writing struct {
	stdout   io.Writer
	pipe     io.Writer // standard output as it was given
	stderr   io.Writer
	outputs  []report.Output
	layout   record.Options
	job      string
	open     bool             // only open endpoints are written
	progress *report.Progress // nil where nobody would see it
}

// subjects are the ports that a command is about, and by which families.
type subjects struct {
	ports  []probe.Port
	protos []probe.Proto // for ports with no suffix
	ipv4   bool
	ipv6   bool
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
		command: c.Command.Name, args: given(c.App), about: c.Args().Slice(),
		writing:  writing{stdout: c.App.Writer, pipe: c.App.Writer, stderr: c.App.ErrWriter, open: c.Bool("open")},
		subjects: subjects{ipv4: !c.Bool("6"), ipv6: !c.Bool("4")},
		limits:   limits{timeout: c.Duration("timeout"), deadline: c.Duration("deadline"), wait: c.Duration("wait")},
	}
	if s.command == "probe" || s.command == "scan" {
		s.names = expect.Names{Any: c.Bool("any-address"), Usable: lookup.Usable()}
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
	r := flagReader{s, c}
	if err := errors.Join(r.readPorts(), r.readExpectations(), r.readOutputs(), r.readExec()); err != nil {
		var first *exitError
		errors.As(err, &first)
		return nil, first
	}
	return s, nil
}

// withSession is the action of a command that reads the common flags first.
func withSession(do func(*cli.Context, *session) error) cli.ActionFunc {
	return func(c *cli.Context) error {
		s, err := newSession(c)
		if err != nil {
			return err
		}
		return do(c, s)
	}
}

// flagReader reads the flags of a command line into a session.
type flagReader struct {
	*session
	c *cli.Context
}

func (r flagReader) readPorts() error {
	switch proto := r.c.String("proto"); proto {
	case "both", "": // some commands ask no ports
		r.protos = probe.Protos()
	case "tcp":
		r.protos = []probe.Proto{probe.TCP}
	case "udp":
		r.protos = []probe.Proto{probe.UDP}
	default:
		return usageError(fmt.Errorf("--proto %s: unknown protocol", proto), "tcp, udp or both")
	}
	specs := r.c.StringSlice("port")
	if r.command == "watch" {
		named, _ := job.PortsAndFiles(r.c.Args().Slice())
		specs = append(specs, named...)
	}
	if r.command == "check" || r.command == "listen" {
		for _, arg := range r.c.Args().Slice() {
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
	if r.ports, err = r.portsOf(specs); err != nil {
		return usageError(err, "")
	}
	if not := r.c.StringSlice("exclude-ports"); len(not) > 0 {
		excluded, err := r.portsOf(not)
		if err != nil {
			return usageError(fmt.Errorf("--exclude-ports: %w", err), "")
		}
		if r.ports = ports.Exclude(r.ports, excluded); len(r.ports) == 0 {
			return usageError(errors.New("--exclude-ports leaves no port"), "name more with --port")
		}
	}
	return nil
}

// portsOf reads lists of ports, of which each may be @FILE.
func (r flagReader) portsOf(specs []string) ([]probe.Port, error) {
	var lists []string
	in := &files.Inputs{Stdin: r.c.App.Reader}
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
	return ports.Parse(lists, r.protos)
}

func (r flagReader) readExpectations() error {
	for _, text := range r.c.StringSlice("expect") {
		e, err := expect.Parse(text, r.command)
		if err != nil {
			return usageError(fmt.Errorf("--expect %s: %w", text, err), "")
		}
		r.expect = append(r.expect, e)
	}
	if err := errors.Join(r.readService(), r.readFarEnd()); err != nil {
		return err
	}
	if r.command == "check" {
		if err := r.readHolder(); err != nil {
			return err
		}
	}
	if style := r.c.String("exit-style"); style != "" && !slices.Contains(exitcode.Styles(), style) {
		return usageError(fmt.Errorf("--exit-style %s: unknown style", style), strings.Join(exitcode.Styles(), ", "))
	}
	if r.wait > 0 && len(r.expect) == 0 && r.command != "verify" {
		return usageError(errors.New("--wait needs --expect"), "as in --expect open --wait 30s")
	}
	return nil
}

// readService reads --service, and rejects what needs identification where there is none.
func (r flagReader) readService() error {
	if names := r.c.StringSlice("service"); len(names) > 0 {
		e, err := expect.OfService(names, service.Names(), r.command)
		if err != nil {
			return usageError(fmt.Errorf("--service: %w", err),
				"the first word of what onmux probe shows of a service, as ssh or postgresql; or any")
		}
		r.expect = append(r.expect, e)
	}
	needs := r.needsService()
	switch {
	case needs && r.c.Bool("no-identify"):
		return usageError(errors.New("--no-identify excludes what is expected of a service"), "leave one of them out")
	case needs && r.command == "scan" && !r.c.Bool("identify"):
		return usageError(errors.New("what is expected of a service needs --identify"), "add --identify")
	}
	return nil
}

// readFarEnd reads --far-end, whose listener must answer.
func (r flagReader) readFarEnd() (err error) {
	if r.farEnd, err = readKey(r.c, "far-end"); r.farEnd != nil {
		r.expect = append(r.expect, expect.OfEndpoint(expect.Endpoint{FarEnd: true}, time.Now()))
	}
	return err
}

// needsService reports whether services must be identified to judge what is expected.
func (s *session) needsService() bool {
	return slices.ContainsFunc(s.expect, expect.Expectation.NeedsService)
}

func (r flagReader) readOutputs() error {
	texts := r.c.StringSlice("output")
	if r.c.Bool("json") {
		texts = append(texts, "json")
	}
	template := func(text string) bool { return strings.HasPrefix(text, "template") }
	if r.c.IsSet("format") && !slices.ContainsFunc(texts, template) {
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
		if err := report.Fits(o.Format, r.command); err != nil {
			return usageError(fmt.Errorf("--output %s: %w", text, err), "")
		}
		r.outputs = append(r.outputs, o)
	}
	color, err := report.Colored(r.c.String("color"), r.stdout)
	if err != nil {
		return usageError(fmt.Errorf("--color: %w", err), "")
	}
	r.layout = record.Options{
		AtOnce:   r.c.Command.Name == "check",
		Live:     report.Width(r.stdout) > 0 && slices.Contains([]string{"probe", "scan"}, r.c.Command.Name),
		Color:    color,
		Width:    report.Width(r.stdout),
		ASCII:    report.ASCII(),
		PortName: ports.NameOf,
		Title:    r.c.String("title"),
		Stamp:    r.c.Bool("stamp"),
		Now:      time.Now,
	}
	r.job = cmp.Or(r.c.String("job"), report.JobOf(r.outputs))
	if err := r.readTemplate(); err != nil {
		return err
	}
	switch {
	case r.c.Bool("quiet"):
		r.layout.Verbosity = record.Quiet
	case r.c.Bool("verbose"):
		r.layout.Verbosity = record.Verbose
	}
	if !r.c.Bool("quiet") {
		w := report.Width(r.stderr)
		if os.Getenv("TERM") == "dumb" {
			w = 0
		}
		r.progress = report.NewProgress(r.stderr, w)
		r.stdout = r.progress.Wrap(r.stdout)
	}
	return nil
}

// readTemplate reads --format.
func (r flagReader) readTemplate() error {
	if !r.c.IsSet("format") {
		return nil
	}
	var err error
	if r.layout.Template, err = report.ParseTemplate(r.c.String("format")); err != nil {
		return usageError(fmt.Errorf("--format: %w", err),
			"as in --format '{{.Address}}:{{.Port}} {{.State}}'; fields as in -o json")
	}
	return nil
}

// readLibrary reads --recog, which needs identification.
func (r flagReader) readLibrary(identify bool) error {
	dir := r.c.String("recog")
	switch {
	case !r.c.IsSet("recog"):
		return nil
	case !identify && r.c.Bool("no-identify"):
		return usageError(errors.New("--recog and --no-identify exclude each other"), "")
	case !identify && r.c.Command.Name == "scan":
		return usageError(errors.New("--recog needs --identify"), "--identify --recog "+help.Quote(dir))
	}
	var err error
	if r.library, err = recog.Open(dir); err != nil {
		return usageError(fmt.Errorf("--recog: %w", err), "https://github.com/rapid7/recog has them in its folder xml")
	}
	return nil
}

// withDeadline is ctx until the deadline, if there is one.
func (l *limits) withDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if l.deadline == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, l.deadline, errDeadline)
}
