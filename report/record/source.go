package record

import (
	"fmt"
	"io"

	"onmux/scan"
)

// CutOff is in the coverage of a saved report that has no end.
const CutOff = "the report is cut off: what came after is not known"

// Source passes a saved report on to a Handler, and counts, so that a report that
// is cut off gets an end.
type Source struct {
	h            Handler
	start        Start
	began, ended bool
	refused      bool // by h, which gets no end then
	targets      uint64
	counts       map[string]uint64
}

// NewSource is one to h.
func NewSource(h Handler) *Source { return &Source{h: h, counts: make(map[string]uint64)} }

// Began reports whether Start was called and the report is one of ours.
func (s *Source) Began() bool { return s.began }

// Ended reports whether End was called.
func (s *Source) Ended() bool { return s.ended }

// Start opens the stream, and refuses another schema than ours.
func (s *Source) Start(start Start) error {
	if start.Schema != Schema {
		return fmt.Errorf("this is not a report of schema %s: its schema is %q", Schema, start.Schema)
	}
	s.start, s.began = start, true
	err := s.h.Start(start)
	s.refused = err != nil
	return err
}

// Write passes a record on.
func (s *Source) Write(f Finding) error {
	if about, ok := About(f); ok {
		s.targets += about.Count
		s.counts[about.Word] += about.Count
	}
	return Write(s.h, f)
}

// Counted is how many endpoints and ports there were, and with which words.
func (s *Source) Counted() scan.Summary {
	return scan.Summary{Targets: s.targets, States: s.counts}
}

// End closes the stream.
func (s *Source) End(e End) error {
	s.ended = true
	return s.h.End(e)
}

// Close ends a stream that began and has no end, unless the handler refused it. When the report ended is not
// known.
func (s *Source) Close() error {
	if !s.began || s.ended || s.refused {
		return nil
	}
	return s.End(End{Finished: s.start.Started, Coverage: []string{CutOff}, Summary: s.Counted()})
}

// Bounded refuses to read on when more than one record's worth was read and not
// consumed: decoders keep a value until they have all of it.
type Bounded struct {
	R        io.Reader
	Most     int64        // bytes; a little more may be read ahead
	Err      error        // the refusal
	Consumed func() int64 // bytes that were worked on
	n        int64
	ended    bool
}

// AtEnd reports whether a decoder that stands at offset has come to the end of R.
func (b *Bounded) AtEnd(offset int64) bool { return b.ended && b.n == offset }

// Read reads, or returns Err.
func (b *Bounded) Read(p []byte) (int, error) {
	const step = 64 << 10
	if b.n-b.Consumed() > b.Most+step {
		return 0, b.Err
	}
	n, err := b.R.Read(p[:min(len(p), step)])
	b.n += int64(n)
	b.ended = err == io.EOF
	return n, err
}
