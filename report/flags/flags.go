package flags

import "github.com/urfave/cli/v2"

// The categories of the flags with one meaning everywhere.
const (
	General   = "general"
	Output    = "output"
	Verifying = "verifying"
)

// Port is --port.
func Port() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "port", Aliases: []string{"p"}, Category: General,
			Usage: "`PORTS`: 80,443/tcp, 400-420, http, common, @FILE", DefaultText: "417"},
	}
}

// Open is --open.
func Open() cli.Flag {
	return &cli.BoolFlag{Name: "open", Category: Output,
		Usage: "only open endpoints, in every format", DisableDefaultText: true}
}

// First is --first.
func First() cli.Flag {
	return &cli.Uint64Flag{Name: "first", Category: General,
		Usage: "`N` open endpoints are enough: stop then", DefaultText: "none"}
}

// ExcludePorts is --exclude-ports.
func ExcludePorts(category string) cli.Flag {
	return &cli.StringSliceFlag{Name: "exclude-ports", Category: category, Usage: "`PORTS` to leave out"}
}

// Proto is --proto.
func Proto() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "proto", Value: "both", Category: General,
			Usage: "`PROTO` of ports with no suffix: tcp, udp or both", DefaultText: "both"},
	}
}

// Limits has --timeout only if there is something that it bounds by default.
func Limits(timeout string) []cli.Flag {
	flags := []cli.Flag{
		&cli.BoolFlag{Name: "4", Category: General, Usage: "IPv4 only", DisableDefaultText: true},
		&cli.BoolFlag{Name: "6", Category: General, Usage: "IPv6 only", DisableDefaultText: true},
		&cli.DurationFlag{Name: "deadline", Category: General,
			Usage: "`TIME` for the whole command, then exit code 124", DefaultText: "none"},
	}
	if timeout != "" {
		flags = append(flags, &cli.DurationFlag{Name: "timeout", Category: General,
			Usage: "`TIME` for one attempt, as 500ms or 2s", DefaultText: timeout})
	}
	return flags
}

// Outputs is how and where a report is written.
func Outputs() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "output", Aliases: []string{"o"}, Category: Output,
			Usage: "`FORMAT[=FILE]` text, json, csv ...; repeatable", DefaultText: "text"},
		&cli.StringFlag{Name: "format", Category: Output,
			Usage: "`TEMPLATE` of Go for each record: '{{.Address}}:{{.Port}}'"},
		&cli.BoolFlag{Name: "json", Category: Output, Usage: "short for -o json", DisableDefaultText: true},
		&cli.StringFlag{Name: "color", Value: "auto", Category: Output,
			Usage: "`WHEN` auto, always or never", DefaultText: "auto"},
		&cli.StringFlag{Name: "job", Category: Output,
			Usage: "`NAME` of the run, a label of prom", DefaultText: "FILE's"},
		&cli.BoolFlag{Name: "stamp", Category: Output,
			Usage: "time and run id in each line of jsonl", DisableDefaultText: true},
		&cli.StringFlag{
			Name:        "title",
			Category:    Output,
			Usage:       "`TEXT` that nagios begins with",
			DefaultText: "ONMUX",
		},
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Category: Output,
			Usage: "only the verdict", DisableDefaultText: true},
		&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Category: Output,
			Usage: "every record and every piece of evidence", DisableDefaultText: true},
	}
}

// Outcome is what is expected, and what becomes of it.
func Outcome() []cli.Flag { return append(Expect(), Wait()...) }

// Expect is --expect.
func Expect() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "expect", Category: Verifying,
			Usage: "`STATE[,STATE]` for each, or a count: open=0, open>=1"},
	}
}

// ExitStyle is --exit-style.
func ExitStyle() cli.Flag {
	return &cli.StringFlag{Name: "exit-style", Category: Verifying,
		Usage: "`STYLE` of exit codes: nagios or docker", DefaultText: "onmux"}
}

// Wait is until when what is expected may come to hold, and what follows then.
func Wait() []cli.Flag {
	return []cli.Flag{
		ExitStyle(), Exec(),
		&cli.DurationFlag{Name: "wait", Category: Verifying,
			Usage: "`TIME` to retry until it holds, else 124", DefaultText: "0"},
	}
}

// VerifyOpen is --verify-open.
func VerifyOpen(category string) cli.Flag {
	return &cli.BoolFlag{Name: "verify-open", Category: category,
		Usage: "test whether it is a service; and 4 random ports", DisableDefaultText: true}
}

// Service is --service.
func Service(category string) cli.Flag {
	return &cli.StringSliceFlag{Name: "service", Category: category,
		Usage: "`NAME` of the service that must answer, or any"}
}

// Recog is --recog.
func Recog(category string) cli.Flag {
	return &cli.StringFlag{Name: "recog", Category: category, Usage: "`DIR` of Rapid7's Recog, to name more software"}
}

// Method is --method.
func Method(category string) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "method", Category: category,
			Usage: "`METHOD` auto, syn (packets) or connect", Value: "auto", DefaultText: "auto"},
	}
}

// Resume is how a scan is interrupted and resumed.
func Resume(category string) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "checkpoint", Category: category, Usage: "`FILE` to keep the scan's state in, for --resume"},
		&cli.StringFlag{Name: "resume", Category: category, Usage: "`FILE` of a checkpoint to go on from, without targets"},
	}
}

// Source is from where probes leave.
func Source(category string) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "source", Category: category,
			Usage: "`ADDR` of this machine to probe from", DefaultText: "any"},
		&cli.UintFlag{Name: "source-port", Category: category,
			Usage: "`N` of the port to probe from", DefaultText: "any"},
		&cli.StringFlag{Name: "interface", Category: category,
			Usage: "`NAME` by which packets leave", DefaultText: "any"},
	}
}

// Exec is --exec.
func Exec() cli.Flag {
	return &cli.BoolFlag{Name: "exec", Category: Verifying,
		Usage: "-- COMMAND ARG...: become it when that holds", DisableDefaultText: true}
}

// NATS are how a NATS server is reached.
func NATS(category string) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "creds", Category: category, Usage: "`FILE` of NATS credentials, or NATS_CREDS"},
		&cli.StringFlag{Name: "nkey", Category: category, Usage: "`FILE` of the seed of an NKey, or NATS_NKEY"},
		&cli.StringFlag{Name: "tls-ca", Category: category, Usage: "`FILE` of the server's authority, or NATS_CA"},
		&cli.StringFlag{Name: "tls-cert", Category: category, Usage: "`FILE` of the own certificate, or NATS_CERT"},
		&cli.StringFlag{Name: "tls-key", Category: category, Usage: "`FILE` of its key, or NATS_KEY"},
	}
}

// Via are those of a scan that workers make.
func Via() []cli.Flag {
	const category = "by workers (onmux help workers)"
	return append([]cli.Flag{
		&cli.StringFlag{Name: "via", Category: category, Usage: "`URL` of a NATS server: onmux work there scans"},
		&cli.StringFlag{Name: "from", Category: category, Usage: "`ZONE,...` that each probe all, or all",
			DefaultText: "they share"},
		&cli.StringFlag{Name: "attach", Category: category, Usage: "`ID` of a scan to go on with, without targets"},
		&cli.StringFlag{Name: "sign", Category: category, Usage: "`FILE` of an NKey's seed to sign by, for --trust"},
	}, NATS(category)...)
}

// Worker has those of work.
func Worker() []cli.Flag {
	const how = "working"
	return append([]cli.Flag{
		&cli.StringFlag{Name: "zone", Category: how, Usage: "`NAME` of the place that this machine is at"},
		&cli.StringSliceFlag{
			Name:        "allow",
			Category:    how,
			Usage:       "`CIDR,...` that may be probed; repeatable",
			DefaultText: "all",
		},
		&cli.StringFlag{
			Name:        "rate",
			Category:    how,
			Usage:       "`N` probes a second at most, as 10k, or max",
			DefaultText: "10000",
		},
		&cli.StringFlag{Name: "trust", Category: how, Usage: "`PUBLIC` NKey that requests must be signed by"},
		&cli.IntFlag{Name: "count", Aliases: []string{"c"}, Category: how, Usage: "`N` parts, then end",
			DefaultText: "until Ctrl-C"},
		Method(how)[0],
		&cli.StringFlag{Name: "interface", Category: how, Usage: "`NAME` of the interface to send packets by"},
		&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Category: Output,
			Usage: "a line for each part", DisableDefaultText: true},
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Category: Output,
			Usage: "only errors", DisableDefaultText: true},
	}, NATS(how)...)
}
