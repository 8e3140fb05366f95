package scan_test

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"onmux/probe"
	"onmux/scan"
	"onmux/scan/named"
	"onmux/scan/scantest"
	"onmux/scan/simnet"
)

// TestNamedControls: where no target answers, the controls that the user named decide
// what silence is worth.
func TestNamedControls(t *testing.T) {
	t.Parallel()
	always := func(time.Duration) bool { return true }
	never := func(time.Duration) bool { return false }
	until := func(d time.Duration) func(time.Duration) bool {
		return func(after time.Duration) bool { return after < d }
	}
	away := func(from, to time.Duration) func(time.Duration) bool {
		return func(after time.Duration) bool { return after < from || after >= to }
	}
	for name, c := range map[string]struct {
		works    []func(time.Duration) bool // whether each control answers
		reason   probe.Reason               // with this
		complete bool
		unknown  bool // some endpoints are
		silent   int  // controls that the notes report
	}{
		"answers":            {works: []func(time.Duration) bool{always}, complete: true},
		"refuses":            {works: []func(time.Duration) bool{always}, reason: probe.Reset, complete: true},
		"never answers":      {works: []func(time.Duration) bool{never}, unknown: true, silent: 1},
		"has no neighbor":    {works: []func(time.Duration) bool{always}, reason: probe.NoNeighbor, unknown: true, silent: 1},
		"one of two answers": {works: []func(time.Duration) bool{always, never}, complete: true, silent: 1},
		"stops":              {works: []func(time.Duration) bool{until(300 * time.Millisecond)}, unknown: true},
		"pauses":             {works: []func(time.Duration) bool{away(100*time.Millisecond, 6*time.Second)}, complete: true},
	} {
		for _, port := range []probe.Port{tcp417, udp417} {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				first := netip.MustParseAddr("192.0.2.1")
				var controls named.Controls
				for range c.works {
					controls.Endpoints = append(controls.Endpoints,
						probe.Endpoint{Addr: first, Port: 22, Proto: probe.TCP})
					first = first.Next()
				}
				controls.Engine = simnet.New(simnet.Config{KnowsTry: true, Host: func(e probe.Endpoint) simnet.Host {
					reason := probe.SynAck
					if c.reason != probe.NoReason {
						reason = c.reason
					}
					if !c.works[lastByte(e.Addr)-1](time.Since(start)) {
						reason = probe.NoReason
					}
					return simnet.Host{Reason: reason, RTT: 10 * time.Millisecond}
				}})
				s := scantest.Run(t.Context(), scan.Config{
					Plan: scantest.NewPlan(t, []probe.Port{port}, "10.0.0.0/24"),
					Engine: simnet.New(
						simnet.Config{KnowsTry: true, Host: func(probe.Endpoint) simnet.Host { return simnet.Host{} }},
					),
					Controls: controls, Rate: 200, Retries: -1,
				})
				unknown := s.States[probe.Unknown.String()]
				if s.Complete != c.complete || (unknown+s.NotReached > 0) != c.unknown {
					t.Errorf("%s, %s: complete %v, %+v, %v", name, port.Proto, s.Complete, s.Summary, s.Err)
				}
				if s.Controls == nil || s.Controls.Named != len(c.works) {
					t.Errorf("%s: %+v", name, s.Controls)
				}
				silent := 0
				for _, n := range s.Notes {
					if n.Kind == scan.NoteControl {
						silent++
					}
				}
				if silent != c.silent {
					t.Errorf("%s: notes %+v", name, s.Notes)
				}
				s.Results(t)
			})
		}
	}
}
