package scan

import (
	"fmt"

	"onmux/probe"
	"onmux/scan/checkpoint"
	"onmux/scan/queue"
	"onmux/scan/target"
)

// Whole is a scan whose segments were made elsewhere. Not for concurrent use.
type Whole struct {
	knowledge
	remarks []remark         // the first is none
	known   map[remark]uint8 // their places
	marks   []uint8          // of each endpoint, the place of its remark; nil while all have none
}

// remark is what is known of an endpoint beside its cell.
type remark struct {
	doubt probe.DoubtKind
	err   string
}

// maxRemarks is how many different ones are kept; what comes after them is reported as the last.
const maxRemarks = 255

// NewWhole is one of a plan in the order of a seed, of which nothing is known yet.
func NewWhole(plan *target.Plan, seed uint64) *Whole {
	c := Config{Plan: plan, Seed: seed, Shard: target.Shard{I: 1, N: 1}}
	return &Whole{
		knowledge: newKnowledge(newSpace(c)), known: map[remark]uint8{{}: 0}, remarks: make([]remark, 1),
	}
}

// Add takes a segment in and returns its open endpoints. A segment that is not within the
// plan, or of which something is known already, is an error.
func (w *Whole) Add(p *checkpoint.Part) (open []probe.Result, err error) {
	to := p.From + uint64(len(p.Cells))
	if to > w.plan.Len() || to < p.From {
		return nil, fmt.Errorf("a segment from %d to %d of %d endpoints", p.From, to, w.plan.Len())
	}
	for k := range p.Cells {
		if at := p.From + uint64(k); w.cells[w.order.Index(at)].Asked() {
			return nil, fmt.Errorf("position %d is in two segments", at)
		}
	}
	for k, c := range p.Cells {
		w.cells[w.order.Index(p.From+uint64(k))] = c
	}
	for _, r := range p.Remarks {
		for at := r.From; at < r.To; at++ {
			w.mark(w.order.Index(at), remark{r.Doubt, r.Error})
		}
	}
	for _, a := range p.Answers {
		if c := w.cells[a.Index]; c.Open() {
			open = append(open, w.record(a.Index, *a.Result))
		} else {
			w.details.Keep(a.Index, c, a.Result)
		}
	}
	return open, nil
}

func (w *Whole) mark(i uint64, r remark) {
	place, ok := w.known[r]
	if !ok {
		if len(w.remarks) <= maxRemarks {
			w.remarks = append(w.remarks, r)
		}
		place = uint8(len(w.remarks) - 1)
		w.known[w.remarks[place]] = place
	}
	if w.marks == nil && place > 0 {
		w.marks = make([]uint8, len(w.cells))
	}
	if w.marks != nil {
		w.marks[i] = place
	}
}

func (w *Whole) of(i uint64) remark {
	if w.marks == nil {
		return remark{}
	}
	return w.remarks[w.marks[i]]
}

// Emit emits everything that is known but the open endpoints, as Run does, with a record for
// each endpoint if all is set.
func (w *Whole) Emit(all bool, emit func(Finding) error) error {
	v := &verdicts{
		&w.knowledge, all, func(i uint64) probe.DoubtKind { return w.of(i).doubt },
		func(i uint64) string { return w.of(i).err },
	}
	out := queue.Start(emit, func(error) {})
	v.emit(out)
	return out.Close()
}

// Count adds the endpoints of which something is known to their states, and returns how many
// they are.
func (w *Whole) Count(states map[string]uint64) uint64 { return w.addStates(states) }

// Undecided is how many UDP endpoints are silent where that decides nothing.
func (w *Whole) Undecided() (n uint64) {
	for i := range w.marks {
		if w.of(uint64(i)).doubt != "" && w.proto(uint64(i)) == probe.UDP {
			n++
		}
	}
	return n
}
