package scan

import (
	"time"

	"onmux/probe"
	"onmux/scan/checkpoint"
	"onmux/scan/target"
	"onmux/scan/verdict"
)

// journal is what a checkpoint needs beside the cells. It is part of a table, whose lock guards it.
type journal struct {
	on      bool   // checkpoints are made
	sent    uint64 // probes, when the last batch was filled
	settled uint64 // no probe that stands before this position of the pass can be answered any more
	opened  int    // of answers, those of open endpoints
	answers []checkpoint.Answer

	// While a checkpoint is being written: how many cells were copied, and what became of them since.
	copied  uint64
	patches []checkpoint.Patch
}

// patch notes a cell that changed after it was copied. Silence needs no note: it follows from the order.
func (j *journal) patch(i uint64, old, next verdict.Cell) {
	if !checkpoint.Derivable(old) || !checkpoint.Derivable(next) {
		j.patches = append(j.patches, checkpoint.Patch{Index: i, Cell: checkpoint.Condense(next)})
	}
}

// keep notes an answer that the table keeps.
func (j *journal) keep(i uint64, r *probe.Result) {
	if j.on {
		j.answers = append(j.answers, checkpoint.Answer{Index: i, Result: r})
	}
}

// found notes an answer that showed an endpoint open; like the others, of at most verdict.MaxDetails.
func (j *journal) found(i uint64, r *probe.Result) {
	if j.on && j.opened < verdict.MaxDetails {
		kept := *r
		j.opened++
		j.keep(i, &kept)
	}
}

// source is the scan as its checkpoints see it.
type source struct {
	*parts
	methods map[string]string
}

func (s source) Plan() *target.Plan { return s.plan }

func (s source) CopyCells(buf []verdict.Cell, from uint64) int { return s.table.copyCells(buf, from) }

func (s source) Discard() { s.table.discardPatches() }

func (s source) State() checkpoint.State {
	now := time.Now()
	out := s.table.snapshot(func(pass int) time.Time { return now.Add(-s.rtt.Wait(pass, s.Timeout)) })
	out.Saved, out.Methods, out.Settings, out.RTT = now.UTC(), s.methods, s.settings(), s.rtt.State()
	odd := s.anomalies.Odd()
	out.Strays, out.Contradictions, out.Repeated, out.Late = odd.Strays, odd.Contradictions, odd.Repeated, odd.Late
	out.LocalError = s.anomalies.LocalError()
	return out
}
