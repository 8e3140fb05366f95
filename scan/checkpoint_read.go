package scan

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"

	"onmux/probe"
	"onmux/scan/engine"
	"onmux/scan/files"
	"onmux/scan/target"
	"onmux/scan/varint"
)

const (
	maxPasses = engine.MaxTries
)

// errCheckpoint says that a file passed its own check and makes no sense all the
// same: somebody wrote it by other means.
var errCheckpoint = errors.New("the checkpoint contradicts itself")

// ReadCheckpoint reads a checkpoint file. An error is one line that names the
// file and what is wrong with it.
func ReadCheckpoint(name string) (*Checkpoint, error) {
	c, err := openCheckpoint(name)
	if err != nil {
		return nil, fmt.Errorf("cannot resume from %s: %w", plain(name), err)
	}
	return c, nil
}

// MayCheckpoint says why a new sweep must not keep its checkpoints in that file,
// or is nil: the file is something else, or of a sweep that is not complete, or
// cannot be made.
func MayCheckpoint(name string) error {
	_, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		f, err := files.Replace(name, 0o600)
		if err != nil {
			return fmt.Errorf("the checkpoint %s cannot be written: %w", plain(name), err)
		}
		f.Discard()
		return nil
	}
	c, err := openCheckpoint(name)
	if err != nil {
		return fmt.Errorf("%s exists and cannot be replaced by a checkpoint: %w", plain(name), err)
	}
	if !c.Complete() {
		return fmt.Errorf("%s is the checkpoint of a scan that is not complete", plain(name))
	}
	return nil
}

func openCheckpoint(name string) (*Checkpoint, error) {
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
		return nil, errors.New("it is no regular file")
	}
	return readCheckpoint(f, info.Size(), target.MaxEndpoints)
}

// readCheckpoint reads a file; a plan of more endpoints than most is an error.
func readCheckpoint(f io.ReaderAt, size int64, most uint64) (*Checkpoint, error) {
	first, err := checkMagic(f)
	if err != nil {
		return nil, err
	}
	if err := checkSum(f, first, size); err != nil {
		return nil, err
	}
	return decodeCheckpoint(io.NewSectionReader(f, first, size-first-sha256.Size), most)
}

// checkMagic reads the first line and returns its length.
func checkMagic(f io.ReaderAt) (int64, error) {
	buf := make([]byte, len(checkpointMagic)+8)
	n, err := f.ReadAt(buf, 0)
	if err != nil && err != io.EOF {
		return 0, files.Cause(err)
	}
	rest, ok := bytes.CutPrefix(buf[:n], []byte(checkpointMagic))
	digits, _, ended := bytes.Cut(rest, []byte("\n"))
	version, err := strconv.ParseUint(string(digits), 10, 16)
	switch {
	case n == 0:
		return 0, errors.New("it is empty")
	case !ok || !ended || err != nil || version == 0:
		return 0, errors.New("it is no checkpoint of onmux")
	case version > checkpointVersion:
		return 0, fmt.Errorf("a newer onmux wrote it, in format %d: this one reads format %d", version, checkpointVersion)
	}
	return int64(len(checkpointMagic) + len(digits) + 1), nil
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

// checkpointReader reads the parts of a checkpoint.
type checkpointReader struct{ *varint.Reader }

// decodeCheckpoint reads the stream of a file.
func decodeCheckpoint(body io.Reader, most uint64) (*Checkpoint, error) {
	unpacked := flate.NewReader(body)
	defer unpacked.Close()
	r := checkpointReader{varint.NewReader(unpacked, errCheckpoint)}
	c := &Checkpoint{}
	if c.plan = target.Decode(r.Reader, most); r.Err() == nil {
		c.cells = r.cells(c.plan.Len())
		r.patches(c.cells)
		r.JSON(&c.head)
	}
	if r.Err() == nil {
		r.Check(c.head.sane(c.plan) && c.cellsSane())
		c.details = r.details(c.plan)
	}
	r.End()
	return c, r.Err()
}

// cells reads the runs of n cells.
func (r checkpointReader) cells(n uint64) []cell {
	var cells []cell
	for uint64(len(cells)) < n && r.Err() == nil {
		run := r.Uint(n - uint64(len(cells)))
		b := r.Byte()
		r.Check(run > 0)
		if r.Err() != nil {
			break
		}
		if cells == nil {
			cells = make([]cell, 0, n)
		}
		from := len(cells)
		cells = cells[:uint64(from)+run]
		if b != 0 {
			fill(cells[from:], cell(b))
		}
	}
	return cells
}

func fill(cells []cell, c cell) {
	for i := range cells {
		cells[i] = c
	}
}

func (r checkpointReader) patches(cells []cell) {
	for n := r.Uint(1 << 62); n > 0 && r.Err() == nil; n-- {
		i := r.Uint(uint64(len(cells)) - 1)
		b := r.Byte()
		if r.Err() == nil {
			cells[i] = cell(b)
		}
	}
}

func (r checkpointReader) details(p *target.Plan) (all []detail) {
	for n := r.Uint(1 << 62); n > 0 && r.Err() == nil; n-- {
		d := detail{r.Uint(p.Len() - 1), &probe.Result{}}
		r.JSON(d.Result)
		all = append(all, d)
	}
	return all
}

// sane reports whether a sweep over p can have such a head.
func (h *head) sane(p *target.Plan) bool {
	c := Config{Retries: h.Retries, Timeout: h.Timeout, Bound: h.Bound, Shard: h.Shard}
	if c.check() != nil || h.Retries < 0 || h.Timeout <= 0 || h.Bound <= 0 || h.Shard.I < 1 || uint64(h.Shard.N) > target.MaxEndpoints {
		return false
	}
	if h.Passes < 0 || h.Passes > maxPasses || h.Passes == 0 && !h.Over || h.Complete && !h.Over || h.Settled > p.Len()+uint64(h.Shard.N) {
		return false
	}
	for _, proto := range probe.Protos() {
		if d := h.Done[proto]; d < 0 || d > h.Passes || !h.Over && h.Asks[proto] && d >= h.Passes {
			return false
		}
		for _, n := range h.Tally[proto] {
			if n > p.Len() {
				return false
			}
		}
	}
	return h.RTT[0] >= 0 && h.RTT[1] >= 0 && h.RTT[2] >= 0
}

// cellsSane reports whether the sweep of the head can have made the cells.
func (c *Checkpoint) cellsSane() bool {
	for port, at := range c.plan.Ports() {
		lo := uint64(port) * c.plan.AddrCount()
		var known [256]bool
		for _, cell := range c.cells[lo : lo+c.plan.AddrCount()] {
			if known[cell] {
				continue
			}
			if known[cell] = true; !cell.sane(at.Proto, c.head.Passes) {
				return false
			}
		}
	}
	return true
}
