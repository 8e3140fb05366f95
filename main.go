// Onmux finds out what is on a port: of this machine, of one host, or of every
// address of a network. Port 417, which IANA assigned to "Onmux", is where it
// starts; any other port will do. This package turns flags into configurations
// and outcomes into exit codes; the findings come from probe and scan, and
// report writes them.
package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/urfave/cli/v2"

	"onmux/report/exitcode"
	"onmux/report/help"
	"onmux/report/interrupt"
	"onmux/scan/files"
)

const version = "0.1.0"

var errDeadline = errors.New("the deadline has passed")

func main() {
	// A closed pipe is an error of one output, not the end of the others.
	signal.Ignore(syscall.SIGPIPE)
	cli.FlagStringer = flagLine
	os.Exit(start(os.Stdin, os.Stdout, os.Stderr))
}

// minFiles is how many more files a process must be able to open: Go's runtime
// crashes where there are none for its poller.
const minFiles = 12

// start runs the command line with the files of the process.
func start(stdin, stdout, stderr *os.File) int {
	if !files.Available(minFiles) {
		return printError(fmt.Errorf("this process may not open %d more files: raise the limit (ulimit -n 256)", minFiles),
			exitcode.StyleOf(os.Args[1:]), stderr)
	}
	return run(os.Args[1:], stdin, files.Output(stdout), stderr)
}

// run is main without the process: it returns the exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	goesOn := func(a string) bool {
		return a == "--watch" || a == "-watch" || a == "listen" || a == "watch" || a == "work"
	}
	ctx, stop := interrupt.Context(stderr, slices.ContainsFunc(args, goesOn), exitcode.Unknown)
	defer stop()
	given := args
	args, execute := cutExec(args)
	app := newApp(commandsFor(args), stdin, stdout, stderr)
	app.Metadata = map[string]any{argsKey: given, execKey: execute}
	line, err := reorder(app, args)
	var page bytes.Buffer // of help: its printer does not return write errors
	if len(line) == 0 || slices.ContainsFunc(line, func(a string) bool { return a == "-h" || a == "--help" }) {
		app.Writer = &page
	}
	if err == nil {
		err = app.RunContext(ctx, append([]string{"onmux"}, line...))
	}
	if err == nil {
		err = execute.run(ctx)
	}
	if page.Len() > 0 {
		_, broken := stdout.Write(page.Bytes())
		err = cmp.Or(err, failure(broken))
	}
	return printError(reportProblem(err, args, stdout), exitcode.StyleOf(args), stderr)
}

// commandsFor is the one command that a line begins with, or all, as completion and man need: to
// set up their flags takes a millisecond, a quarter of what a check takes.
func commandsFor(args []string) (commands []*cli.Command) {
	for _, c := range []struct {
		name string
		make func() *cli.Command
	}{
		{"check", checkCommand}, {"probe", probeCommand}, {"scan", scanCommand}, {"watch", watchCommand},
		{"listen", listenCommand}, {"explain", explainCommand},
		{"report", reportCommand}, {"diff", diffCommand}, {"merge", mergeCommand}, {"verify", verifyCommand},
		{"work", workCommand},
		{"schema", schemaCommand}, {"", completionCommand}, {"", manCommand}, {topicCommand, newTopicCommand},
	} {
		if len(args) > 0 && args[0] != "" && args[0] == c.name {
			return []*cli.Command{c.make()}
		}
		commands = append(commands, c.make())
	}
	return commands
}

func newApp(commands []*cli.Command, stdin io.Reader, stdout, stderr io.Writer) *cli.App {
	return &cli.App{
		Name:     "onmux",
		Usage:    "what is on port 417 (or any other): here, on that host, in that network",
		Commands: commands,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "version", Usage: "print the version and exit", DisableDefaultText: true},
		},
		Reader: stdin, Writer: stdout, ErrWriter: stderr,
		HideHelpCommand:           true, // reorder handles it
		HideVersion:               true, // its own flag takes -v, which means --verbose here
		DisableSliceFlagSeparator: true, // "--expect closed,filtered" is one value
		CustomAppHelpTemplate:     help.AppTemplate,
		ExitErrHandler:            func(*cli.Context, error) {},
		Action: func(c *cli.Context) error {
			if c.Bool("version") {
				_, err := io.WriteString(stdout, help.BuildOf(version).String())
				return failure(err)
			}
			return cli.ShowAppHelp(c)
		},
	}
}
