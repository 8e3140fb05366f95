package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"onmux/probe/nettest"
	"onmux/report/exitcode"
	"onmux/report/schematest"
)

var update = flag.Bool("update", false, "rewrite the transcripts to what the commands print now")

// The scripts run in namespaces of the test's own: whatever address a command is
// given, no packet leaves the machine, and what listens elsewhere is not found.
func TestMain(m *testing.M) {
	testscript.Main(isolated{m}, map[string]func(){"onmux": main, "hold": hold, "redirect": redirect, "in-netns": inNetns,
		"forbid": forbid, "name-server": nameServer, "with-resolver": withResolver,
		"postgres": database, "nats-server": natsServer})
}

type isolated struct{ m *testing.M }

func (i isolated) Run() int { return nettest.AloneIfAllowed(i.m) }

func TestScripts(t *testing.T) {
	t.Parallel()
	nettest.Need(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("NO_COLOR", "")
			e.Setenv("TERM", "xterm")
			e.Setenv("GORACE", os.Getenv("GORACE"))
			captures, err := filepath.Abs("testdata/captures")
			e.Setenv("CAPTURES", captures)
			return err
		},
		Condition: func(name string) (bool, error) {
			if name != "alone" {
				return false, fmt.Errorf("unknown condition %q", name)
			}
			return nettest.IsAlone(), nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"code": code, "eventually": eventually, "schema": schema,
			"routers": func(ts *testscript.TestScript, _ bool, args []string) { routers(t, ts, len(args) > 0) },
		},
	})
}

// code runs onmux and compares its exit code with the first argument, so that a
// script can distinguish 1, 2, 3 and 124: code 2 check 70000
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: code NUMBER [ARGUMENT...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := exitCode(ts, "onmux", args[1:]); got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// exitCode runs a program.
func exitCode(ts *testscript.TestScript, program string, args []string) int {
	err := ts.Exec(program, args...)
	if exit, ok := err.(interface{ ExitCode() int }); ok {
		return exit.ExitCode()
	}
	ts.Check(err)
	return 0
}

// eventually runs onmux, or onmux by timeout(1), with a duration in place of the
// argument TIME, which grows until the command exits with the code and its output
// matches the pattern: how much can be done before a deadline depends on the machine.
//
//	eventually 124 PATTERN probe 127.0.0.1 --expect open --wait TIME
func eventually(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 || !slices.Contains(args, "TIME") {
		ts.Fatalf("usage: eventually CODE PATTERN ARGUMENT... with TIME among them")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	pattern, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	program, command := "onmux", slices.Clone(args[2:])
	if command[0] == "timeout" {
		program, command = command[0], command[1:]
	}
	at := slices.Index(command, "TIME")
	for d := 300 * time.Millisecond; d < time.Minute; d += d / 4 {
		command[at] = fmt.Sprintf("%.3fs", d.Seconds())
		if exitCode(ts, program, command) == want && pattern.MatchString(ts.ReadFile("stdout")+ts.ReadFile("stderr")) {
			return
		}
	}
	ts.Fatalf("in no time exit code %d and output that matches %q", want, args[1])
}

// hold is a server for scripts: hold tcp|udp ADDRESS [GREETING]. A TCP server
// greets each connection and keeps it until the peer closes; a UDP server sends
// the greeting for every datagram. It ends with the script.
func hold() {
	network, address := os.Args[1], os.Args[2]
	greeting := ""
	if len(os.Args) > 3 {
		var err error
		if greeting, err = strconv.Unquote(`"` + os.Args[3] + `"`); err != nil {
			fmt.Fprintln(os.Stderr, "hold: greeting:", err)
			os.Exit(2)
		}
	}
	if err := serve(network, address, greeting); err != nil {
		fmt.Fprintln(os.Stderr, "hold:", err)
		os.Exit(1)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt)
	<-stop
}

func serve(network, address, greeting string) error {
	if network == "udp" {
		c, err := net.ListenPacket("udp", address)
		if err != nil {
			return err
		}
		go func() {
			buf := make([]byte, 2048)
			for {
				_, from, err := c.ReadFrom(buf)
				if err != nil {
					return
				}
				if greeting != "" {
					c.WriteTo([]byte(greeting), from)
				}
			}
		}()
		return nil
	}
	l, err := net.Listen(network, address)
	if err != nil {
		return err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				io.WriteString(c, greeting)
				io.Copy(io.Discard, c)
				c.Close()
			}()
		}
	}()
	return nil
}

// schema validates the last command's standard output, or a file, against the
// published schema: schema json [FILE]; schema jsonl checks each line.
func schema(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: schema json|jsonl [FILE]")
	}
	file := "stdout"
	if len(args) == 2 {
		file = args[1]
	}
	ts.Check(schematest.Validate(args[0], strings.NewReader(ts.ReadFile(file))))
}

// The first signal ends a run with a whole report that says what is missing; it
// is sent once the stream has begun.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	nettest.Need(t)
	// A thousand endpoints at ten a second would take two minutes. Those
	// that are silent keep the drain from ending at once.
	silent, err := net.ListenPacket("udp", "127.0.0.1:5000")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	// Under nohup SIGHUP is ignored, and a program that is started inherits that; what is
	// caught here has its default there.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(caught) })
	for _, c := range []struct {
		name    string
		signals []os.Signal
		whole   bool
	}{
		{"SIGINT", []os.Signal{os.Interrupt}, true},
		{"SIGTERM", []os.Signal{syscall.SIGTERM}, true},
		{"SIGHUP", []os.Signal{syscall.SIGHUP}, true},
		{"twice", []os.Signal{os.Interrupt, os.Interrupt}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := exec.Command("onmux", "scan", "127.0.0.1", "-p", "5000-5999/udp",
				"--rate", "10", "--timeout", "30s", "-o", "jsonl")
			stderr, err := cmd.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			lines, notes := bufio.NewReader(stdout), bufio.NewReader(stderr)
			report, err := lines.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range c.signals {
				cmd.Process.Signal(s)
				if note, err := notes.ReadString('\n'); !strings.Contains(note, "interrupted") && c.whole {
					t.Errorf("standard error: %q, %v", note, err)
				}
			}
			rest, _ := io.ReadAll(lines)
			var exit *exec.ExitError
			if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != exitcode.Unknown {
				t.Errorf("%v, want exit code %d", err, exitcode.Unknown)
			}
			if !c.whole {
				return
			}
			report += string(rest)
			if err := schematest.Validate("jsonl", strings.NewReader(report)); err != nil {
				t.Error(err)
			}
			var end struct {
				Complete bool `json:"complete"`
				Summary  struct {
					Targets    int            `json:"targets"`
					NotReached int            `json:"not_reached"`
					States     map[string]int `json:"states"`
				} `json:"summary"`
			}
			last := report[strings.LastIndex(strings.TrimSpace(report), "\n")+1:]
			if err := json.Unmarshal([]byte(last), &end); err != nil {
				t.Fatal(err)
			}
			sum := 0
			for _, n := range end.Summary.States {
				sum += n
			}
			if s := end.Summary; end.Complete || s.NotReached == 0 || s.Targets+s.NotReached != 1000 ||
				sum != s.Targets {
				t.Errorf("the end: %s", last)
			}
		})
	}
}
