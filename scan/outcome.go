package scan

import (
	"time"

	"onmux/probe"
	"onmux/scan/engine"
	"onmux/scan/verdict"
)

// outcome sums up a scan that stopped early for the reason given, and failed with an
// error, if it did.
func (r *result) outcome(stopped, failed error) Outcome {
	o := Outcome{Summary: r.summary(), Complete: stopped == nil && failed == nil && !r.watch.Lost()}
	o.Duration = probe.Millis(time.Since(r.begun))
	o.Coverage = r.coverage(o.Summary, stopped)
	o.Notes = r.notes(o)
	return o
}

func (r *result) summary() Summary {
	n := r.anomalies.Odd()
	asked, _ := r.watch.Asked()
	o := Summary{
		States: make(map[string]uint64), Probes: r.sent + asked, Passes: r.pass.Number - r.pass.Redone,
		Contradictions: n.Contradictions, Repeated: n.Repeated, Late: n.Late,
	}
	o.Controls = r.watch.Summary()
	if e, ok := r.Engine.(interface{ Forged() uint64 }); ok {
		o.Forged = e.Forged()
	}
	o.Targets = r.addStates(o.States)
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
	if r.watch.Lost() {
		return 0, 0, false
	}
	return r.estimate(p, &r.doubts)
}

// coverage is what was and was not looked at. stopped is why the scan ended early.
func (r *result) coverage(o Summary, stopped error) []Note {
	out := []Note{{Kind: CoverAsked, Count: o.Targets, Of: r.size, Shard: r.shard, Plan: r.plan.Len()}}
	if c := r.Resume; c != nil {
		kind := CoverResumed
		if c.Complete {
			kind = CoverReplayed
		}
		out = append(out, Note{Kind: kind, Saved: c.Saved, Count: c.Sent})
	}
	switch {
	case o.NotReached > 0:
		out = append(out, Note{Kind: CoverNotReached, Count: o.NotReached, Of: r.size, Err: stopped})
	case stopped != nil && r.pass.Number > 1:
		out = append(out, Note{Kind: CoverPassCut, Pass: r.pass.Number, Err: stopped})
	case stopped != nil && r.shortage == nil:
		out = append(out, Note{Kind: CoverNotRepeated, Err: stopped})
	}
	if r.shortage != nil {
		out = append(out, Note{Kind: CoverNotAsked, Count: r.neverAsked(), Err: r.shortage})
	}
	for _, p := range probe.Protos() {
		if _, _, ok := r.lossOf(p); !ok && r.silent[p] > 0 {
			out = append(out, Note{Kind: CoverLossUnknown, Proto: p, Pass: r.pass.Done[p]})
		}
	}
	if n := r.undecided(); n > 0 {
		out = append(out, Note{Kind: CoverUndecided, Count: n})
	}
	if n := o.Contradictions; n > 0 {
		out = append(out, Note{Kind: CoverContradictions, Count: n, Examples: r.anomalies.Examples()})
	}
	if r.All && len(r.details) == verdict.MaxDetails {
		out = append(out, Note{Kind: CoverDetailsCut, Count: verdict.MaxDetails})
	}
	return out
}

// notes are what else the user should know.
func (r *result) notes(o Outcome) (out []Note) {
	if rate, why := r.pace.Slowest(); rate > 0 {
		out = append(out, Note{Kind: NoteSlowed, Rate: rate, Cause: why})
	}
	for _, o := range r.watch.Outages() {
		out = append(out, Note{Kind: NoteOutage, From: o.From, To: o.To, Lost: o.Lost})
	}
	for e, asked := range r.named.Silent {
		out = append(out, Note{Kind: NoteControl, Endpoint: e, Count: asked})
	}
	for _, p := range r.watch.Alone() {
		if r.sumSilent() > 0 {
			out = append(out, Note{Kind: NoteNoControl, Addr: p.NextHop, Device: p.Device})
		}
	}
	if held := r.pace.Capped(); held > 0 {
		out = append(out, Note{Kind: NoteNetworkRate, Rate: held, Most: r.NetRate})
	}
	if m := o.ExpectedMissed; o.Complete && m != nil && *m >= r.Bound {
		out = append(out, Note{Kind: NoteMissed, Rate: *m, Pass: r.pass.Number})
	}
	if n := r.anomalies.Odd().Strays; n > 0 {
		out = append(out, Note{Kind: NoteStrays, Count: n})
	}
	return out
}
