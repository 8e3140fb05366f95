package compare

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"onmux/probe"
	"onmux/report/phrase"
	"onmux/report/record"
	"onmux/scan"
)

// Part is a saved report and the name it goes by in errors.
type Part struct {
	Name string
	record.Recording
}

// Merged is what the shards of one scan make together.
type Merged struct {
	Start    record.Start
	End      record.End
	Lack     []string // what is missing, by shard; also in the End's coverage
	runs     map[probe.Port][]piece
	reported []uint64 // endpoints, by part
}

// piece is a run of addresses of which the same is known. One that was reported
// singly keeps its record.
type piece struct {
	first, last netip.Addr
	all         scan.Range
	single      *probe.Result
	part        int
}

// Merge proves that the parts are shards of one scan and have no endpoint
// twice, and adds them up. What is missing is named in the coverage, and the
// End is then not Complete. Reports that do not belong together are an error.
func Merge(parts []*Part) (*Merged, error) {
	if err := belong(parts); err != nil {
		return nil, err
	}
	m := &Merged{runs: make(map[probe.Port][]piece), reported: make([]uint64, len(parts))}
	for i, p := range parts {
		if err := p.Replay(shard{to: m, part: i}); err != nil {
			return nil, err
		}
	}
	for _, p := range slices.SortedFunc(maps.Keys(m.runs), record.ComparePorts) {
		if err := m.sort(p, parts); err != nil {
			return nil, err
		}
	}
	m.head(parts)
	m.tail(parts)
	return m, nil
}

// belong holds the plans of the parts against each other.
func belong(parts []*Part) error {
	first := parts[0]
	seen := make(map[int]string)
	for _, p := range parts {
		plan, of := p.Started.Plan, first.Started.Plan
		switch {
		case plan == nil:
			return fmt.Errorf("%s does not state which part of a scan it is: it is of onmux %s %s", p.Name,
				p.Started.Command, p.Started.Version)
		case plan.Shards < 1 || plan.Shards > record.MaxShards || plan.Shard < 1 || plan.Shard > plan.Shards:
			return fmt.Errorf("%s is shard %d of %d, which is none", p.Name, plan.Shard, plan.Shards)
		case plan.Fingerprint != of.Fingerprint || plan.Endpoints != of.Endpoints:
			return fmt.Errorf("%s and %s are of different scans: other targets or ports", first.Name, p.Name)
		case plan.Seed != of.Seed:
			return fmt.Errorf("%s and %s are of scans in a different order: their seeds are %s and %s", first.Name,
				p.Name, of.Seed, plan.Seed)
		case plan.Shards != of.Shards:
			return fmt.Errorf("%s is one of %d shards, %s one of %d", first.Name, of.Shards, p.Name, plan.Shards)
		case seen[plan.Shard] != "":
			return fmt.Errorf("%s and %s are both shard %d of %d", seen[plan.Shard], p.Name, plan.Shard, plan.Shards)
		}
		seen[plan.Shard] = p.Name
	}
	return nil
}

// shard is a Handler that adds up the endpoints and ranges of one part. What was
// expected of a shard (how many are open, for example) is not what is expected of the
// whole: violations are left out.
type shard struct {
	record.Nop
	to   *Merged
	part int
}

// Endpoint adds one.
func (s shard) Endpoint(r probe.Result) error {
	s.to.add(piece{first: r.Addr, last: r.Addr, single: &r, part: s.part, all: record.Single(r)})
	return nil
}

// Range adds its endpoints.
func (s shard) Range(r scan.Range) error {
	s.to.add(piece{first: r.First, last: r.Last, all: r, part: s.part})
	return nil
}

func (m *Merged) add(p piece) {
	of := probe.Port{Number: p.all.Port, Proto: p.all.Proto}
	m.reported[p.part] += p.all.Count
	m.runs[of] = append(m.runs[of], p)
}

// sort puts the runs of a port in order and proves that none is there twice.
func (m *Merged) sort(p probe.Port, parts []*Part) error {
	runs := m.runs[p]
	slices.SortFunc(runs, func(a, b piece) int { return a.first.Compare(b.first) })
	for i := 1; i < len(runs); i++ {
		if !runs[i-1].last.Less(runs[i].first) {
			return fmt.Errorf("%s is in both %s and %s", probe.Endpoint{Addr: runs[i].first, Port: p.Number,
				Proto: p.Proto},
				parts[runs[i-1].part].Name, parts[runs[i].part].Name)
		}
	}
	return nil
}

func (m *Merged) head(parts []*Part) {
	m.Start = parts[0].Started
	for _, p := range parts {
		if p.Started.Started.Before(m.Start.Started) {
			m.Start.Started = p.Started.Started
		}
	}
	plan := *m.Start.Plan
	plan.Shard, plan.Shards = 1, 1
	m.Start.Plan = &plan
}

func (m *Merged) tail(parts []*Part) {
	plan := *parts[0].Started.Plan
	e := record.End{Summary: scan.Summary{States: make(map[string]uint64)}}
	var lost, missed float64
	var measured uint64
	seen := make([]bool, plan.Shards+1)
	for _, p := range parts {
		s := p.Ended.Summary
		seen[p.Started.Plan.Shard] = true
		if p.Ended.Finished.After(e.Finished) {
			e.Finished = p.Ended.Finished
		}
		e.Summary.Probes += s.Probes
		e.Summary.Passes = max(e.Summary.Passes, s.Passes)
		e.Summary.Contradictions += s.Contradictions
		e.Summary.Repeated += s.Repeated
		e.Summary.Late += s.Late
		e.Summary.Forged += s.Forged
		if s.Loss != nil {
			lost += *s.Loss * float64(s.Probes)
			measured += s.Probes
		}
		if s.ExpectedMissed != nil {
			missed += *s.ExpectedMissed
			e.Summary.ExpectedMissed = &missed
		}
		e.Hints = append(e.Hints, p.Ended.Hints...)
	}
	if measured > 0 {
		share := lost / float64(measured)
		e.Summary.Loss = &share
	}
	for _, runs := range m.runs {
		for _, r := range runs {
			e.Summary.Targets += r.all.Count
			e.Summary.States[r.all.State.String()] += r.all.Count
		}
	}
	if n := e.Summary.Targets; n < plan.Endpoints {
		e.Summary.NotReached = plan.Endpoints - n
	}
	m.Lack = m.lacking(parts, seen, e.Summary.NotReached > 0)
	e.Complete = e.Summary.NotReached == 0 && m.Lack == nil
	e.Coverage = slices.Clone(m.Lack)
	e.Coverage = append(e.Coverage, phrase.Merged(e.Summary.Targets, plan.Endpoints))
	e.Hints = slices.Compact(slices.Sorted(slices.Values(e.Hints)))
	e.Summary.Duration = probe.Millis(e.Finished.Sub(m.Start.Started))
	m.End = e
}

// lacking names what is missing: whole shards, and what there is too little of.
func (m *Merged) lacking(parts []*Part, seen []bool, short bool) []string {
	var out []string
	for i, p := range parts {
		plan := *p.Started.Plan
		if !p.Ended.Complete || short && m.reported[i] < plan.Share() {
			out = append(out, phrase.Shard(plan, p.Name, m.reported[i], p.Ended.Complete))
		}
	}
	var absent []uint16
	for i := 1; i < len(seen); i++ {
		if !seen[i] && i <= record.MaxShards {
			absent = append(absent, uint16(i))
		}
	}
	if absent != nil {
		out = append(out, phrase.NoShards(absent, len(seen)-1))
	}
	return out
}

// Write emits what the shards found, open endpoints first, the others as runs of
// neighbours with the same verdict.
func (m *Merged) Write(emit func(record.Finding) error) error {
	ports := slices.SortedFunc(maps.Keys(m.runs), record.ComparePorts)
	var err error
	for _, p := range ports {
		for _, r := range m.runs[p] {
			if r.single != nil && r.single.State == probe.Open {
				err = cmp.Or(err, emit(*r.single))
			}
		}
	}
	for _, p := range ports {
		runs := m.runs[p]
		for i := 0; i < len(runs); {
			j, folded := together(runs, i)
			switch {
			case j == i+1 && runs[i].single != nil && runs[i].single.State == probe.Open:
			case j == i+1 && runs[i].single != nil:
				err = cmp.Or(err, emit(*runs[i].single))
			default:
				err = cmp.Or(err, emit(folded))
			}
			i = j
		}
	}
	return err
}

// together is the end of the runs from i on that go on without a gap and agree, and
// what they are together.
func together(runs []piece, i int) (int, scan.Range) {
	r := runs[i].all
	j := i + 1
	if r.State == probe.Open {
		return j, r
	}
	for ; j < len(runs); j++ {
		next := runs[j].all
		if next.First != r.Last.Next() || next.State != r.State || next.Reason != r.Reason ||
			next.Responder != r.Responder ||
			next.Error != r.Error || !slices.Equal(next.Notes, r.Notes) {
			break
		}
		r.Last, r.Count, r.Tries = next.Last, r.Count+next.Count, min(r.Tries, next.Tries)
	}
	return j, r
}
