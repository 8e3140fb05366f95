package main

import (
	"context"
	"fmt"
	"net"

	"github.com/urfave/cli/v2"

	"onmux/probe"
	"onmux/probe/inquiry"
	"onmux/probe/ports"
	"onmux/scan/connect"
	"onmux/scan/named"
	"onmux/scan/target"
)

func controlFlag(category string) cli.Flag {
	return &cli.StringSliceFlag{Name: "control", Category: category,
		Usage: "`HOST`[:PORT[/PROTO]] that should answer; repeatable"}
}

// readControls resolves the endpoints of --control, each on the first address of its
// host. Without a port it is the scan's first.
func (w *scanJob) readControls(ctx context.Context, c *cli.Context) error {
	names := inquiry.NewNames(net.DefaultResolver)
	for _, arg := range c.StringSlice("control") {
		host, spec := probe.SplitHostPort(arg)
		on := w.ports[:1]
		if spec != "" {
			var err error
			if on, err = ports.Parse([]string{spec}, []probe.Proto{probe.TCP}); err != nil {
				return usageError(fmt.Errorf("--control %s: %w", arg, err), "")
			}
		}
		plan, err := target.NewPlan(ctx, target.Config{
			Targets: []string{host}, Ports: on, IPv4: w.ipv4, IPv6: w.ipv6, Resolve: names.Resolve,
		})
		if err != nil {
			return w.targetError(ctx, fmt.Errorf("--control %s: %w", arg, err))
		}
		first := plan.At(0)
		if len(on) > 1 || plan.Host(first.Addr) == "" && plan.AddrCount() > 1 {
			return usageError(
				fmt.Errorf("--control %s: one host and one port are a control", arg), "repeat --control for others",
			)
		}
		w.config.Controls.Endpoints = append(w.config.Controls.Endpoints, first)
	}
	if n := len(w.config.Controls.Endpoints); n > named.Most {
		return usageError(fmt.Errorf("%d controls are too many", n), fmt.Sprintf("at most %d", named.Most))
	}
	return nil
}

// controls are the named controls, with an engine to ask them.
func (w *scanJob) controls() named.Controls {
	n := w.config.Controls
	if len(n.Endpoints) > 0 {
		n.Engine = connect.New(connect.Config{Attempts: named.Most})
	}
	return n
}
