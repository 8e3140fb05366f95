package scan

import (
	"bufio"
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"onmux/probe"
	"onmux/scan/engine"
)

const (
	maxText   = 1 << 20 // bytes of one text or record
	maxLines  = 1 << 16 // families and zones of a plan
	maxNames  = 1 << 24 // hosts, addresses of one, exclusions: as many as targets
	maxPorts  = 2 * 65535
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
		if f, err := besides(name); err != nil {
			return fmt.Errorf("the checkpoint %s cannot be written: %w", plain(name), err)
		} else {
			f.Close()
			os.Remove(f.Name())
		}
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
		return nil, bare(err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, bare(err)
	case !info.Mode().IsRegular():
		return nil, errors.New("it is no regular file")
	}
	return readCheckpoint(f, info.Size(), MaxEndpoints)
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
		return 0, bare(err)
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
		return bare(err)
	}
	var want [sha256.Size]byte
	if _, err := f.ReadAt(want[:], size-sha256.Size); err != nil && err != io.EOF {
		return bare(err)
	}
	if !bytes.Equal(h.Sum(nil), want[:]) {
		return errors.New(broken)
	}
	return nil
}

// checkpointReader reads the parts of a checkpoint. Its first error stays; what
// is read after it is zero.
type checkpointReader struct {
	*bufio.Reader
	err error
}

// decodeCheckpoint reads the stream of a file.
func decodeCheckpoint(body io.Reader, most uint64) (*Checkpoint, error) {
	unpacked := flate.NewReader(body)
	defer unpacked.Close()
	r := &checkpointReader{Reader: bufio.NewReaderSize(unpacked, 64<<10)}
	c := &Checkpoint{}
	if c.plan = r.plan(most); r.err == nil {
		c.cells = r.cells(c.plan.Len())
		r.patches(c.cells)
		r.json(&c.head)
	}
	if r.err == nil {
		r.check(c.head.sane(c.plan) && c.cellsSane())
		c.details = r.details(c.plan)
	}
	if r.err == nil {
		_, err := r.ReadByte()
		r.check(err == io.EOF)
	}
	return c, r.err
}

// check makes it an error if something does not hold.
func (r *checkpointReader) check(holds bool) {
	if !holds {
		r.fail(errCheckpoint)
	}
}

func (r *checkpointReader) fail(err error) {
	if r.err == nil && err != nil {
		if !errors.Is(err, errCheckpoint) {
			err = fmt.Errorf("%w (%v)", errCheckpoint, err)
		}
		r.err = err
	}
}

// uint reads a number that must not be above most.
func (r *checkpointReader) uint(most uint64) uint64 {
	if r.err != nil {
		return 0
	}
	v, err := binary.ReadUvarint(r)
	r.fail(err)
	r.check(v <= most)
	if r.err != nil {
		return 0
	}
	return v
}

func (r *checkpointReader) flag() bool { return r.uint(1) == 1 }

// bytes reads a text of at most maxText bytes.
func (r *checkpointReader) bytes() []byte {
	n := r.uint(maxText)
	if r.err != nil {
		return nil
	}
	// Memory follows what is there, not what is claimed.
	b, err := io.ReadAll(io.LimitReader(r, int64(n)))
	r.fail(err)
	r.check(uint64(len(b)) == n)
	return b
}

// line reads a text that can stand in a line of a report.
func (r *checkpointReader) line() string {
	s := string(r.bytes())
	r.check(utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl))
	return s
}

func (r *checkpointReader) json(v any) {
	if b := r.bytes(); r.err == nil {
		r.fail(json.Unmarshal(b, v))
	}
}

func (r *checkpointReader) addr() (a netip.Addr) {
	if b := r.bytes(); r.err == nil {
		r.fail(a.UnmarshalBinary(b))
		r.check(a.IsValid() && (a.Zone() == "" || zoneOK(a.Zone())))
	}
	return a
}

func (r *checkpointReader) plan(most uint64) *Plan {
	p := &Plan{}
	spans := r.spans(most)
	r.check(len(spans) > 0)
	var ports []probe.Port
	for n := r.uint(maxPorts); n > 0 && r.err == nil; n-- {
		ports = append(ports, probe.Port{Number: uint16(r.uint(65535)), Proto: probe.Proto(r.uint(uint64(probe.UDP)))})
	}
	if r.err != nil {
		return nil
	}
	r.fail(p.setPorts(ports))
	r.check(len(p.ports) == len(ports) && count(spans).mul(uint64(len(ports))).cmp(u128{0, most}) <= 0)
	for n := r.uint(maxNames); n > 0 && r.err == nil; n-- {
		p.names = append(p.names, r.named())
	}
	for n := r.uint(maxNames); n > 0 && r.err == nil; n-- {
		own := netip.PrefixFrom(r.addr(), int(r.uint(128)))
		r.check(own.IsValid())
		p.own = append(p.own, own)
	}
	for n := r.uint(maxNames); n > 0 && r.err == nil; n-- {
		p.left = append(p.left, r.line())
	}
	if r.err != nil {
		return nil
	}
	p.setSpans(spans)
	p.setHosts()
	return p
}

func (r *checkpointReader) named() named {
	n := named{host: r.line(), cut: r.flag()}
	if r.err == nil {
		r.fail(checkName(n.host))
	}
	for k := r.uint(maxNames); k > 0 && r.err == nil; k-- {
		n.addrs = append(n.addrs, r.addr())
	}
	return n
}

// spans reads runs of addresses, which must stand as merge leaves them but may
// touch.
func (r *checkpointReader) spans(most uint64) (all []span) {
	var before realm
	total := u128{}
	for n, first := r.uint(maxLines), true; n > 0 && r.err == nil; n, first = n-1, false {
		on := realm{r.flag(), r.line()}
		top := u128{0, 1<<32 - 1}
		if on.v6 {
			top = maxU128
		}
		r.check((first || before.cmp(on) < 0) && (on.zone == "" || on.v6 && zoneOK(on.zone)))
		before = on
		end := u128{}
		for k, lowest := r.uint(most), true; k > 0 && r.err == nil; k, lowest = k-1, false {
			gap := u128{r.uint(math.MaxUint64), r.uint(math.MaxUint64)}
			size := u128{0, r.uint(most)}
			r.check(size != u128{})
			from := end.add(gap)
			to := from.add(size.dec())
			r.check((lowest || from.cmp(end) > 0) && to.cmp(top) <= 0 && to.sub(from) == size.dec())
			total = total.add(size)
			r.check(total.cmp(u128{0, most}) <= 0)
			all = append(all, span{on, from, to})
			end = to
		}
	}
	return all
}

// cells reads the runs of n cells.
func (r *checkpointReader) cells(n uint64) []cell {
	var cells []cell
	for uint64(len(cells)) < n && r.err == nil {
		run := r.uint(n - uint64(len(cells)))
		b, err := r.ReadByte()
		r.fail(err)
		r.check(run > 0)
		if r.err != nil {
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

func (r *checkpointReader) patches(cells []cell) {
	for n := r.uint(1 << 62); n > 0 && r.err == nil; n-- {
		i := r.uint(uint64(len(cells)) - 1)
		b, err := r.ReadByte()
		r.fail(err)
		if r.err == nil {
			cells[i] = cell(b)
		}
	}
}

func (r *checkpointReader) details(p *Plan) (all []detail) {
	for n := r.uint(1 << 62); n > 0 && r.err == nil; n-- {
		d := detail{r.uint(p.Len() - 1), &probe.Result{}}
		r.json(d.Result)
		all = append(all, d)
	}
	return all
}

// sane reports whether a sweep over p can have such a head.
func (h *head) sane(p *Plan) bool {
	c := Config{Retries: h.Retries, Timeout: h.Timeout, Bound: h.Bound, Shard: h.Shard}
	if c.check() != nil || h.Retries < 0 || h.Timeout <= 0 || h.Bound <= 0 || h.Shard.I < 1 || uint64(h.Shard.N) > MaxEndpoints {
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
	for port, at := range c.plan.ports {
		lo := uint64(port) * c.plan.addrs
		var known [256]bool
		for _, cell := range c.cells[lo : lo+c.plan.addrs] {
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
