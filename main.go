// Onmux finds out what is on a port: of this machine, of one host, or of every
// address of a network. Port 417, which IANA assigned to "Onmux", is where it
// starts; any other port will do. This package turns flags into configurations
// and outcomes into exit codes; the findings come from probe and scan, and
// report writes them.
package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"onmux/probe"
	"onmux/probe/ports"
	"onmux/probe/recog"
	"onmux/report"
	"onmux/report/expect"
	"onmux/report/record"
	"onmux/scan/target"
)

const version = "0.1.0"

var (
	errInterrupted = errors.New("interrupted")
	errDeadline    = errors.New("the deadline has passed")
)

func main() {
	// A closed pipe is an error of one output, not the end of the others.
	signal.Ignore(syscall.SIGPIPE)
	cli.FlagStringer = flagLine
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is main without the process: it returns the exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := withInterrupt(stderr)
	defer stop()
	app := newApp(stdin, stdout, stderr)
	line, err := reorder(app, args)
	var page bytes.Buffer // of help: its printer does not return write errors
	if len(line) == 0 || slices.ContainsFunc(line, func(a string) bool { return a == "-h" || a == "--help" }) {
		app.Writer = &page
	}
	if err == nil {
		err = app.RunContext(ctx, append([]string{"onmux"}, line...))
	}
	if page.Len() > 0 {
		_, broken := stdout.Write(page.Bytes())
		err = cmp.Or(err, failure(broken))
	}
	return printError(err, exitStyleOf(args), stderr)
}

// withInterrupt returns a context that the first SIGINT or SIGTERM cancels with
// errInterrupted; the second ends the process at once.
func withInterrupt(stderr io.Writer) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	done := make(chan struct{})
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case <-signals:
			if report.Width(stderr) > 0 {
				fmt.Fprintln(stderr) // past a progress bar
			}
			fmt.Fprintln(stderr, "onmux: interrupted: waiting for answers to what was sent; interrupt again to stop at once")
			cancel(errInterrupted)
		case <-done:
			return
		}
		select {
		case <-signals:
			os.Exit(exitUnknown)
		case <-done:
		}
	}()
	return ctx, func() {
		// The signals stay caught: one that arrives at the very end must not
		// replace the exit code by death by signal.
		close(done)
		cancel(nil)
	}
}

func newApp(stdin io.Reader, stdout, stderr io.Writer) *cli.App {
	return &cli.App{
		Name:  "onmux",
		Usage: "what is on port 417 (or any other): here, on that host, in that network",
		Commands: []*cli.Command{
			checkCommand(), probeCommand(), scanCommand(), explainCommand(), reportCommand(), diffCommand(), mergeCommand(), verifyCommand(),
			completionCommand(), manCommand(),
		},
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "version", Usage: "print the version and exit", DisableDefaultText: true},
		},
		Reader: stdin, Writer: stdout, ErrWriter: stderr,
		HideHelpCommand:           true, // reorder handles it
		HideVersion:               true, // its own flag takes -v, which means --verbose here
		DisableSliceFlagSeparator: true, // "--expect closed,filtered" is one value
		CustomAppHelpTemplate:     appHelp,
		ExitErrHandler:            func(*cli.Context, error) {},
		Action: func(c *cli.Context) error {
			if c.Bool("version") {
				_, err := fmt.Fprintln(stdout, "onmux", version)
				return failure(err)
			}
			return cli.ShowAppHelp(c)
		},
	}
}

// session is one run of a command: what the common flags asked for.
type session struct {
	command  string
	stdout   io.Writer
	stderr   io.Writer
	outputs  []report.Output
	layout   record.Options
	expect   []expect.Expectation
	ports    []probe.Port
	protos   []probe.Proto // for ports with no suffix
	all      []probe.Proto // of check: every port of these instead
	trace    bool          // of check: connect and bind
	ipv4     bool
	ipv6     bool
	timeout  time.Duration
	deadline time.Duration
	wait     time.Duration
	library  *recog.Library   // names more software; nil is none
	plan     *record.Plan     // of a scan
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
		return nil, usageError(errors.New("-4 and -6 exclude each other"), "leave both out for both families")
	}
	for _, name := range []string{"timeout", "deadline", "wait"} {
		if c.IsSet(name) && c.Duration(name) <= 0 {
			return nil, usageError(fmt.Errorf("--%s must be greater than 0", name), durations)
		}
	}
	if c.Bool("quiet") && c.Bool("verbose") {
		return nil, usageError(errors.New("--quiet and --verbose exclude each other"), "")
	}
	if err := errors.Join(s.readPorts(c), s.readExpectations(c), s.readOutputs(c)); err != nil {
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
	if s.command == "check" {
		specs = append(specs, c.Args().Slice()...)
	}
	if len(specs) == 0 {
		specs = []string{strconv.Itoa(probe.Onmux)}
	}
	ports, err := ports.Parse(specs, s.protos)
	if err != nil {
		return usageError(err, "")
	}
	s.ports = ports
	return nil
}

func (s *session) readExpectations(c *cli.Context) error {
	for _, text := range c.StringSlice("expect") {
		e, err := expect.Parse(text, s.command)
		if err != nil {
			return usageError(fmt.Errorf("--expect %s: %w", text, err), "")
		}
		s.expect = append(s.expect, e)
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
	s.layout = record.Options{AtOnce: c.Command.Name == "check", Color: color, Width: report.Width(s.stdout), ASCII: os.Getenv("TERM") == "dumb", PortName: ports.NameOf}
	switch {
	case c.Bool("quiet"):
		s.layout.Verbosity = record.Quiet
	case c.Bool("verbose"):
		s.layout.Verbosity = record.Verbose
	}
	if w := report.Width(s.stderr); w > 0 && !c.Bool("quiet") && os.Getenv("TERM") != "dumb" {
		s.progress = report.NewProgress(s.stderr, w)
		s.stdout = s.progress.Wrap(s.stdout)
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
		return usageError(errors.New("--recog needs --identify"), "--identify --recog "+shellQuote(dir))
	}
	var err error
	if s.library, err = recog.Open(dir); err != nil {
		return usageError(fmt.Errorf("--recog: %w", err), "https://github.com/rapid7/recog has them in its folder xml")
	}
	return nil
}

// libraryNotes are the notes of the library, for the report.
func (s *session) libraryNotes() []string {
	if s.library == nil {
		return nil
	}
	return s.library.Notes()
}

// withDeadline is ctx until the deadline, if there is one.
func (s *session) withDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.deadline == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, s.deadline, errDeadline)
}

// run does the job, writes every output, and compares the findings with the
// expectations: once, or with --wait until they hold.
func (s *session) run(ctx context.Context, method map[string]string, do report.Job) error {
	sinks, err := report.Open(s.outputs, s.stdout, s.layout)
	if err != nil {
		return usageError(err, "") // nothing was sent yet
	}
	result := report.Run{
		Start:  record.Start{Schema: record.Schema, Command: s.command, Version: version, Started: time.Now().UTC(), Method: method, Plan: s.plan},
		Job:    do,
		Expect: s.expect,
		Wait:   s.wait,
		Again:  retryable,
	}.Do(ctx, sinks)
	s.progress.Clear()
	err = s.outcomeError(ctx, result)
	if broken := sinks.Close(); broken != nil {
		if f := (*exitError)(nil); errors.As(err, &f) && f.err != nil {
			broken = errors.Join(broken, f.err)
		}
		return &exitError{code: exitUnknown, err: broken}
	}
	return err
}

// retryable reports whether the error may be gone at the next attempt: a wrong
// command line will not, but a name may appear.
func retryable(err error) bool {
	var f *exitError
	var name *target.ResolveError
	return !errors.As(err, &f) || f.code != exitUsage || errors.As(err, &name)
}

// outcomeError turns the result of a run into an exit code, and a message where
// the report has none.
func (s *session) outcomeError(ctx context.Context, t report.Result) error {
	cause := context.Cause(ctx)
	var last string
	if why := cmp.Or(t.Breach, t.Doubt); why != "" {
		last = ": " + why
	}
	unknown, fails := t.End.Summary.States[probe.Unknown.String()], t.Outcome == record.Fails
	switch {
	case errors.Is(cause, errInterrupted) && (s.wait > 0 || !t.End.Complete):
		return &exitError{code: exitUnknown, fails: fails} // printed when it happened
	case errors.Is(cause, errDeadline) && s.wait > 0 && t.End.Complete && t.Outcome != record.Holds:
		return &exitError{code: exitTimeout, err: fmt.Errorf("the expectation did not hold before the deadline of %s%s", s.deadline, last), fails: fails}
	case errors.Is(cause, errDeadline) && !t.End.Complete:
		return &exitError{code: exitTimeout, err: fmt.Errorf("the deadline of %s has passed: the report is incomplete", s.deadline), fails: fails}
	case t.Late && t.Err != nil && retryable(t.Err):
		return &exitError{code: exitTimeout, err: fmt.Errorf("the expectation did not hold within %s: %w", s.wait, t.Err), fails: fails}
	case t.Late:
		return &exitError{code: exitTimeout, err: fmt.Errorf("the expectation did not hold within %s%s", s.wait, last), fails: fails}
	case t.Err != nil:
		return failure(t.Err)
	case fails && s.command == "check" && s.layout.Verbosity == record.Quiet && slices.ContainsFunc(s.expect, expect.Expectation.NeedsListeners):
		return &exitError{code: exitFails, err: errors.New(t.Breach)} // which the line of a verdict does not contain
	case fails:
		return &exitError{code: exitFails}
	case t.Outcome == record.CannotTell && unknown > 0:
		return &exitError{code: exitUnknown, err: fmt.Errorf("could not tell about %d of %d", unknown, t.End.Summary.Targets)}
	case t.Outcome == record.CannotTell && t.End.Complete && s.command == "diff":
		return &exitError{code: exitUnknown, err: errors.New("could not tell: no change is certain")}
	case t.Outcome == record.CannotTell && t.End.Complete:
		return &exitError{code: exitUnknown, err: errors.New("could not tell: " + cmp.Or(t.Doubt, "not everything that is expected could be checked"))}
	case t.Outcome == record.CannotTell:
		return &exitError{code: exitUnknown, err: errors.New("could not tell: the report is incomplete")}
	}
	return nil
}
