package report

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"onmux/report/compact"
	"onmux/report/document"
	"onmux/report/nmap"
	"onmux/report/record"
)

// Replay reads a report saved as json or jsonl, or as XML by nmap, and writes it
// to h as it was written when it was made. A report that is cut off is written as
// far as it goes, with an End that is not Complete and counts what there was. Once
// h has a Start it gets an End too, also when Replay returns an error: what it read
// is not a report, reading failed, or h failed. Records are bounded at 1 MiB; the
// errors name the line (jsonl) or the record.
func Replay(r io.Reader, h record.Handler) error {
	s := record.NewSource(h)
	br := bufio.NewReaderSize(r, 64<<10)
	var first []byte
	var err error
	for err == nil && len(bytes.TrimSpace(first)) == 0 {
		first, err = document.ReadLine(br)
	}
	switch {
	case document.KindOf(first) == "start":
		err = document.ReadLines(s, first, br)
	case bytes.HasPrefix(bytes.TrimSpace(bytes.TrimPrefix(first, []byte("\ufeff"))), []byte("<")):
		err = nmap.Read(s, io.MultiReader(bytes.NewReader(first), br))
	case err != nil && err != io.EOF && err != document.ErrLong:
		return err
	default:
		err = readDocument(s, io.MultiReader(bytes.NewReader(first), br), h)
	}
	return errors.Join(err, s.Close())
}

// readDocument reads a json report, twice unless h has no use for violations: they stand in
// it behind the findings, and are written where they were.
func readDocument(s *record.Source, r io.Reader, h record.Handler) error {
	if _, ok := h.(interface{ IgnoresViolations() }); ok {
		return document.ReadDocument(s, r, document.Violations{})
	}
	twice := compact.NewRewind(r)
	defer twice.Close()
	violations := document.FindViolations(twice)
	twice.Rewind()
	return document.ReadDocument(s, twice, violations)
}
