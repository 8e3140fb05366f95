package compare

import (
	"cmp"
	"fmt"
	"iter"
	"slices"

	"onmux/probe"
	"onmux/report/compact"
	"onmux/report/phrase"
	"onmux/report/record"
	"onmux/scan"
)

// Part is a Handler that keeps a saved report, and the name it goes by in errors. What was
// expected of a shard (how many are open, for example) is not what is expected of the
// whole: violations are left out.
type Part struct {
	record.Nop
	Name     string
	Started  record.Start
	Ended    record.End
	found    compact.Store
	reported uint64 // endpoints
}

// Start keeps s.
func (p *Part) Start(s record.Start) error { p.Started = s; return nil }

// Endpoint keeps r.
func (p *Part) Endpoint(r probe.Result) error {
	p.reported++
	return p.found.Endpoint(r)
}

// Range keeps r.
func (p *Part) Range(r scan.Range) error {
	p.reported += r.Count
	return p.found.Range(r)
}

// End keeps e.
func (p *Part) End(e record.End) error { p.Ended = e; return nil }

// IgnoresViolations states that they are left out.
func (p *Part) IgnoresViolations() {}

// Close removes what is kept.
func (p *Part) Close() { p.found.Close() }

// Merged is what the shards of one scan make together.
type Merged struct {
	Start record.Start
	End   record.End
	Lack  []string // what is missing, by shard; also in the End's coverage
	parts []*Part
	found iter.Seq2[*compact.Store, uint32] // what the parts found, by port and address
}

// Merge proves that the parts are shards of one scan and have no endpoint
// twice, and adds them up. What is missing is named in the coverage, and the
// End is then not Complete. Reports that do not belong together are an error.
func Merge(parts []*Part) (*Merged, error) {
	if err := belong(parts); err != nil {
		return nil, err
	}
	m := &Merged{parts: parts}
	var stores []*compact.Store
	for _, p := range parts {
		stores = append(stores, &p.found)
	}
	m.found = compact.Merge(stores)
	m.head()
	states, err := m.count()
	if err != nil {
		return nil, err
	}
	m.tail(states)
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
			return fmt.Errorf("%s is shard %d of %d, which does not exist", p.Name, plan.Shard, plan.Shards)
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

// count counts the endpoints by state and proves that none is there twice.
func (m *Merged) count() (map[string]uint64, error) {
	states := make(map[string]uint64)
	var before compact.Item
	var of *compact.Store
	for store, i := range m.found {
		item, err := store.At(i)
		if err != nil {
			return nil, err
		}
		if of != nil && item.Addr.IsValid() && before.Port == item.Port && before.Proto == item.Proto &&
			!before.Last.Less(item.Addr) {
			return nil, fmt.Errorf("%s is in both %s and %s", item.Endpoint, m.name(of), m.name(store))
		}
		states[item.State.String()] += item.Count
		before, of = item, store
	}
	return states, nil
}

// name is the name of the part whose store it is.
func (m *Merged) name(s *compact.Store) string {
	return m.parts[slices.IndexFunc(m.parts, func(p *Part) bool { return &p.found == s })].Name
}

func (m *Merged) head() {
	parts := m.parts
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

func (m *Merged) tail(states map[string]uint64) {
	parts := m.parts
	plan := *parts[0].Started.Plan
	e := record.End{Summary: scan.Summary{States: states}}
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
	for _, n := range states {
		e.Summary.Targets += n
	}
	if n := e.Summary.Targets; n < plan.Endpoints {
		e.Summary.NotReached = plan.Endpoints - n
	}
	m.Lack = lacking(parts, seen, e.Summary.NotReached > 0)
	e.Complete = e.Summary.NotReached == 0 && m.Lack == nil
	e.Coverage = slices.Clone(m.Lack)
	e.Coverage = append(e.Coverage, phrase.Merged(e.Summary.Targets, plan.Endpoints))
	e.Hints = slices.Compact(slices.Sorted(slices.Values(e.Hints)))
	e.Summary.Duration = probe.Millis(e.Finished.Sub(m.Start.Started))
	m.End = e
}

// lacking names what is missing: whole shards, and what there is too little of.
func lacking(parts []*Part, seen []bool, short bool) []string {
	var out []string
	for _, p := range parts {
		plan := *p.Started.Plan
		if !p.Ended.Complete || short && p.reported < plan.Share() {
			out = append(out, phrase.Shard(plan, p.Name, p.reported, p.Ended.Complete))
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
// neighbors with the same verdict.
func (m *Merged) Write(emit func(record.Finding) error) error {
	var err error // the first; the others are emitted all the same
	for store, i := range m.found {
		item, broken := store.At(i)
		if broken != nil {
			return broken
		}
		if item.Single && item.State == probe.Open {
			err = cmp.Or(err, emit(item.Result))
		}
	}
	var held run
	for store, i := range m.found {
		item, broken := store.At(i)
		if broken != nil {
			return broken
		}
		if held.joins(&item) {
			continue
		}
		err = cmp.Or(err, held.emit(emit))
		held = run{item, item.Range(), 1}
	}
	return cmp.Or(err, held.emit(emit))
}

// run is what goes on without a gap and agrees.
type run struct {
	first compact.Item
	all   scan.Range
	items int
}

// joins adds the next item if it goes on and agrees.
func (r *run) joins(item *compact.Item) bool {
	all := &r.all
	if r.items == 0 || all.State == probe.Open || all.Port != item.Port || all.Proto != item.Proto ||
		item.Addr != all.Last.Next() || item.State != all.State || item.Reason != all.Reason ||
		item.Responder != all.Responder || item.Error != all.Error || !slices.Equal(item.Notes, all.Notes) {
		return false
	}
	all.Last, all.Count, all.Tries = item.Last, all.Count+item.Count, min(all.Tries, item.Tries)
	r.items++
	return true
}

// emit emits the run; single open endpoints were.
func (r *run) emit(emit func(record.Finding) error) error {
	switch {
	case r.items == 0 || r.items == 1 && r.first.Single && r.first.State == probe.Open:
		return nil
	case r.items == 1 && r.first.Single:
		return emit(r.first.Result)
	}
	return emit(r.all)
}
