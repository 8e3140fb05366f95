package job

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"

	"onmux/probe"
	"onmux/probe/wording"
	"onmux/report/phrase"
	"onmux/report/phrase/coverage"
	"onmux/report/record"
	"onmux/scan"
	"onmux/scan/checkpoint"
	"onmux/scan/connect"
	"onmux/scan/link"
	"onmux/scan/method"
	"onmux/scan/named"
	"onmux/scan/work"
)

// Worker scans segments of others' scans by its own method.
type Worker struct {
	method.Method
	Auto bool // packets where this process may send them, unless the request states otherwise
}

// Scan scans a segment.
func (w *Worker) Scan(
	ctx context.Context, r *work.Request, c scan.Config,
) (*checkpoint.Part, scan.Outcome, error) {
	m := w.Method
	if w.Auto {
		m.Packets = r.Method == "syn" || r.Method == "" && link.Permitted() == nil
	}
	if name := map[bool]string{true: "syn", false: "connect"}[m.Packets]; r.Method != "" && r.Method != name {
		return nil, scan.Outcome{}, fmt.Errorf("method %s is asked for, and the worker has --method %s", r.Method, name)
	}
	options := method.Options{
		Targets: c.Plan, Tries: 1 + c.Retries, NoTimestamps: c.Rate >= math.MaxInt32,
	}
	var err error
	if c.Engine, err = m.Engine(ctx, options); err != nil && w.Auto && r.Method == "" && ctx.Err() == nil {
		m.Packets = false
		c.Engine, err = m.Engine(ctx, options)
	}
	if err != nil {
		return nil, scan.Outcome{}, err
	}
	if len(c.Controls.Endpoints) > 0 {
		c.Controls.Engine = connect.New(connect.Config{Attempts: named.Most})
	}
	macs := newMACs(c.Engine)
	return work.ScanSegment(ctx, c, func(one *probe.Result) { one.MAC = macs.of(ctx, one) })
}

// Via is a scan that workers make.
type Via struct {
	work.Requester
	Attach string // the ID of a scan that goes on; "" begins one
	Method string // syn or connect; "" leaves it to the workers
	Begun  func(id string)
}

// AttachTo takes the plan from a scan that another requester began.
func (s *Scan) AttachTo(ctx context.Context, id string) error {
	r, err := s.Via.Requester.Attach(ctx, id)
	if err != nil {
		return err
	}
	s.Via.Attach = id
	s.Config.Plan, s.Config.Seed, s.Ports = r.Plan, r.Seed, r.Plan.Ports()
	s.NotResolved = r.Plan.Unresolved()
	return nil
}

// runVia has workers make the scan, and emits the records.
func (s *Scan) runVia(ctx context.Context, names record.End, emit func(record.Finding) error) (record.End, error) {
	v := s.Via
	v.All = s.Config.All
	if v.Attach == "" {
		settings, err := s.settings()
		if err != nil {
			return record.End{}, err
		}
		id, err := v.Begin(ctx, s.Config.Plan, settings)
		if err != nil {
			return record.End{}, err
		}
		v.Begun(id)
	}
	outcome, err := v.Run(ctx, func(f scan.Finding) error { return emit(phrase.Finding(f)) })
	if errors.Is(err, work.ErrEnded) {
		err = errors.New("the scan was removed from the NATS server before it was complete")
	}
	s.Complete = outcome.Complete
	plan := s.Config.Plan.Len() * uint64(max(len(outcome.Zones), 1))
	covered := []scan.Note{{Kind: scan.CoverAsked, Count: outcome.Targets, Of: plan, Plan: plan}}
	if n := outcome.NotReached; n > 0 {
		covered = append(covered, scan.Note{Kind: scan.CoverNotReached, Count: n, Of: plan, Err: context.Cause(ctx)})
	}
	if n := outcome.Undecided; n > 0 {
		covered = append(covered, scan.Note{Kind: scan.CoverUndecided, Count: n})
	}
	lines := phrase.ScanNotes(covered)
	for _, n := range outcome.Notes {
		text := fmt.Sprintf("zone %s: %s", n.Zone, phrase.ScanNote(n.Note))
		if n.Kind == scan.CoverNotFollowedUp || n.Kind == scan.CoverOpenEverywhere {
			lines = append(lines, text)
		} else {
			s.Log(text)
		}
	}
	outcome.Targets += names.Summary.Targets
	if n := names.Summary.States[record.Unknown]; n > 0 {
		outcome.States[record.Unknown] += n
	}
	return record.End{
		Complete: outcome.Complete, Coverage: slices.Concat(coverage.LeftOut(s.Config.Plan), lines),
		Summary: outcome.Summary,
	}, err
}

// settings are what workers must know of the scan.
func (s *Scan) settings() (work.Settings, error) {
	c, err := s.Config.WithDefaults()
	asked := func(rate float64) float64 { // what is not set is for the worker to decide
		if math.IsInf(rate, 1) {
			return 0
		}
		return rate
	}
	return work.Settings{
		Seed: c.Seed, Rate: asked(s.Config.Rate), NetRate: asked(s.Config.NetRate), Retries: c.Retries,
		Timeout: c.Timeout, Bound: c.Bound, Method: s.Via.Method, Identify: c.FollowUp.Identify,
		Verify: c.FollowUp.Verify, Controls: c.Controls.Endpoints,
	}, err
}

// WorkProgress describes how far a scan by workers is.
func WorkProgress(p work.Progress) (done, total uint64, what string) {
	const parts = 1000
	if p.Workers == 0 {
		return uint64(p.Share * parts), parts, "waiting for a worker"
	}
	return uint64(p.Share * parts), parts, fmt.Sprintf("%s, %s, %s a second, %s open",
		wording.Count(p.Zones, "zone", "zones"), wording.Count(p.Workers, "worker", "workers"),
		wording.Number(uint64(p.Rate)), wording.Number(p.Open))
}

// ParseNetwork reads a network, or an address, which is a network of one.
func ParseNetwork(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		a, notAddr := netip.ParseAddr(text)
		if notAddr != nil || a.Zone() != "" {
			return p, fmt.Errorf("%q is not a network", text)
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	return p.Masked(), nil
}
