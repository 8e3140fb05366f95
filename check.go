package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/urfave/cli/v2"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/report"
	"onmux/report/expect"
	"onmux/report/flags"
	"onmux/report/record"
)

func checkCommand() *cli.Command {
	return command("none", cli.Command{
		Name:      "check",
		Usage:     "what holds the port on this machine, and who owns it",
		ArgsUsage: "[PORT...]",
		Description: `A verdict for each port and protocol: listening, bound (held, but not
listening), redirected (nothing listens, but NAT sends arrivals on), elsewhere
(free here, in use in another network namespace, as of a container), connected
(only connections use the number), free, or unknown, where not all sockets that
may hold the port could be seen. Anything else that could not be read and might
change the verdict, such as NAT rules without root, is a caveat beside it ("as
far as can be seen" with -q), which --expect ignores.

--expect takes these words, as in onmux check 8080/tcp --expect free,connected;
free holds where the verdict is elsewhere, too. The flags --addr, --process,
--user, --unit and --max-backlog add expectations of every socket that listens
here, or is in the state that --expect names.

--watch goes on until Ctrl-C, which sums up, or --deadline: one line for each
socket that begins or stops listening here. With --expect it is a guard: the
first violation ends it with exit code 1.

What is a secret in a command line by its form (--password=..., passwords in
URLs, tokens) is masked; --unmask shows it. Only their owner can read report
files that have command lines.

--trace (on Linux) connects to each TCP port, on loopback or on the own address
that something listens on, sends no data, and names the process that answers:
behind a redirect, that is another process. Where nothing listens it also binds
the port for a moment, and reports whether that worked.`,
		UsageText: `  onmux check                        what holds port 417 here, and who owns it
  onmux check 8080/tcp --expect free --wait 30s
  onmux check 80 --trace             who answers behind a redirect
  onmux check --all-ports --addr loopback
  onmux check --watch 8080 --expect free   until something listens there`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "all-ports", Category: flags.General,
				Usage: "every port that something listens on, or NAT sends on", DisableDefaultText: true},
			&cli.BoolFlag{Name: "all-namespaces", Category: flags.Output,
				Usage: "--all-ports lists those of others, too", DisableDefaultText: true},
			&cli.BoolFlag{Name: "trace", Category: flags.General,
				Usage: "connect, to see who answers; bind it, if nobody does", DisableDefaultText: true},
			&cli.BoolFlag{Name: "watch", Category: flags.General,
				Usage: "go on, and report what begins and stops listening", DisableDefaultText: true},
			&cli.BoolFlag{Name: "unmask", Category: flags.Output,
				Usage: "show the secrets in command lines", DisableDefaultText: true},
			&cli.StringFlag{Name: "addr", Category: flags.Verifying,
				Usage: "`ADDR` is an IP, any, loopback, inside or outside"},
			&cli.StringFlag{Name: "process", Category: flags.Verifying, Usage: "`NAME` of the process that listens"},
			&cli.StringFlag{Name: "user", Category: flags.Verifying, Usage: "`USER` that listens, by name or number"},
			&cli.StringFlag{Name: "unit", Category: flags.Verifying, Usage: "`UNIT` of systemd that listens, as nginx.service"},
			&cli.UintFlag{Name: "max-backlog", Category: flags.Verifying,
				Usage: "`N` connections at most wait for accept", DefaultText: "any"},
		},
		Action: withSession(func(c *cli.Context, s *session) error {
			ctx, cancel := s.withDeadline(c.Context)
			defer cancel()
			k := &checker{session: s, trace: c.Bool("trace"), unmask: c.Bool("unmask")}
			if c.Bool("all-ports") {
				if c.NArg() > 0 || c.IsSet("port") {
					return usageError(errors.New("--all-ports and ports exclude each other"), "")
				}
				s.ports, k.all = nil, s.protos
				s.layout.AllNamespaces = c.Bool("all-namespaces")
			}
			if s.watch = c.Bool("watch"); s.watch {
				return k.watch(ctx, c.App.Writer)
			}
			return s.run(ctx, nil, report.CheckJob(k.request(), k.timeout))
		}),
	})
}

// checker is a run of check.
type checker struct {
	*session
	all    []probe.Proto // every port of these instead of session.ports
	trace  bool          // connect and bind
	unmask bool          // leave secrets in command lines
}

// request is what to look at.
func (k *checker) request() local.Request {
	return local.Request{
		Ports: k.ports, All: k.all, IPv4: k.ipv4, IPv6: k.ipv6, Owners: k.needsOwners(), Trace: k.trace, Unmask: k.unmask,
		Words: !k.trace && !k.needsDetails() && !slices.ContainsFunc(k.expect, expect.Expectation.NeedsListeners),
	}
}

// watch runs until a signal, the deadline or a violation, or until nobody reads any more.
func (k *checker) watch(ctx context.Context, stdout io.Writer) error {
	switch counts := slices.IndexFunc(k.expect, expect.Expectation.IsCount); {
	case k.trace:
		return usageError(errors.New("--watch and --trace exclude each other"), "")
	case k.wait > 0:
		return usageError(errors.New("--watch and --wait exclude each other"), "--deadline bounds how long it watches")
	case counts >= 0:
		return usageError(fmt.Errorf("--watch does not count: --expect %s", k.expect[counts]),
			"name the verdicts of each port, as in --expect free")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer report.WhenUnread(stdout, cancel)()
	k.layout.AtOnce = false
	return k.run(ctx, nil, report.WatchJob(k.request(), k.timeout, len(k.expect) > 0, errDeadline))
}

// readHolder reads what is expected of the sockets that listen.
func (r flagReader) readHolder() error {
	for _, name := range []string{"addr", "process", "user", "unit"} {
		if r.c.IsSet(name) && r.c.String(name) == "" {
			return usageError(fmt.Errorf("--%s is empty", name), "is a variable of the shell not set?")
		}
	}
	h := expect.Holder{
		Addr:    r.c.String("addr"),
		Process: r.c.String("process"),
		User:    r.c.String("user"),
		Unit:    r.c.String("unit"),
	}
	if r.c.IsSet("max-backlog") {
		if !slices.ContainsFunc(r.ports, func(p probe.Port) bool { return p.Proto == probe.TCP }) {
			return usageError(errors.New("--max-backlog is for TCP: UDP has no queue of connections"), "")
		}
		n := uint32(min(r.c.Uint("max-backlog"), math.MaxUint32))
		h.MaxBacklog = &n
	}
	if h == (expect.Holder{}) {
		return nil
	}
	h.Found = r.c.Bool("all-ports")
	h = h.Of(r.expect)
	e, err := expect.OfHolder(h)
	if err != nil {
		return usageError(fmt.Errorf("--addr: %w", err), "")
	}
	r.expect = append(r.expect, e)
	return nil
}

// needsOwners is false when neither the report nor an expectation names an owner:
// finding them is most of the work.
func (k *checker) needsOwners() bool {
	return slices.ContainsFunc(k.expect, expect.Expectation.NeedsOwner) || k.needsDetails()
}

// needsDetails is false when the report has only the verdicts.
func (w *writing) needsDetails() bool {
	return w.layout.Verbosity != record.Quiet ||
		slices.ContainsFunc(w.outputs, func(o report.Output) bool { return o.Format != "text" })
}
