package job

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"

	"onmux/probe"
	"onmux/probe/inquiry"
	"onmux/report/phrase"
	"onmux/report/phrase/coverage"
	"onmux/report/record"
	"onmux/scan"
	"onmux/scan/connect"
	"onmux/scan/engine"
	"onmux/scan/forecast"
	"onmux/scan/method"
	"onmux/scan/named"
	"onmux/scan/target"
)

// Scan finds a verdict for every endpoint of a plan.
type Scan struct {
	method.Method
	Config      scan.Config
	Ports       []probe.Port           // of the plan, or the usual ones before there is one
	NotResolved []*target.ResolveError // that have no address
	Fallback    error                  // why it connects although packets were to be preferred
	Evidence    bool                   // of every endpoint, not only of open ones
	Log         func(note string)      // what is written beside the report
	First       uint64                 // open endpoints after which it stops; 0 is none
	Via         *Via                   // by workers; nil without

	// NetworksUnread is why the networks of this machine are not known, as where netlink is
	// forbidden.
	NetworksUnread error

	// Complete is set by a Run that left nothing to resume.
	Complete bool
}

// Options are what the engine must know of the scan.
func (s *Scan) Options() method.Options {
	return method.Options{
		Targets: s.Config.Plan, Tries: 1 + s.Config.Retries, Evidence: s.Evidence,
		NoTimestamps: math.IsInf(s.Config.Rate, 1),
	}
}

// Run scans, and emits the records.
func (s *Scan) Run(ctx context.Context, emit func(record.Finding) error) (record.End, error) {
	limit := first{most: s.First}
	return limit.run(ctx, emit, s.run)
}

func (s *Scan) run(ctx context.Context, emit func(record.Finding) error) (record.End, error) {
	names, err := s.Unresolved(ctx, emit)
	if err != nil {
		return names, err
	}
	if s.Via != nil {
		return s.runVia(ctx, names, emit)
	}
	config := s.Config
	if config.Engine, err = s.Engine(ctx, s.Options()); err != nil {
		return record.End{}, err
	}
	if len(config.Controls.Endpoints) > 0 {
		config.Controls.Engine = connect.New(connect.Config{Attempts: named.Most})
	}
	macs := newMACs(config.Engine)
	outcome, err := scan.Run(ctx, config, func(f scan.Finding) error {
		if r, ok := f.(probe.Result); ok {
			r.MAC = macs.of(ctx, &r)
			f = r
		}
		return emit(phrase.Finding(f))
	})
	s.Complete = outcome.Complete
	if stoppedAtFirst(ctx) { // the rest was not to be followed up
		unneeded := func(n scan.Note) bool { return n.Kind == scan.CoverNotFollowedUp }
		outcome.Notes = slices.DeleteFunc(outcome.Notes, unneeded)
		outcome.Coverage = slices.DeleteFunc(outcome.Coverage, unneeded)
	}
	for _, note := range outcome.Notes {
		s.Log(phrase.ScanNote(note))
	}
	if e, ok := config.Engine.(engine.Noter); ok {
		for _, note := range e.Notes() {
			s.Log(phrase.EngineNote(note))
		}
	}
	outcome.Targets += names.Summary.Targets
	if n := names.Summary.States[record.Unknown]; n > 0 {
		outcome.States[record.Unknown] += n
	}
	covered := slices.Concat(coverage.LeftOut(config.Plan), phrase.ScanNotes(outcome.Coverage))
	if s.NetworksUnread != nil {
		covered = append(covered, coverage.NetworksUnread(s.NetworksUnread))
	}
	if s.Fallback != nil {
		covered = append(covered, coverage.Connects(s.Fallback))
	}
	return record.End{
		Complete: outcome.Complete,
		Coverage: append(covered, coverage.Fingerprints(config.FollowUp.Library)...),
		Summary:  outcome.Summary,
	}, err
}

// Unresolved emits records about the ports of the names that have no address. Of several
// shards, the first does.
func (s *Scan) Unresolved(_ context.Context, emit func(record.Finding) error) (record.End, error) {
	end := record.End{Complete: true, Coverage: []string{}}
	end.Summary.States = make(map[string]uint64)
	if s.Config.Shard.I > 1 {
		return end, nil
	}
	for _, name := range s.NotResolved {
		if _, err := takeUnresolved(inquiry.Unresolved(name.Host, name, name.Ports), &end, emit); err != nil {
			return end, err
		}
	}
	return end, nil
}

// Plan identifies the scan and its shard, for onmux merge.
func (s *Scan) Plan() *record.Plan {
	p, shard := s.Config.Plan, s.Config.Shard
	return &record.Plan{
		Fingerprint: p.Fingerprint(), Endpoints: p.Len(), Seed: strconv.FormatUint(s.Config.Seed, 10),
		Shard: max(shard.I, 1), Shards: max(shard.N, 1),
	}
}

// DryRun predicts what Run would do. Nothing is sent.
func (s *Scan) DryRun(ctx context.Context) (record.DryRun, error) {
	f, err := forecast.New(ctx, s.Config, s.Device)
	if err != nil {
		return record.DryRun{}, err
	}
	f.LeftOut = append([]string{}, coverage.LeftOut(s.Config.Plan)...)
	neighbors, err := s.Demand(ctx, s.Config.Plan)
	if err != nil {
		return record.DryRun{}, err
	}
	f.LimitNeighbors(neighbors)
	if f.Capped > 0 {
		f.HeldBy = phrase.NetworkRate(f.Capped)
	}
	d := record.DryRun{Method: s.Method.Names(s.Ports), Plan: s.Plan(), Forecast: f}
	if r := s.Config.Resume; r != nil {
		d.Resumes = &record.Resumption{Saved: r.Saved, Probes: r.Sent, Complete: r.Complete}
	}
	return d, nil
}

// Progress describes how far a scan is and then, if there are any, its follow-ups.
func Progress(p scan.Progress) (done, total uint64, what string) {
	if p.Done >= p.Total && p.FollowedUp > 0 {
		return p.FollowedUp, p.Open, fmt.Sprintf("following up %d open", p.Open)
	}
	return p.Done, p.Total, fmt.Sprintf("pass %d, %d open", p.Pass, p.Open)
}
