package scan

import "onmux/probe"

// journal is what a checkpoint needs beside the table. The sweep's mu guards it.
type journal struct {
	on      bool   // checkpoints are made
	sent    uint64 // probes, when the last batch was filled
	settled uint64 // no probe that stands before this position of the pass can be answered any more
	opened  int    // of details, those of open endpoints
	details []detail

	// While a checkpoint is being written: how many cells it has read, and what
	// became of them meanwhile.
	copied  uint64
	patches []patch
}

type patch struct {
	index uint64
	cell  cell
}

// patch notes a cell that changed after it was read. Silence needs no note: it is
// told by the order.
func (j *journal) patch(i uint64, old, next cell) {
	if !old.plain() || !next.plain() {
		j.patches = append(j.patches, patch{i, next.condensed()})
	}
}

// keep notes an answer that the table keeps.
func (j *journal) keep(i uint64, r *probe.Result) {
	if j.on {
		j.details = append(j.details, detail{i, r})
	}
}

// open notes an answer that showed an endpoint open; like the others, of at most
// maxDetails.
func (j *journal) open(i uint64, r *probe.Result) {
	if j.on && j.opened < maxDetails {
		kept := *r
		j.opened++
		j.details = append(j.details, detail{i, &kept})
	}
}
