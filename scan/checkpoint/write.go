package checkpoint

import (
	"bufio"
	"compress/flate"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"

	"onmux/probe"
	"onmux/scan/target"
	"onmux/scan/varint"
	"onmux/scan/verdict"
)

// A checkpoint file is a line that names the format, a stream compressed by
// flate, and the SHA-256 of both. The stream holds the plan, the cells as runs,
// the patches to them, the head as JSON, and the answers as JSON each.
const (
	magic   = "onmux checkpoint "
	version = 2 // 1 had one product of addresses and ports
)

// ChunkSize is how many cells are copied at a time: some microseconds, in which
// the scan waits.
const ChunkSize = 64 << 10

// Source is a scan whose checkpoint is written while it goes on. The methods of
// one Source are called by one goroutine at a time.
type Source interface {
	Plan() *target.Plan

	// CopyCells copies cells, from an index on, and returns how many. From then on
	// the changes of those and of all before them are recorded as patches.
	CopyCells(buf []verdict.Cell, from uint64) int

	// State is what else is known, at one moment, and the patches until then. It
	// ends their recording.
	State() State

	// Discard ends the recording of patches.
	Discard()
}

// State is what a checkpoint holds beside the plan and the cells.
type State struct {
	Head
	Patches []Patch
	Answers []Answer
}

// Patch is a cell that changed after it was copied.
type Patch struct {
	Index uint64
	Cell  verdict.Cell // condensed
}

// Write writes what is known of a scan now. complete means that nothing is left to
// ask.
func Write(file io.Writer, s Source, complete bool) error {
	defer s.Discard()
	w, err := newWriter(file)
	if err != nil {
		return err
	}
	plan := s.Plan()
	plan.Encode(w.Writer)
	buf := make([]verdict.Cell, min(ChunkSize, plan.Len()))
	for lo := uint64(0); lo < plan.Len(); {
		n := s.CopyCells(buf, lo)
		w.cells(buf[:n])
		lo += uint64(n)
	}
	w.flushCells()
	state := s.State()
	state.Complete = complete
	w.patches(state.Patches)
	if err := w.JSON(state.Head); err != nil {
		return err
	}
	if err := w.answers(plan, state.Answers); err != nil {
		return err
	}
	return w.finish()
}

// writer writes the parts of a checkpoint in their order. Its errors are bufio's:
// the first stays, and finish returns it.
type writer struct {
	varint.Writer
	packed *flate.Writer
	sum    hash.Hash
	file   io.Writer
	run    uint64 // of cells that are alike, not written yet
	last   verdict.Cell

	condensed [256]verdict.Cell // Condense of each cell
}

func newWriter(file io.Writer) (*writer, error) {
	w := &writer{sum: sha256.New(), file: file}
	for c := range w.condensed {
		w.condensed[c] = Condense(verdict.Cell(c))
	}
	both := io.MultiWriter(file, w.sum)
	if _, err := fmt.Fprintf(both, "%s%d\n", magic, version); err != nil {
		return nil, err
	}
	var err error
	w.packed, err = flate.NewWriter(both, flate.HuffmanOnly) // runs are short already
	w.Writer = varint.Writer{Writer: bufio.NewWriterSize(w.packed, 64<<10)}
	return w, err
}

func (w *writer) finish() error {
	if err := w.Flush(); err != nil {
		return err
	}
	if err := w.packed.Close(); err != nil {
		return err
	}
	_, err := w.file.Write(w.sum.Sum(nil))
	return err
}

// cells writes cells, condensed; flushCells must follow the last of them.
func (w *writer) cells(cells []verdict.Cell) {
	for _, c := range cells {
		if c = w.condensed[c]; c != w.last {
			w.flushCells()
			w.last = c
		}
		w.run++
	}
}

func (w *writer) flushCells() {
	switch {
	case w.run == 0:
	case w.run < 0x80: // a varint of one byte; a network where many hosts answer makes millions of them
		w.WriteByte(byte(w.run))
		w.WriteByte(byte(w.last))
	default:
		w.Uint(w.run)
		w.WriteByte(byte(w.last))
	}
	w.run = 0
}

func (w *writer) patches(all []Patch) {
	w.Uint(uint64(len(all)))
	for _, p := range all {
		w.Uint(p.Index)
		w.WriteByte(byte(p.Cell))
	}
}

func (w *writer) answers(plan *target.Plan, all []Answer) error {
	w.Uint(uint64(len(all)))
	for _, a := range all {
		r := *a.Result
		r.Endpoint = plan.At(a.Index)
		r.RTT = max(r.RTT, 0)
		if r.State > probe.Unreachable {
			r.State = probe.Unknown
		}
		w.Uint(a.Index)
		if err := w.JSON(savedResult{&r, r.Facts}); err != nil {
			return err
		}
	}
	return nil
}
