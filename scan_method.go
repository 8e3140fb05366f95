package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"onmux/probe"
	"onmux/report/phrase"
	"onmux/report/record"
	"onmux/scan/checkpoint"
	"onmux/scan/connect"
	"onmux/scan/engine"
	"onmux/scan/link"
	"onmux/scan/raw"
	"onmux/scan/target"
)

// method is how a scan asks: by packets of its own or by connecting.
type method struct {
	packets  bool
	device   string        // packets leave here; "" for wherever the kernel would send them
	prepared engine.Engine // made to find out whether packets can be sent, and not used yet
	fallback []string      // why it connects although packets were to be preferred
}

func methodFlags(category string) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "method", Category: category,
			Usage: "`METHOD` auto, syn (packets) or connect", Value: "auto", DefaultText: "auto"},
		&cli.StringFlag{Name: "interface", Category: category,
			Usage: "`NAME` by which packets leave", DefaultText: "any"},
	}
}

// read finds what is wrong with the flags before anything is sent. auto
// takes packets where this process may send them.
func (m *method) read(c *cli.Context) error {
	switch name := c.String("method"); name {
	case "auto":
		m.packets = link.Permitted() == nil
	case "syn":
		m.packets = true
	case "connect":
	default:
		return usageError(fmt.Errorf("--method %s: unknown method", name), "auto, syn or connect")
	}
	m.device = c.String("interface")
	if m.device == "" {
		return nil
	}
	if c.String("method") == "connect" {
		return usageError(
			errors.New("--interface and --method connect exclude each other"),
			"--method syn sends packets by an interface",
		)
	}
	m.packets = true
	if _, err := net.InterfaceByName(m.device); err != nil {
		return usageError(fmt.Errorf("--interface %s: this machine has no such interface", m.device), "")
	}
	return nil
}

// adopt makes auto take the method of a checkpoint: a scan cannot go on with
// another method than the one it began with.
func (m *method) adopt(c *cli.Context, from *checkpoint.Checkpoint) {
	if c.String("method") != "auto" || m.device != "" {
		return
	}
	for _, name := range from.Methods {
		m.packets = name == "syn" || name == "udp-raw"
	}
}

// chooseMethod decides how the scan asks, prints the choice if it was automatic, and
// drops the privileges that are not needed any more.
func (w *scanJob) chooseMethod(ctx context.Context, c *cli.Context) error {
	auto := c.String("method") == "auto"
	text := "connect (TCP connections and UDP sockets)"
	var why error
	if w.packets {
		w.prepared, why = w.newRaw(ctx)
		switch {
		case why == nil:
			text = "syn (packets of its own): this process may send them"
		case ctx.Err() != nil:
			return nil // nothing will be sent; the report states why
		case !auto || w.device != "":
			return cannotSend(why)
		}
		w.packets = why == nil
	} else {
		why = link.Permitted()
	}
	if why == nil && !w.packets && w.config.Resume != nil {
		text += ": as in the checkpoint"
	}
	if why != nil {
		text += ": " + phrase.Visible(why.Error())
	}
	if why != nil && auto {
		w.fallback = []string{"asked by connections and sockets: " + why.Error()}
	}
	if auto && (w.layout.Verbosity == record.Verbose || why != nil && w.layout.Verbosity != record.Quiet) {
		fmt.Fprintln(w.stderr, "onmux: method", text)
	}
	if w.packets && w.wait == 0 { // to try again takes new sockets
		if err := link.DropPrivileges(); err != nil && w.layout.Verbosity == record.Verbose {
			fmt.Fprintln(w.stderr, "onmux: privileges could not be dropped:", err)
		}
	}
	return nil
}

// cannotSend is the error of --method syn where that cannot be done.
func cannotSend(err error) error {
	f := &exitError{code: exitUnknown, err: fmt.Errorf("--method syn: %w", err)}
	if errors.Is(err, fs.ErrPermission) {
		self := "onmux"
		if exe, err := os.Executable(); err == nil {
			self = filepath.Base(exe)
		}
		f.hint = "run it as root, or once: sudo setcap cap_net_raw+ep " + self + "; --method connect needs neither"
	}
	return f
}

func (w *scanJob) newRaw(ctx context.Context) (engine.Engine, error) {
	e, err := raw.New(ctx, raw.Config{
		Targets: w.config.Plan, Device: w.device, Tries: 1 + w.config.Retries, Evidence: w.layout.Verbosity == record.Verbose,
		NoTimestamps: math.IsInf(w.config.Rate, 1),
	})
	if err != nil {
		return nil, err
	}
	return e, nil
}

// engine is the one that was made already, or another.
func (w *scanJob) engine(ctx context.Context) (engine.Engine, error) {
	if e := w.prepared; e != nil {
		w.prepared = nil
		return e, nil
	}
	if w.packets {
		return w.newRaw(ctx)
	}
	// Reasons come with every answer; sentences about them only on request.
	own, err := target.OwnNetworks()
	if err != nil {
		return nil, err
	}
	return connect.New(connect.Config{
		Targets: w.config.Plan, Own: own, Evidence: w.layout.Verbosity == record.Verbose,
	}), nil
}

// close frees an engine that was never used.
func (w *scanJob) close() {
	if w.prepared != nil {
		_ = w.prepared.Close()
	}
}

// methods names how each protocol is asked, for the report.
func (w *scanJob) methods() map[string]string {
	names := map[probe.Proto]string{probe.TCP: "connect", probe.UDP: "udp"}
	if w.packets {
		names = map[probe.Proto]string{probe.TCP: "syn", probe.UDP: "udp-raw"}
	}
	asked := make(map[string]string)
	for _, p := range w.ports {
		asked[p.Proto.String()] = names[p.Proto]
	}
	return asked
}
