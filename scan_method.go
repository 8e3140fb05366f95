package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"onmux/probe"
	"onmux/report/exitcode"
	"onmux/report/job"
	"onmux/report/phrase"
	"onmux/report/record"
	"onmux/scan/link"
)

// readMethod finds what is wrong with the flags before anything is sent. auto
// takes packets where this process may send them.
func (w *scanJob) readMethod(c *cli.Context) error {
	switch name := c.String("method"); name {
	case "auto":
		w.auto = true
		w.Packets = link.Permitted() == nil
	case "syn":
		w.Packets = true
	case "connect":
	default:
		return usageError(fmt.Errorf("--method %s: unknown method", name), "auto, syn or connect")
	}
	w.Device = c.String("interface")
	var err error
	if w.Method.Local, err = w.readLocal(c, "", "verify-open"); err != nil {
		return err
	}
	if l := w.Method.Local; l != (probe.Local{}) {
		if l.Port != 0 && (c.String("method") == "syn" || w.Device != "") {
			return usageError(errors.New("--source-port is for connections; packets have ports of their own"),
				"leave it out, or --method syn and --interface")
		}
		if l.Port != 0 {
			w.Packets, w.auto = false, false
		}
		w.Config.FollowUp.Local = l.WithoutPort()
	}
	if w.Device == "" {
		return nil
	}
	if c.String("method") == "connect" {
		return usageError(
			errors.New("--interface and --method connect exclude each other"),
			"--method syn sends packets by an interface",
		)
	}
	w.Packets = true
	return failure(job.CheckInterface(w.Device))
}

// chooseMethod decides how the scan asks, prints the choice if it was automatic, and
// drops the privileges that are not needed any more.
func (w *scanJob) chooseMethod(ctx context.Context) error {
	if w.chosen = true; w.Via != nil {
		return nil
	}
	text := "connect (TCP connections and UDP sockets)"
	var why error
	if w.Packets {
		why = w.Prepare(ctx, w.Options())
		switch {
		case why == nil:
			text = "syn (packets of its own): this process may send them"
		case ctx.Err() != nil:
			return nil // nothing will be sent; the report states why
		case !w.auto || w.Device != "":
			return cannotSend(why)
		}
		w.Packets = why == nil
	} else {
		why = link.Permitted()
	}
	if why == nil && !w.Packets && w.Config.Resume != nil {
		text += ": as in the checkpoint"
	}
	if why != nil {
		text += ": " + phrase.Visible(why.Error())
	}
	if why != nil && w.auto {
		w.Fallback = why
	}
	if w.auto && (w.layout.Verbosity == record.Verbose || why != nil && w.layout.Verbosity != record.Quiet) {
		fmt.Fprintln(w.stderr, "onmux: method", text)
	}
	if w.Packets && w.wait == 0 { // to try again takes new sockets
		if err := link.DropPrivileges(); err != nil && w.layout.Verbosity == record.Verbose {
			fmt.Fprintln(w.stderr, "onmux: privileges could not be dropped:", err)
		}
	}
	return nil
}

// cannotSend is the error of --method syn where that cannot be done.
func cannotSend(err error) error {
	if why := link.Permitted(); why != nil {
		err = why
	}
	f := &exitError{code: exitcode.Unknown, err: fmt.Errorf("--method syn: %w", err)}
	if errors.Is(err, fs.ErrPermission) {
		self := "onmux"
		if exe, err := os.Executable(); err == nil {
			self = filepath.Base(exe)
		}
		f.hint = "run it as root, or once: sudo setcap cap_net_raw+ep " + self + "; --method connect needs neither"
	}
	return f
}
