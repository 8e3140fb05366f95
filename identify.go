package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"onmux/probe"
	"onmux/probe/recog"
	"onmux/probe/service"
)

func libraryFlag(category string) cli.Flag {
	return &cli.StringFlag{Name: "recog", Category: category, Usage: "`DIR` of Rapid7's Recog, to name more software"}
}

// readLibrary reads --recog, which is of use only to those who identify.
func (s *session) readLibrary(c *cli.Context, identify bool) error {
	dir := c.String("recog")
	switch {
	case !c.IsSet("recog"):
		return nil
	case !identify && c.Bool("no-identify"):
		return usage(errors.New("--recog names software, and with --no-identify nobody asks for it"), "leave one of them out")
	case !identify && c.Command.Name == "scan":
		return usage(errors.New("--recog names software, and a scan asks for that with --identify"), "--identify --recog "+quoted(dir))
	}
	var err error
	if s.library, err = recog.Open(dir); err != nil {
		return usage(fmt.Errorf("--recog: %w", err), "https://github.com/rapid7/recog has them in its folder xml")
	}
	return nil
}

// libraryNotes is what the library has to say, for the report.
func (s *session) libraryNotes() []string {
	if s.library == nil {
		return nil
	}
	return s.library.Notes()
}

// asker makes one attempt, as probe.Ask does.
type asker func(context.Context, probe.Endpoint, probe.Options) (probe.Result, error)

// udpHead is the time that a UDP port has to answer the question of its own
// number before it is asked others.
const udpHead = 300 * time.Millisecond

// askNaming asks e. A UDP port that stays silent is asked in other tongues
// meanwhile: if it answers one of those, it is open after all.
func (p *prober) askNaming(ctx context.Context, e probe.Endpoint, o probe.Options) (probe.Result, error) {
	if !p.identify || e.Proto != probe.UDP {
		return probe.Ask(ctx, e, o)
	}
	asking, judged := context.WithCancel(ctx)
	naming, unheard := context.WithTimeout(asking, o.Timeout)
	var found *probe.Service
	var others sync.WaitGroup
	others.Go(func() {
		if sleep(naming, udpHead) {
			if found, _ = service.Identify(naming, e, service.Options{Library: p.library}); found != nil {
				judged()
			}
		}
	})
	start := time.Now()
	r, err := probe.Ask(asking, e, o)
	if err == nil && r.State != probe.OpenFiltered {
		unheard()
	}
	others.Wait()
	unheard()
	judged()
	if found == nil || err == nil && r.State != probe.OpenFiltered {
		return r, err
	}
	return probe.Result{
		Endpoint: e, State: probe.Open, Reason: probe.UDPResponse, Tries: 1, Confidence: probe.High, Service: found,
		Evidence: []string{fmt.Sprintf("a datagram in answer to the question %q, within %s", found.Probe, time.Since(start).Round(time.Millisecond))},
	}, nil
}
