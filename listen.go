package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"onmux/probe/farend"
	"onmux/probe/listen"
	"onmux/report"
	"onmux/report/exitcode"
	"onmux/report/flags"
	"onmux/report/job"
	"onmux/scan/files"
)

func listenCommand() *cli.Command {
	return commandWith(cli.Command{
		Name:      "listen",
		Usage:     "answer on the port, to prove a path to it",
		ArgsUsage: "[PORT...]",
		Description: `Answers TCP and UDP on each port until Ctrl-C, --deadline, or --count arrivals,
and reports who came: from where, by which interface, over how many routers,
and what was sent. With --key it proves itself to onmux probe --far-end KEY,
which measures loss, order and the MTU in each direction, and shows NAT.

Connections, memory and time are bounded, and a datagram is never answered
with more bytes than it had. KEY may be env:NAME or @FILE.`,
		UsageText: `  onmux listen                       answer on 417, TCP and UDP
  onmux listen 5432/tcp --count 1 --deadline 1m
  onmux listen 417 --key env:KEY     for onmux probe HOST --far-end env:KEY
  onmux listen 8443/tcp --tls --echo`,
		Flags: []cli.Flag{
			&cli.Uint64Flag{Name: "count", Aliases: []string{"c"}, Category: flags.General,
				Usage: "`N` arrivals, then end", DefaultText: "until Ctrl-C"},
			&cli.StringFlag{Name: "key", Category: flags.General,
				Usage: "`KEY` to prove itself by: a text, env:NAME or @FILE"},
			&cli.BoolFlag{Name: "echo", Category: flags.General, Usage: "send back what comes", DisableDefaultText: true},
			&cli.BoolFlag{Name: "discard", Category: flags.General, Usage: "send nothing back", DisableDefaultText: true},
			&cli.StringFlag{Name: "banner", Category: flags.General, Usage: "`TEXT` to greet with; \\n ends a line",
				DefaultText: "onmux"},
			&cli.BoolFlag{Name: "tls", Category: flags.General, Usage: "speak TLS over TCP, with a certificate for a day",
				DisableDefaultText: true},
			&cli.StringFlag{Name: "address", Category: flags.General, Usage: "`ADDR` to listen on",
				DefaultText: "every one"},
		},
		Action: withSession(func(c *cli.Context, s *session) error {
			config, err := s.listenConfig(c)
			if err != nil {
				return err
			}
			ctx, cancel := s.withDeadline(c.Context)
			defer cancel()
			l, err := listen.Open(ctx, config)
			if bind, ok := errors.AsType[*listen.BindError](err); ok {
				why, hint := job.WhyNotBound(ctx, bind)
				return &exitError{code: exitcode.Unknown, err: fmt.Errorf("%w%s", err, why), hint: hint}
			} else if err != nil {
				return err
			}
			ctx, stop := context.WithCancel(ctx)
			defer stop()
			defer report.WhenUnread(c.App.Writer, stop)()
			if !c.Bool("quiet") {
				fmt.Fprintf(s.stderr, "onmux: listening on %s; Ctrl-C ends it\n", job.Sockets(l))
			}
			s.layout.AtOnce = false
			return s.run(ctx, nil, job.Listen(l, c.Uint64("count"), errDeadline))
		}),
	}, flags.Port(), flags.Proto(), flags.Limits(""), flags.Outputs())
}

// listenConfig reads the flags of listen.
func (s *session) listenConfig(c *cli.Context) (listen.Config, error) {
	config := listen.Config{Ports: s.ports, IPv4: s.ipv4, IPv6: s.ipv6, TLS: c.Bool("tls"), Text: "onmux\r\n"}
	replies := 0
	for name, reply := range map[string]listen.Reply{"echo": listen.Echo, "discard": listen.Discard,
		"banner": listen.Greet} {
		if c.IsSet(name) {
			config.Reply, replies = reply, replies+1
		}
	}
	if replies > 1 {
		return config, usageError(errors.New("--echo, --discard and --banner exclude each other"), "")
	}
	if c.IsSet("banner") {
		text, err := strconv.Unquote(`"` + strings.ReplaceAll(c.String("banner"), `"`, `\"`) + `"`)
		if err != nil {
			return config, usageError(fmt.Errorf("--banner %s: unknown escape", c.String("banner")),
				"\\n, \\r, \\t, \\\\ or \\x00")
		}
		config.Text = text
	}
	if c.IsSet("address") {
		addr, err := netip.ParseAddr(c.String("address"))
		if err != nil {
			return config, usageError(fmt.Errorf("--address %s is not an IP address", c.String("address")),
				"as in --address 127.0.0.1")
		}
		config.Addr = addr.Unmap()
		config.IPv4, config.IPv6 = config.IPv4 && addr.Unmap().Is4(), config.IPv6 && !addr.Unmap().Is4()
		if !config.IPv4 && !config.IPv6 {
			return config, usageError(fmt.Errorf("--address %s is of the other family", addr), "leave -4 and -6 out")
		}
	}
	var err error
	config.Key, err = readKey(c, "key")
	return config, err
}

// readKey reads a key: a text, env:NAME, or the first line of @FILE. Without the flag it is nil.
func readKey(c *cli.Context, flag string) (*farend.Key, error) {
	if !c.IsSet(flag) {
		return nil, nil
	}
	text := c.String(flag)
	if name, ok := strings.CutPrefix(text, "env:"); ok {
		text = os.Getenv(name)
		if text == "" {
			return nil, usageError(fmt.Errorf("--%s: the variable %s is empty or not set", flag, name), "")
		}
	} else if name, ok := strings.CutPrefix(text, "@"); ok {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, usageError(fmt.Errorf("--%s: reading %s: %w", flag, name, files.Cause(err)), "")
		}
		text, _, _ = strings.Cut(string(b), "\n")
		text = strings.TrimSuffix(text, "\r")
	}
	if text == "" {
		return nil, usageError(fmt.Errorf("--%s is empty", flag), "a text that both ends know, env:NAME or @FILE")
	}
	k := farend.NewKey(text)
	return &k, nil
}
