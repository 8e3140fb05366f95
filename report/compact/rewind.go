package compact

import "io"

// Rewind is a Reader that can be read a second time from its beginning, whatever it reads
// from. Not for concurrent use.
type Rewind struct {
	from   io.Reader
	spool  Spool
	pieces []piece // of what was read
	rest   []piece // of those, what the second reading has before it
	again  bool
}

// piece is a part of the text in a Spool.
type piece struct {
	at   int64
	size int
}

// NewRewind is one that reads from r.
func NewRewind(r io.Reader) *Rewind { return &Rewind{from: r} }

// Rewind goes back to the beginning.
func (r *Rewind) Rewind() { r.again, r.rest = true, r.pieces }

// Read reads on.
func (r *Rewind) Read(p []byte) (int, error) {
	if r.again && len(r.rest) > 0 {
		one := &r.rest[0]
		n := min(len(p), one.size)
		if err := r.spool.Read(p[:n], one.at); err != nil {
			return 0, err
		}
		if one.size -= n; one.size == 0 {
			r.rest = r.rest[1:]
		} else {
			one.at += int64(n)
		}
		return n, nil
	}
	n, err := r.from.Read(p)
	if !r.again && n > 0 {
		r.pieces = append(r.pieces, piece{r.spool.Append(p[:n]), n})
	}
	return n, err
}

// Close removes what is kept.
func (r *Rewind) Close() { r.spool.Close() }
