package varint

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxText bounds a text, in bytes.
const maxText = 1 << 20

// Reader reads what a Writer wrote. Its first error stays, and what is read after
// it is zero.
type Reader struct {
	*bufio.Reader
	invalid error // what every error of the content wraps
	err     error
}

// NewReader reads from r; every error of Err wraps invalid.
func NewReader(r io.Reader, invalid error) *Reader {
	return &Reader{Reader: bufio.NewReaderSize(r, 64<<10), invalid: invalid}
}

// Err is the first error.
func (r *Reader) Err() error { return r.err }

// Check makes it an error if something does not hold.
func (r *Reader) Check(holds bool) {
	if !holds {
		r.Fail(r.invalid)
	}
}

// Fail makes err, unless it is nil, the Reader's error if it has none yet.
func (r *Reader) Fail(err error) {
	if r.err == nil && err != nil {
		if !errors.Is(err, r.invalid) {
			err = fmt.Errorf("%w (%v)", r.invalid, err)
		}
		r.err = err
	}
}

// Uint reads a number that must not be above most.
func (r *Reader) Uint(most uint64) uint64 {
	if r.err != nil {
		return 0
	}
	v, err := binary.ReadUvarint(r)
	r.Fail(err)
	r.Check(v <= most)
	if r.err != nil {
		return 0
	}
	return v
}

// Flag reads 1 as true and 0 as false.
func (r *Reader) Flag() bool { return r.Uint(1) == 1 }

// Byte reads one byte.
func (r *Reader) Byte() byte {
	if r.err != nil {
		return 0
	}
	b, err := r.ReadByte()
	r.Fail(err)
	return b
}

// Text reads a text of at most 1 MiB.
func (r *Reader) Text() []byte {
	n := r.Uint(maxText)
	if r.err != nil {
		return nil
	}
	// Memory follows what is there, not what the length claims.
	b, err := io.ReadAll(io.LimitReader(r, int64(n)))
	r.Fail(err)
	r.Check(uint64(len(b)) == n)
	return b
}

// Line reads a text that can stand in a line of a report: valid UTF-8 without
// control characters.
func (r *Reader) Line() string {
	s := string(r.Text())
	r.Check(utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl))
	return s
}

// JSON reads a text into v.
func (r *Reader) JSON(v any) {
	if b := r.Text(); r.err == nil {
		r.Fail(json.Unmarshal(b, v))
	}
}

// Addr reads a valid address.
func (r *Reader) Addr() (a netip.Addr) {
	if b := r.Text(); r.err == nil {
		r.Fail(a.UnmarshalBinary(b))
		r.Check(a.IsValid())
	}
	return a
}

// End makes it an error if anything is left to read.
func (r *Reader) End() {
	if r.err == nil {
		_, err := r.ReadByte()
		r.Check(err == io.EOF)
	}
}
