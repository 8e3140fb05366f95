package scan

import (
	"context"
	"errors"
	"fmt"
	"time"

	"onmux/probe"
	"onmux/probe/wording"
	"onmux/scan/engine"
)

// outcome sums up a sweep that stopped early for the reason given, and failed
// with an error, if it did. Nothing else touches the sweep any more.
func (s *sweep) outcome(stopped, failed error) Outcome {
	o := Outcome{Summary: s.summary(), Complete: stopped == nil && failed == nil}
	o.Duration = probe.Millis(time.Since(s.begun))
	o.Coverage = s.coverage(o.Summary, stopped)
	o.Notes = s.notes(o)
	return o
}

func (s *sweep) summary() Summary {
	o := Summary{
		States: make(map[string]uint64), Probes: s.sent, Passes: s.passes, Contradictions: s.disputes, Repeated: s.repeated, Late: s.late,
	}
	if e, ok := s.Engine.(interface{ Forged() uint64 }); ok {
		o.Forged = e.Forged()
	}
	for port, p := range s.protos {
		var counts [256]uint64
		lo := uint64(port) * s.addrs
		for _, c := range s.table.cells[lo : lo+s.addrs] {
			counts[c]++
		}
		for c, n := range counts[:] {
			if c := cell(c); c.asked() && n > 0 {
				o.States[c.state(p).String()] += n
				o.Targets += n
			}
		}
	}
	o.NotReached = s.size - o.Targets
	o.Loss, o.ExpectedMissed = s.measured()
	return o
}

// measured is the loss over all protocols where it could be measured, weighed by
// the hosts that answered, and the expected number of those missed; that is not told
// beside endpoints whose silence decides nothing.
func (s *sweep) measured() (loss, missed *float64) {
	var share, gone, weight float64
	for _, p := range probe.Protos() {
		l, m, ok := s.lossTold(p)
		if !ok {
			continue
		}
		heard := s.heard(p)
		a := float64(heard.answered(engine.MaxTries))
		share += l * a
		weight += a
		gone += m
	}
	if weight == 0 {
		return nil, nil
	}
	share /= weight
	if s.undecidedNote() != "" {
		return &share, nil
	}
	return &share, &gone
}

// lossTold is the loss of a protocol if it is worth telling: not where hosts have
// stopped answering, nor by answers that may be held back by a limit.
func (s *sweep) lossTold(p probe.Proto) (share, missed float64, ok bool) {
	t := s.heard(p)
	if p == probe.UDP && s.limited.doubtful.answered(engine.MaxTries) > 0 {
		t.drop(&s.limited.doubtful)
		if t.answered(engine.MaxTries) < enough {
			return 0, 0, false
		}
	}
	if s.known.gone {
		return 0, 0, false
	}
	return s.lossBy(p, t)
}

// coverage says what was and was not looked at.
func (s *sweep) coverage(o Summary, stopped error) []string {
	of := "asked " + wording.Number(o.Targets) + " of " + wording.Count(s.size, "endpoint", "endpoints")
	if s.Shard.N > 1 {
		of += fmt.Sprintf(", shard %d of %d of a plan of %s", s.Shard.I, s.Shard.N, wording.Number(s.Plan.Len()))
	}
	said := append([]string{of}, s.resumed()...)
	if o.NotReached > 0 {
		said = append(said, fmt.Sprintf("not reached: %s of %s (%s)",
			wording.Number(o.NotReached), wording.Count(s.size, "endpoint", "endpoints"), because(stopped)))
	} else if stopped != nil && s.passes > 1 {
		said = append(said, fmt.Sprintf("pass %d over the silent endpoints was not finished (%s)",
			s.passes, because(stopped)))
	} else if stopped != nil && s.short == nil {
		said = append(said, "silent endpoints were not asked again ("+because(stopped)+")")
	}
	if s.short != nil {
		said = append(said, fmt.Sprintf("could not be asked: %s (%v)",
			wording.Count(s.neverAsked(), "endpoint", "endpoints"), s.short))
	}
	for _, p := range probe.Protos() {
		if _, _, ok := s.lossTold(p); !ok && s.quiet[p] > 0 {
			tries := "a first pass that was not finished"
			if n := s.done[p]; n > 0 {
				tries = wording.Count(uint64(n), "pass", "passes")
			}
			said = append(said, fmt.Sprintf("the loss of %v could not be measured, so its silence rests on %s", p, tries))
		}
	}
	if n := s.undecidedNote(); n != "" {
		said = append(said, n)
	}
	if d := s.disputesTold(); d != "" {
		said = append(said, d)
	}
	if s.All && len(s.table.details) == maxDetails {
		said = append(said, "round-trip times, responders and evidence are told of the first "+
			wording.Count(maxDetails, "endpoint", "endpoints")+" that answered and are not open, and of the open ones")
	}
	return said
}

// resumed says what of it an earlier run did.
func (s *sweep) resumed() []string {
	if s.Resume == nil {
		return nil
	}
	h := &s.Resume.head
	at, before := h.Saved.Format(time.RFC3339), wording.Count(h.Sent, "probe", "probes")
	if h.Complete {
		return []string{fmt.Sprintf("told again from a checkpoint of %s: %s were sent until then, and none now", at, before)}
	}
	return []string{fmt.Sprintf("resumed from a checkpoint of %s: %s were sent until then", at, before)}
}

// neverAsked counts the endpoints that could not be asked even once.
func (s *sweep) neverAsked() (n uint64) {
	for _, c := range s.table.cells {
		if c == cellOf(localError, 0) {
			n++
		}
	}
	return n
}

// notes are the things worth a line beside the result.
func (s *sweep) notes(o Outcome) []string {
	var said []string
	if n := s.pace.note(); n != "" {
		said = append(said, n)
	}
	if s.known.dim && !s.known.gone {
		said = append(said, "hosts that had answered stopped for a while; what was silent then was asked again")
	}
	if n := s.netNote(); n != "" {
		said = append(said, n)
	}
	if m := o.ExpectedMissed; o.Complete && m != nil && *m >= s.Bound {
		said = append(said, fmt.Sprintf("about %.3g answering hosts are probably still told silent after %s: "+
			"more retries or a lower rate would find them", *m, wording.Count(uint64(s.passes), "pass", "passes")))
	}
	if s.strays > 0 {
		said = append(said, "ignored "+wording.Count(s.strays, "answer", "answers")+" to questions that were not asked")
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
