package compact

import (
	"fmt"
	"os"
)

// spoolBytes is how much text a Spool keeps in memory.
const spoolBytes = 4 << 20

// Spool is text that is written once and read by its offset. What does not fit into
// memory is in a temporary file; where none can be written, all of it is in memory. The
// zero value is empty. Not for concurrent use.
type Spool struct {
	buf    []byte
	base   int64 // offset of buf, which is the end of the text
	file   *os.File
	noFile bool
}

// Append adds a piece of text and returns its offset. It must be read as one piece.
func (s *Spool) Append(text []byte) int64 {
	if len(s.buf)+len(text) > spoolBytes && !s.noFile {
		s.flush()
	}
	at := s.base + int64(len(s.buf))
	s.buf = append(s.buf, text...)
	return at
}

func (s *Spool) flush() {
	if s.file == nil {
		f, err := os.CreateTemp("", ".onmux-*")
		if err != nil {
			s.noFile = true
			return
		}
		os.Remove(f.Name()) // now, where the system can: a killed process leaves nothing
		s.file = f
	}
	if _, err := s.file.WriteAt(s.buf, s.base); err != nil {
		s.noFile = true
		return
	}
	s.base += int64(len(s.buf))
	s.buf = s.buf[:0]
}

// Read fills p with the text at an offset.
func (s *Spool) Read(p []byte, at int64) error {
	if at >= s.base {
		copy(p, s.buf[at-s.base:])
		return nil
	}
	if _, err := s.file.ReadAt(p, at); err != nil {
		return fmt.Errorf("cannot read a temporary file: %w", err)
	}
	return nil
}

// Close removes the temporary file.
func (s *Spool) Close() {
	if s.file != nil {
		s.file.Close()
		os.Remove(s.file.Name()) // where an open file could not be removed
	}
	*s = Spool{}
}
