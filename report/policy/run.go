package policy

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/report/expect"
	"onmux/report/phrase"
	"onmux/report/record"
	"onmux/scan"
)

// maxProbes bounds how many probe rules run at the same time.
const maxProbes = 16

// Commands runs the commands whose results the rules are about. An error means that the
// command could not run; its rules are then undecided.
type Commands interface {
	Check(context.Context, local.Request) (local.Report, error)
	// Probe identifies the service only if identify is set. It is called concurrently.
	Probe(ctx context.Context, p *Probe, identify bool, emit func(record.Finding) error) (record.End, error)
	Scan(ctx context.Context, s *Scan, emit func(record.Finding) error) (record.End, error)
}

// Verify judges every rule and emits each, followed by its violations, in the order of the file.
func Verify(ctx context.Context, p Policy, c Commands, emit func(record.Finding) error) (record.End, error) {
	end := record.End{Complete: true, Summary: scan.Summary{States: make(map[string]uint64)}}
	var err error
	for _, r := range run(ctx, p, c) {
		rule, violations := r.evaluation.result(r.end, r.err)
		end.Summary.Targets++
		end.Summary.States[rule.Outcome.String()]++
		end.Complete = end.Complete && r.end.Complete
		err = emit(rule)
		for _, v := range violations {
			if err == nil {
				err = emit(v)
			}
		}
		if err != nil {
			break
		}
	}
	end.Complete = end.Complete && ctx.Err() == nil
	judged := end.Summary.Targets - end.Summary.States[record.CannotTell.String()]
	end.Coverage = []string{fmt.Sprintf("judged %d of %d rules", judged, end.Summary.Targets)}
	return end, err
}

// Describe returns, as YAML, the policy that holds now: about what the rules of p name, or
// about every listening port of this machine if p is empty. Certificates are judged as
// of now.
func Describe(ctx context.Context, p Policy, c Commands, now time.Time) ([]byte, error) {
	s := newSnapshot()
	if len(p.Rules) == 0 {
		found, err := c.Check(ctx, local.Request{All: probe.Protos(), Owners: true})
		if err != nil {
			return nil, err
		}
		s.listeners(found)
	}
	complete := true
	for _, r := range run(ctx, p.withoutExceptions(), c) {
		rule := r.evaluation.rule
		if r.err != nil {
			return nil, fmt.Errorf("rule %q could not be judged, so no policy was written: %w", rule.Name, r.err)
		}
		complete = complete && r.end.Complete
		s.rule(rule, r.evaluation, now)
	}
	if !complete {
		return nil, errIncomplete
	}
	return s.yaml()
}

// result is what running the command of one rule led to.
type result struct {
	evaluation *evaluation
	end        record.End
	err        error // why the command could not run
}

// run runs what the rules need and returns the result of each: one check for all rules
// about this machine, the probes concurrently, and one scan for all rules about the same
// network.
func run(ctx context.Context, p Policy, c Commands) []*result {
	var all, checks, probes, scans []*result
	for _, rule := range p.Rules {
		r := &result{evaluation: newEvaluation(rule)}
		all = append(all, r)
		switch {
		case rule.Check != nil:
			checks = append(checks, r)
		case rule.Probe != nil:
			probes = append(probes, r)
		case rule.Scan != nil:
			scans = append(scans, r)
		}
	}
	if len(checks) > 0 {
		runCheck(ctx, checks, c)
	}
	runProbes(ctx, probes, c)
	for len(scans) > 0 {
		network := scans[0].evaluation.rule.Scan
		var same, others []*result
		for _, r := range scans {
			if network.Same(r.evaluation.rule.Scan) {
				same = append(same, r)
			} else {
				others = append(others, r)
			}
		}
		runScan(ctx, network, same, c)
		scans = others
	}
	for _, r := range all {
		if r.err != nil && ctx.Err() != nil { // each command words it differently
			r.err = context.Cause(ctx)
		}
	}
	return all
}

func runCheck(ctx context.Context, rules []*result, c Commands) {
	var request local.Request
	for _, r := range rules {
		rule := r.evaluation.rule
		request.Ports = append(request.Ports, rule.Check.Ports...)
		request.Owners = request.Owners || slices.ContainsFunc(rule.Expect, expect.Expectation.NeedsOwner)
	}
	slices.SortFunc(request.Ports, record.ComparePorts)
	request.Ports = slices.Compact(request.Ports)
	found, err := c.Check(ctx, request)
	if err != nil {
		found = local.Report{}
	}
	for _, r := range rules {
		asked := func(number uint16, proto probe.Proto) bool {
			return slices.Contains(r.evaluation.rule.Check.Ports, probe.Port{Number: number, Proto: proto})
		}
		r.end, r.err = record.End{Complete: err == nil, Coverage: phrase.CheckCoverage(found.Coverage)}, err
		for _, v := range found.Verdicts {
			if asked(v.Port, v.Proto) {
				r.evaluation.Verdict(v)
			}
		}
		for _, l := range found.Listeners {
			if asked(l.Port, l.Proto) {
				r.evaluation.Listener(l)
			}
		}
	}
}

func runProbes(ctx context.Context, rules []*result, c Commands) {
	var running sync.WaitGroup
	slots := make(chan struct{}, maxProbes)
	for _, r := range rules {
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			rule := r.evaluation.rule
			r.end, r.err = c.Probe(ctx, rule.Probe, rule.needsService(), func(f record.Finding) error {
				return record.Write(r.evaluation, f)
			})
		})
	}
	running.Wait()
}

func runScan(ctx context.Context, network *Scan, rules []*result, c Commands) {
	end, err := record.End{}, context.Cause(ctx)
	if err == nil {
		end, err = c.Scan(ctx, network, func(f record.Finding) error {
			var err error
			for _, r := range rules {
				err = cmp.Or(err, record.Write(r.evaluation, f))
			}
			return err
		})
	}
	for _, r := range rules {
		r.end, r.err = end, err
	}
}
