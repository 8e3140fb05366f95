package scan

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"onmux/probe"
	"onmux/probe/wording"
	"onmux/scan/control"
	"onmux/scan/engine"
	"onmux/scan/verdict"
)

// outcome sums up a scan that stopped early for the reason given, and failed with an
// error, if it did.
func (r *result) outcome(stopped, failed error) Outcome {
	o := Outcome{Summary: r.summary(), Complete: stopped == nil && failed == nil}
	o.Duration = probe.Millis(time.Since(r.begun))
	o.Coverage = r.coverage(o.Summary, stopped)
	o.Notes = r.notes(o)
	return o
}

func (r *result) summary() Summary {
	n := &r.anomalies.counts
	o := Summary{
		States: make(map[string]uint64), Probes: r.sent, Passes: r.pass.Number,
		Contradictions: n.contradictions, Repeated: n.repeated, Late: n.late,
	}
	if e, ok := r.Engine.(interface{ Forged() uint64 }); ok {
		o.Forged = e.Forged()
	}
	for port, p := range r.protos {
		var counts [256]uint64
		lo := uint64(port) * r.addrs
		for _, c := range r.cells[lo : lo+r.addrs] {
			counts[c]++
		}
		for c, n := range counts[:] {
			if c := verdict.Cell(c); c.Asked() && n > 0 {
				o.States[c.State(p).String()] += n
				o.Targets += n
			}
		}
	}
	o.NotReached = r.size - o.Targets
	o.Loss, o.ExpectedMissed = r.loss()
	return o
}

// loss is the loss over all protocols where it could be measured, weighted by the
// hosts that answered, and the expected number of those missed, which is nil beside
// endpoints whose silence decides nothing.
func (r *result) loss() (loss, missed *float64) {
	var share, gone, weight float64
	for _, p := range probe.Protos() {
		l, m, ok := r.lossOf(p)
		if !ok {
			continue
		}
		tally := r.measurable(p, &r.doubts)
		a := float64(tally.Answered(engine.MaxTries))
		share += l * a
		weight += a
		gone += m
	}
	if weight == 0 {
		return nil, nil
	}
	share /= weight
	if r.undecided() > 0 {
		return &share, nil
	}
	return &share, &gone
}

// lossOf is the loss of a protocol if it is worth reporting: not where hosts have
// stopped answering, nor by answers that may be held back by a limit.
func (r *result) lossOf(p probe.Proto) (share, missed float64, ok bool) {
	t := r.measurable(p, &r.doubts)
	if p == probe.UDP && r.doubts.Doubtful.Answered(engine.MaxTries) > 0 {
		t.Subtract(&r.doubts.Doubtful)
		if t.Answered(engine.MaxTries) < control.Enough {
			return 0, 0, false
		}
	}
	if r.watch.Lost() {
		return 0, 0, false
	}
	return t.Measure(r.silent[p], r.pass.Done[p])
}

// coverage says what was and was not looked at.
func (r *result) coverage(o Summary, stopped error) []string {
	of := "asked " + wording.Number(o.Targets) + " of " + wording.Count(r.size, "endpoint", "endpoints")
	if r.shard.N > 1 {
		of += fmt.Sprintf(", shard %d of %d of a plan of %s", r.shard.I, r.shard.N, wording.Number(r.plan.Len()))
	}
	said := append([]string{of}, r.resumed()...)
	if o.NotReached > 0 {
		said = append(said, fmt.Sprintf("not reached: %s of %s (%s)",
			wording.Number(o.NotReached), wording.Count(r.size, "endpoint", "endpoints"), because(stopped)))
	} else if stopped != nil && r.pass.Number > 1 {
		said = append(said, fmt.Sprintf("pass %d over the silent endpoints was not finished (%s)",
			r.pass.Number, because(stopped)))
	} else if stopped != nil && r.shortage == nil {
		said = append(said, "silent endpoints were not asked again ("+because(stopped)+")")
	}
	if r.shortage != nil {
		said = append(said, fmt.Sprintf("could not be asked: %s (%v)",
			wording.Count(r.neverAsked(), "endpoint", "endpoints"), r.shortage))
	}
	for _, p := range probe.Protos() {
		if _, _, ok := r.lossOf(p); !ok && r.silent[p] > 0 {
			tries := "a first pass that was not finished"
			if n := r.pass.Done[p]; n > 0 {
				tries = wording.Count(uint64(n), "pass", "passes")
			}
			said = append(said, fmt.Sprintf("the loss of %v could not be measured, so its silence rests on %s", p, tries))
		}
	}
	if n := r.undecidedNote(); n != "" {
		said = append(said, n)
	}
	if d := r.contradictions(); d != "" {
		said = append(said, d)
	}
	if r.All && len(r.details) == maxDetails {
		said = append(said, "round-trip times, responders and evidence are told of the first "+
			wording.Count(maxDetails, "endpoint", "endpoints")+" that answered and are not open, and of the open ones")
	}
	return said
}

// resumed says what of it an earlier run did.
func (r *result) resumed() []string {
	if r.Resume == nil {
		return nil
	}
	h := &r.Resume.Head
	at, before := h.Saved.Format(time.RFC3339), wording.Count(h.Sent, "probe", "probes")
	if h.Complete {
		return []string{fmt.Sprintf("told again from a checkpoint of %s: %s were sent until then, and none now", at, before)}
	}
	return []string{fmt.Sprintf("resumed from a checkpoint of %s: %s were sent until then", at, before)}
}

// notes are the things worth a line beside the result.
func (r *result) notes(o Outcome) []string {
	var said []string
	if n := r.pace.note(); n != "" {
		said = append(said, n)
	}
	if r.watch.HadOutage() && !r.watch.Lost() {
		said = append(said, "hosts that had answered stopped for a while; what was silent then was asked again")
	}
	if n := r.netNote(); n != "" {
		said = append(said, n)
	}
	if m := o.ExpectedMissed; o.Complete && m != nil && *m >= r.Bound {
		said = append(said, fmt.Sprintf("about %.3g answering hosts are probably still told silent after %s: "+
			"more retries or a lower rate would find them", *m, wording.Count(uint64(r.pass.Number), "pass", "passes")))
	}
	if r.anomalies.strays > 0 {
		said = append(said, "ignored "+wording.Count(r.anomalies.strays, "answer", "answers")+" to questions that were not asked")
	}
	return said
}

// because is why a sweep stopped early, in a few words.
func because(stopped error) string {
	switch {
	case stopped == nil:
		return "it ended early"
	case errors.Is(stopped, context.DeadlineExceeded):
		return "the deadline passed"
	case errors.Is(stopped, context.Canceled):
		return "interrupted"
	}
	return stopped.Error()
}

// Contradiction is two answers of one endpoint that make different states.
type Contradiction struct {
	Endpoint    probe.Endpoint
	First, Then verdict.Class
}

func (r *result) contradictions() string {
	a := r.anomalies
	if a.counts.contradictions == 0 {
		return ""
	}
	said := wording.Count(a.counts.contradictions, "answer", "answers") + " disagreed with an earlier one of the same endpoint"
	var examples []string
	for _, e := range a.examples {
		examples = append(examples, fmt.Sprintf("%s said %s, then %s", e.Endpoint, e.First, e.Then))
	}
	if len(examples) > 0 {
		said += ": " + strings.Join(examples, "; ")
	}
	if a.counts.contradictions > uint64(len(examples)) && len(examples) > 0 {
		said += "; …"
	}
	return said
}

func (r *result) undecidedNote() string {
	if n := r.undecided(); n > 0 {
		return fmt.Sprintf("undecided: %s, silent where ICMP answers are limited", wording.Count(n, "udp endpoint", "udp endpoints"))
	}
	return ""
}

func doubtNote(d control.Doubt) string {
	switch d {
	case control.HostLimits:
		return "the host limits its ICMP answers: silence decides nothing"
	case control.NetworkLimits:
		return "ICMP answers from its network are limited or lost: silence decides nothing"
	case control.RefusalLimited:
		return "ICMP errors from its network are limited or lost: it may be unreachable or refused rather than filtered"
	}
	return ""
}

// netNote reports that the scan was slower than its rate.
func (r *result) netNote() string {
	if r.pace.held == 0 {
		return ""
	}
	return fmt.Sprintf("held to %s probes a second: no network (/24, or /64 of IPv6) gets more than %s unless --net-rate says so",
		wording.Number(uint64(math.Ceil(r.pace.held))), wording.Number(uint64(math.Ceil(r.NetRate))))
}
