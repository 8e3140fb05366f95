package scan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"onmux/probe"
	"onmux/scan/checkpoint"
	"onmux/scan/control"
	"onmux/scan/named"
	"onmux/scan/queue"
	"onmux/scan/timing"
	"onmux/scan/verdict"
)

// result is a scan that has ended: nothing else uses its parts any more.
type result struct {
	Config
	*state
	anomalies *verdict.Anomalies
	watch     *control.Watch
	named     *named.Asker
	doubts    control.Limits // addresses whose silence decides nothing
	sent      uint64         // probes
	pace      *timing.Pacer
	shortage  error // why some endpoints could never be asked
	begun     time.Time
}

func (l *loop) result() *result {
	st := &l.table.state
	st.abandon()
	return &result{
		Config: l.Config, state: st, anomalies: l.anomalies, watch: l.watch, named: l.named, begun: l.begun,
		doubts: st.limits(l.watch.Limits()), sent: l.dispatch.sent, pace: l.dispatch.pace, shortage: l.shortage,
	}
}

// verdicts are what is known of endpoints in the end, for a report.
type verdicts struct {
	*knowledge
	all     bool                           // a record for each
	doubt   func(i uint64) probe.DoubtKind // why silence decides nothing, or less than it seems
	errorOf func(i uint64) string          // why the state is unknown
}

func (r *result) verdicts() *verdicts { return &verdicts{&r.knowledge, r.All, r.doubt, r.errorOf} }

// emit emits everything but the open endpoints, which were emitted when they were
// found.
func (r *verdicts) emit(out *queue.Queue[Finding]) {
	for of := range r.plan.Sections(0, r.plan.AddrCount()) {
		for i := of.From; i < of.To; {
			end := r.sameVerdict(i, of.To)
			if c := r.cells[i]; c.Asked() && !c.Open() {
				r.emitRun(out, i, end)
			}
			i = end
		}
	}
}

// sameVerdict is the end of the run from i of endpoints that have the same verdict
// for the same reason; hi bounds it.
func (r *verdicts) sameVerdict(i, hi uint64) uint64 {
	p, first, doubt := r.proto(i), r.cells[i], r.doubt(i)
	for j := i + 1; j < hi; j++ {
		c := r.cells[j]
		if c != first && !c.SameVerdict(first, p) || r.doubt(j) != doubt {
			return j
		}
	}
	return hi
}

// emitRun emits the endpoints from lo to hi, which have the same verdict, split where
// their addresses leave a gap.
func (r *verdicts) emitRun(out *queue.Queue[Finding], lo, hi uint64) {
	for lo < hi {
		end := lo + 1
		if !r.all {
			end = min(hi, lo+r.plan.Neighbors(lo))
		}
		out.Wait(context.Background())
		if end == lo+1 {
			out.Put(r.single(lo))
		} else {
			out.Put(r.rangeOf(lo, end))
		}
		lo = end
	}
}

// single is the record of one endpoint, with all that was kept of its answer.
func (r *verdicts) single(i uint64) probe.Result {
	var one probe.Result
	if kept := r.details.Of(i, r.cells[i].Reason()); kept != nil {
		one = *kept
	}
	if doubt := r.doubt(i); doubt != "" {
		one.Doubts = append(slices.Clip(one.Doubts), probe.Doubt{Kind: doubt})
	}
	one = r.record(i, one)
	one.Error = r.errorOf(i)
	return one
}

// rangeOf is the record of the endpoints from lo to hi.
func (r *verdicts) rangeOf(lo, hi uint64) Range {
	first, c := r.plan.At(lo), r.cells[lo]
	out := Range{
		First: first.Addr, Last: r.plan.At(hi - 1).Addr, Count: hi - lo,
		Port: first.Port, Proto: first.Proto,
		State: c.State(first.Proto), Reason: c.Reason(), Tries: c.Tries(),
		Error: r.errorOf(lo),
	}
	for _, c := range r.cells[lo:hi] {
		out.Tries = min(out.Tries, c.Tries())
	}
	if doubt := r.doubt(lo); doubt != "" {
		out.Doubts = []probe.Doubt{{Kind: doubt}}
	}
	out.Responder = r.responder(lo, hi, c.Reason())
	return out
}

// responder is the host that answered for all the endpoints from lo to hi, if it was
// one, is none of them, and that is known of each.
func (r *verdicts) responder(lo, hi uint64, why probe.Reason) netip.Addr {
	var by netip.Addr
	for i := lo; i < hi; i++ {
		kept := r.details.Of(i, why)
		if kept == nil || !kept.Responder.IsValid() || i > lo && kept.Responder != by {
			return netip.Addr{}
		}
		by = kept.Responder
	}
	if hi-lo == 1 || r.isTarget(by, lo) {
		return netip.Addr{}
	}
	return by
}

// fill sets what is known of the endpoints of a segment; its open ones were emitted.
func (r *result) fill(p *checkpoint.Part) {
	p.From = r.shard.From(0)
	p.Cells = make([]verdict.Cell, 0, r.size)
	for c := r.start(0); !c.done(); c.pos += c.step {
		i := r.order.Index(c.pos)
		cell := r.cells[i]
		p.Cells = append(p.Cells, cell)
		p.Remark(c.pos, r.doubt(i), r.errorOf(i))
		if kept := r.details.Of(i, cell.Reason()); kept != nil && !cell.Open() {
			p.Answers = append(p.Answers, checkpoint.Answer{Index: i, Result: kept})
		}
	}
}

// errPathLost is why an endpoint is unknown that was silent only while controls were.
var errPathLost = errors.New("no endpoint known to answer did so while it was probed: its silence proves nothing")

// errorOf is why the state of an endpoint is unknown.
func (r *result) errorOf(i uint64) string {
	c := r.cells[i]
	if c.Class() != verdict.LocalError {
		return ""
	}
	if c.Tries() == 0 && r.Allow != nil {
		if err := r.Allow(r.plan.At(i).Addr); err != nil {
			return err.Error()
		}
	}
	if c.Tries() == 0 && r.shortage != nil {
		return r.shortage.Error()
	}
	if p, ok := r.watch.Dead(i); ok && c.Tries() == 0 {
		return fmt.Sprintf("there is no route to measure by: the next hop %s on %s does not answer", p.NextHop, p.Device)
	}
	if c.Tries() == 0 {
		return errPathLost.Error()
	}
	if kept := r.details.Of(i, probe.LocalError); kept != nil && kept.Error != "" {
		return kept.Error
	}
	return cmp.Or(r.anomalies.LocalError(), "this machine could not probe it")
}

// doubt is why an endpoint's silence decides nothing, or less than it seems.
func (r *result) doubt(i uint64) probe.DoubtKind {
	if !r.doubts.Any() || !r.cells[i].Silent() {
		return ""
	}
	return r.doubts.Doubt(i, r.proto(i))
}

// undecided counts the UDP endpoints whose silence decides nothing.
func (r *result) undecided() (n uint64) {
	if !r.doubts.Any() {
		return 0
	}
	for i := range r.plan.Len() {
		if r.proto(i) == probe.UDP && r.doubt(i) != "" {
			n++
		}
	}
	return n
}
