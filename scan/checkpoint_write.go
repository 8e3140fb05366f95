package scan

import (
	"bufio"
	"compress/flate"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"time"

	"onmux/probe"
	"onmux/scan/target"
	"onmux/scan/varint"
)

// A checkpoint file is a line that names the format, a stream compressed by
// flate, and the SHA-256 of both. The stream holds the plan, the cells as runs,
// the patches to them, the head as JSON, and the details as JSON each. Numbers are
// varints; what has a length is preceded by it.
const (
	checkpointMagic   = "onmux checkpoint "
	checkpointVersion = 1
)

// cellChunk is how many cells are copied while the sweep waits: some microseconds.
const cellChunk = 64 << 10

// checkpointWriter writes the parts of a checkpoint in their order. Its errors
// are bufio's: the first stays, and finish returns it.
type checkpointWriter struct {
	varint.Writer
	packed *flate.Writer
	sum    hash.Hash
	file   io.Writer
	run    uint64 // of cells that are alike, not written yet
	last   cell

	condense [256]cell // cell.condensed, looked up
}

func newCheckpointWriter(file io.Writer) (*checkpointWriter, error) {
	w := &checkpointWriter{sum: sha256.New(), file: file}
	for c := range w.condense {
		w.condense[c] = cell(c).condensed()
	}
	both := io.MultiWriter(file, w.sum)
	if _, err := fmt.Fprintf(both, "%s%d\n", checkpointMagic, checkpointVersion); err != nil {
		return nil, err
	}
	var err error
	w.packed, err = flate.NewWriter(both, flate.HuffmanOnly) // runs are short already
	w.Writer = varint.Writer{Writer: bufio.NewWriterSize(w.packed, 64<<10)}
	return w, err
}

func (w *checkpointWriter) finish() error {
	if err := w.Flush(); err != nil {
		return err
	}
	if err := w.packed.Close(); err != nil {
		return err
	}
	_, err := w.file.Write(w.sum.Sum(nil))
	return err
}

// cells writes condensed cells; flushCells must follow the last of them.
func (w *checkpointWriter) cells(cells []cell) {
	for _, c := range cells {
		if c = w.condense[c]; c != w.last {
			w.flushCells()
			w.last = c
		}
		w.run++
	}
}

func (w *checkpointWriter) flushCells() {
	switch {
	case w.run == 0:
	case w.run < 0x80: // a varint of one byte; a busy network makes millions of them
		w.WriteByte(byte(w.run))
		w.WriteByte(byte(w.last))
	default:
		w.Uint(w.run)
		w.WriteByte(byte(w.last))
	}
	w.run = 0
}

func (w *checkpointWriter) patches(all []patch) {
	w.Uint(uint64(len(all)))
	for _, p := range all {
		w.Uint(p.index)
		w.WriteByte(byte(p.cell))
	}
}

func (w *checkpointWriter) details(p *target.Plan, all []detail) error {
	w.Uint(uint64(len(all)))
	for _, d := range all {
		r := *d.Result
		r.Endpoint = p.At(d.index)
		r.RTT = max(r.RTT, 0)
		if r.State > probe.Unreachable {
			r.State = probe.Unknown
		}
		w.Uint(d.index)
		if err := w.JSON(r); err != nil {
			return err
		}
	}
	return nil
}

// write writes what is known of the sweep now. The sweep goes on meanwhile, and
// waits no longer than a chunk of cells takes to be copied.
func (s *sweep) write(file io.Writer, complete bool) error {
	w, err := newCheckpointWriter(file)
	if err != nil {
		return err
	}
	s.Plan.Encode(w.Writer)
	defer func() {
		s.mu.Lock()
		s.journal.copied, s.journal.patches = 0, nil
		s.mu.Unlock()
	}()
	buf := make([]cell, min(cellChunk, len(s.table.cells)))
	for lo := 0; lo < len(s.table.cells); lo += len(buf) {
		s.mu.Lock()
		n := copy(buf, s.table.cells[lo:])
		s.journal.copied = uint64(lo + n)
		s.mu.Unlock()
		w.cells(buf[:n])
	}
	w.flushCells()

	s.mu.Lock()
	h, patches, details := s.head(time.Now()), s.journal.patches, s.journal.details
	s.journal.copied, s.journal.patches = 0, nil
	s.mu.Unlock()
	h.Complete = complete

	w.patches(patches)
	if err := w.JSON(h); err != nil {
		return err
	}
	if err := w.details(s.Plan, details); err != nil {
		return err
	}
	return w.finish()
}

// head is the sweep as it stands. The caller holds mu.
func (s *sweep) head(now time.Time) head {
	s.journal.settled = max(s.journal.settled, s.settled(now))
	return head{
		Saved: now.UTC(), Methods: s.methods,
		Seed: s.Seed, Shard: s.Shard, Retries: s.Retries, Timeout: s.Timeout, Bound: s.Bound,
		Passes: s.passes, Over: s.over, Asks: s.walk.asks, Turns: s.walk.turns, Done: s.done, Settled: s.journal.settled,
		Sent: s.journal.sent, Strays: s.strays, Disputes: s.disputes, Repeated: s.repeated, Late: s.late, Tally: s.tally,
		RTT: [3]time.Duration{s.rtt.smooth, s.rtt.vary, s.rtt.longest}, Failure: s.failure,
	}
}
