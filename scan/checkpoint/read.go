package checkpoint

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"strconv"
	"strings"
	"unicode"

	"onmux/probe"
	"onmux/scan/engine"
	"onmux/scan/files"
	"onmux/scan/target"
	"onmux/scan/varint"
	"onmux/scan/verdict"
)

// errInvalid: a file passed its checksum and still makes no sense, because
// another program wrote it.
var errInvalid = errors.New("the checkpoint contradicts itself")

// Read reads a checkpoint file. An error is one line that names the file and what
// is wrong with it.
func Read(name string) (*Checkpoint, error) {
	c, err := open(name)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", quoteName(name), err)
	}
	return c, nil
}

// MayWrite is nil, or an error that explains why a new scan must not save its
// checkpoints to that file: it is something else, or of a scan that is not
// complete, or cannot be created.
func MayWrite(name string) error {
	_, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		f, err := files.Replace(name, 0o600)
		if err != nil {
			return fmt.Errorf("the checkpoint %s cannot be written: %w", quoteName(name), err)
		}
		f.Discard()
		return nil
	}
	c, err := open(name)
	if err != nil {
		return fmt.Errorf("%s exists and cannot be replaced by a checkpoint: %w", quoteName(name), err)
	}
	if !c.Complete {
		return fmt.Errorf("%s is the checkpoint of a scan that is not complete", quoteName(name))
	}
	return nil
}

func open(name string) (*Checkpoint, error) {
	irregular := errors.New("it is not a regular file")
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return nil, irregular // to open a FIFO waits for its writer
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, files.Cause(err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, files.Cause(err)
	case !info.Mode().IsRegular():
		return nil, irregular
	}
	return Decode(f, info.Size(), target.MaxEndpoints)
}

// Decode reads a file of that size, in bytes. A plan of more endpoints than most is
// an error.
func Decode(f io.ReaderAt, size int64, most uint64) (*Checkpoint, error) {
	first, err := checkMagic(f)
	if err != nil {
		return nil, err
	}
	if err := checkSum(f, first, size); err != nil {
		return nil, err
	}
	return decodeStream(io.NewSectionReader(f, first, size-first-sha256.Size), most)
}

// checkMagic reads the first line and returns its length.
func checkMagic(f io.ReaderAt) (int64, error) {
	buf := make([]byte, len(magic)+8)
	n, err := f.ReadAt(buf, 0)
	if err != nil && err != io.EOF {
		return 0, files.Cause(err)
	}
	rest, ok := bytes.CutPrefix(buf[:n], []byte(magic))
	digits, _, ended := bytes.Cut(rest, []byte("\n"))
	format, err := strconv.ParseUint(string(digits), 10, 16)
	switch {
	case n == 0:
		return 0, errors.New("it is empty")
	case !ok || !ended || err != nil || format == 0:
		return 0, errors.New("it is not a checkpoint of onmux")
	case format > version:
		return 0, fmt.Errorf("a newer onmux wrote it, in format %d: this one reads format %d", format, version)
	}
	return int64(len(magic) + len(digits) + 1), nil
}

// checkSum holds all of a file against the sum at its end; its first line takes
// so many bytes.
func checkSum(f io.ReaderAt, first, size int64) error {
	const broken = "it is damaged or cut off: its checksum does not match"
	if size < first+sha256.Size {
		return errors.New(broken)
	}
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(f, 0, size-sha256.Size)); err != nil {
		return files.Cause(err)
	}
	var want [sha256.Size]byte
	if _, err := f.ReadAt(want[:], size-sha256.Size); err != nil && err != io.EOF {
		return files.Cause(err)
	}
	if !bytes.Equal(h.Sum(nil), want[:]) {
		return errors.New(broken)
	}
	return nil
}

// reader reads the parts of a checkpoint.
type reader struct{ *varint.Reader }

// decodeStream reads the stream of a file.
func decodeStream(body io.Reader, most uint64) (*Checkpoint, error) {
	unpacked := flate.NewReader(body)
	defer unpacked.Close()
	r := reader{varint.NewReader(unpacked, errInvalid)}
	c := &Checkpoint{}
	if c.plan = target.Decode(r.Reader, most); r.Err() == nil {
		c.cells = r.cells(c.plan.Len())
		r.patches(c.cells)
		r.JSON(&c.Head)
	}
	if r.Err() == nil {
		r.Check(c.Head.valid(c.plan) && c.validCells())
		c.answers = r.answers(c.plan)
	}
	r.End()
	return c, r.Err()
}

// cells reads the runs of n cells.
func (r reader) cells(n uint64) []verdict.Cell {
	var cells []verdict.Cell
	for uint64(len(cells)) < n && r.Err() == nil {
		run := r.Uint(n - uint64(len(cells)))
		b := r.Byte()
		r.Check(run > 0)
		if r.Err() != nil {
			break
		}
		if cells == nil {
			cells = make([]verdict.Cell, 0, n)
		}
		from := len(cells)
		cells = cells[:uint64(from)+run]
		if b != 0 {
			fill(cells[from:], verdict.Cell(b))
		}
	}
	return cells
}

func fill(cells []verdict.Cell, c verdict.Cell) {
	for i := range cells {
		cells[i] = c
	}
}

func (r reader) patches(cells []verdict.Cell) {
	for n := r.Uint(1 << 62); n > 0 && r.Err() == nil; n-- {
		i := r.Uint(uint64(len(cells)) - 1)
		b := r.Byte()
		if r.Err() == nil {
			cells[i] = verdict.Cell(b)
		}
	}
}

func (r reader) answers(p *target.Plan) (all []Answer) {
	for n := r.Uint(1 << 62); n > 0 && r.Err() == nil; n-- {
		all = append(all, r.answer(p))
	}
	return all
}

func (r reader) answer(p *target.Plan) Answer {
	a := Answer{r.Uint(p.Len() - 1), &probe.Result{}}
	saved := savedResult{Result: a.Result}
	r.JSON(&saved)
	a.Facts = saved.Facts
	return a
}

// valid reports whether a scan of plan p can have such settings.
func (s Settings) valid() bool {
	switch {
	case s.Retries < 0, s.Retries >= engine.MaxTries, s.Timeout <= 0:
		return false
	case math.IsNaN(s.Bound), math.IsInf(s.Bound, 0), s.Bound <= 0:
		return false
	}
	return s.Shard.Valid() && uint64(s.Shard.N) <= target.MaxEndpoints
}

// valid reports whether a scan of plan p can have such a head.
func (h *Head) valid(p *target.Plan) bool {
	switch {
	case !h.Settings.valid():
		return false
	case h.Redone < 0, h.Redone > h.Number, h.Number-h.Redone > engine.MaxTries,
		h.Number < 0, h.Number == 0 && !h.Over, h.Complete && !h.Over:
		return false
	case h.Settled > p.Len()+uint64(h.Shard.N):
		return false
	}
	for _, proto := range probe.Protos() {
		if d := h.Done[proto]; d < 0 || d > h.Number || !h.Over && h.Asks[proto] && d >= h.Number {
			return false
		}
		for _, n := range h.Answered[proto] {
			if n > p.Len() {
				return false
			}
		}
	}
	return h.RTT[0] >= 0 && h.RTT[1] >= 0 && h.RTT[2] >= 0
}

// validCells reports whether the scan of the head can have made the cells.
func (c *Checkpoint) validCells() bool {
	for of := range c.plan.Sections(0, c.plan.AddrCount()) {
		var known [256]bool
		for _, cell := range c.cells[of.From:of.To] {
			if known[cell] {
				continue
			}
			if known[cell] = true; !possible(cell, of.Port.Proto, c.Number) {
				return false
			}
		}
	}
	return true
}

// quoteName is a file's name, quoted only where a line could not hold it as it is.
func quoteName(name string) string {
	const most = 200
	switch {
	case len(name) > most:
		return strconv.Quote(name[:most]) + "…"
	case name == "" || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return strconv.Quote(name)
	}
	return name
}
