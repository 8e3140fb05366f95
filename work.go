package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"onmux/report/flags"
	"onmux/report/job"
	"onmux/scan/work"
	"onmux/scan/work/nats"
)

func workCommand() *cli.Command {
	return commandWith(cli.Command{
		Name:      "work",
		Usage:     "a worker of scans that run at several places",
		ArgsUsage: "[URL]",
		Description: `Takes parts of scans that onmux scan --via URL puts on a NATS server with
JetStream, scans them from here, and stores the verdicts there, until Ctrl-C.
It never exceeds --rate, and never asks what --allow leaves out. What it worked
on when it is stopped goes to another worker. The URL may be in NATS_URL
(onmux help workers).`,
		UsageText: `  onmux work nats://10.0.0.1 --zone dmz --allow 10.0.0.0/8
  onmux work --zone office --rate 500 --creds worker.creds --trust UA6K...
  onmux scan 10.0.0.0/16 --via nats://10.0.0.1 --from all   elsewhere`,
		Flags: flags.Worker(),
		Action: func(c *cli.Context) error {
			w, err := newWorker(c)
			if err != nil {
				return failure(err)
			}
			conn, err := nats.Connect(c.Context, natsConfig(c, c.Args().First()))
			if err != nil {
				return failure(err)
			}
			defer conn.Close()
			from := nats.Segments{Conn: conn}
			if err := from.Listen(); err != nil {
				return failure(err)
			}
			if w.From = from; !c.Bool("quiet") {
				w.Ready = func() { w.Log(fmt.Sprintf("zone %s: waiting for scans; Ctrl-C ends it", w.Zone)) }
			}
			return failure(w.Run(c.Context))
		},
	})
}

// newWorker reads the flags of work.
func newWorker(c *cli.Context) (*work.Worker, error) {
	w := &work.Worker{Zone: c.String("zone"), Count: c.Int("count"), Log: func(text string) {
		fmt.Fprintln(c.App.ErrWriter, "onmux:", text)
	}}
	if c.NArg() > 1 {
		return nil, usageError(errors.New("work takes one URL"), "several servers are separated by commas")
	}
	if w.Zone == "" {
		return nil, usageError(errors.New("work needs --zone"), "--zone NAME of the place that this machine is at")
	}
	if err := work.CheckZone(w.Zone); err != nil {
		return nil, usageError(fmt.Errorf("--zone: %w", err), "")
	}
	if c.IsSet("count") && w.Count <= 0 {
		return nil, usageError(errors.New("--count must be greater than 0"), "leave it out to go on until Ctrl-C")
	}
	for _, list := range c.StringSlice("allow") {
		for text := range strings.SplitSeq(list, ",") {
			p, err := job.ParseNetwork(text)
			if err != nil {
				return nil, usageError(fmt.Errorf("--allow: %w", err), "as in --allow 10.0.0.0/8,2001:db8::/32")
			}
			w.Allow = append(w.Allow, p)
		}
	}
	var err error
	if w.Rate, err = job.ParseRate("rate", c.String("rate")); err != nil {
		return nil, err
	}
	if c.IsSet("trust") {
		if w.Verify, err = nats.VerifierOf(c.String("trust")); err != nil {
			return nil, fmt.Errorf("--trust: %w", err)
		}
	}
	methods := &scanJob{session: &session{command: c.Command.Name}}
	if err := methods.readMethod(c); err != nil {
		return nil, err
	}
	by := &job.Worker{Method: methods.Method, Auto: methods.auto && methods.Device == ""}
	w.Scan = by.Scan
	if c.Bool("verbose") {
		w.Taken = func(id string, segment int, err error) {
			if err == nil {
				w.Log(fmt.Sprintf("scan %s: part %d is done", id, segment+1))
			}
		}
	}
	return w, checkURL(c.Args().First())
}

func checkURL(url string) error {
	if url == "" {
		return nil
	}
	return nats.CheckURL(url)
}

func natsConfig(c *cli.Context, url string) nats.Config {
	return nats.FromEnvironment(nats.Config{
		URL: url, Creds: c.String("creds"), NKey: c.String("nkey"),
		CA: c.String("tls-ca"), Cert: c.String("tls-cert"), Key: c.String("tls-key"),
	})
}

// localFlags are those that are not for a scan by workers: the machine that asks has them.
var localFlags = []string{
	"interface", "source", "source-port", "checkpoint", "resume", "shard", "recog", "service",
}

// readVia reads --via and the flags that go with it, and connects. Without --via it does nothing;
// the function that it returns ends the connection.
func (w *scanJob) readVia(c *cli.Context) (end func(), err error) {
	end = func() {}
	if !c.IsSet("via") {
		for _, name := range []string{"from", "attach", "sign"} {
			if c.IsSet(name) {
				return end, usageError(fmt.Errorf("--%s needs --via", name), "--via nats://HOST names the server")
			}
		}
		return end, nil
	}
	for _, name := range localFlags {
		if c.IsSet(name) {
			return end, usageError(fmt.Errorf("--via and --%s exclude each other", name), "the workers scan, not this machine")
		}
	}
	if c.IsSet("attach") && (c.NArg() > 0 || c.IsSet("targets-from") || c.IsSet("from") || w.wait > 0) {
		return end, usageError(
			errors.New("--attach goes on with a scan that has its targets"),
			"leave targets, --from and --wait out",
		)
	}
	if err := checkURL(c.String("via")); err != nil {
		return end, fmt.Errorf("--via: %w", err)
	}
	v := &job.Via{Begun: func(id string) {
		w.Log(
			fmt.Sprintf(
				"scan %s is with the workers; if this process ends: onmux scan --via %s --attach %s",
				id,
				c.String("via"),
				id,
			),
		)
	}}
	v.Log = w.Log
	v.Watch = func(p work.Progress) {
		done, total, what := job.WorkProgress(p)
		w.progress.Update(done, total, p.ETA, what)
	}
	if name := c.String("method"); name != "auto" {
		v.Method = name
	}
	if c.IsSet("sign") {
		if v.Sign, err = nats.SignerOf(c.String("sign")); err != nil {
			return end, fmt.Errorf("--sign: %w", err)
		}
	}
	if c.IsSet("from") {
		if v.Zones, err = work.ParseZones(c.String("from")); err != nil {
			return end, usageError(fmt.Errorf("--from: %w", err), "as in --from all or --from dmz,office")
		}
	}
	if w.dryRun {
		return end, nil
	}
	conn, err := nats.Connect(c.Context, natsConfig(c, c.String("via")))
	if err != nil {
		return end, err
	}
	v.At, w.Via = nats.Requests{Conn: conn}, v
	if id := c.String("attach"); c.IsSet("attach") {
		if err = work.CheckID(id); err == nil {
			err = w.AttachTo(c.Context, id)
		}
		if work.CheckID(id) != nil {
			err = usageError(fmt.Errorf("--attach: %w", err), "onmux scan --via prints it when it begins")
		} else if errors.Is(err, work.ErrEnded) {
			err = usageError(fmt.Errorf("there is no scan %s at this server: it has ended, or never began", id), "")
		}
	}
	return conn.Close, err
}
