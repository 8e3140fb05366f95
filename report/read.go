package report

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"onmux/report/compact"
	"onmux/report/document"
	"onmux/report/nmap"
	"onmux/report/reading"
	"onmux/report/record"
)

// Replay reads a report saved as json or jsonl, or by nmap, masscan or another program that
// package reading knows, compressed or not, and writes it to h as it was written when it was
// made. A report that is cut off is written as
// far as it goes, with an End that is not Complete and counts what there was. Once
// h has a Start it gets an End too, also when Replay returns an error: what it read
// is not a report, reading failed, or h failed. Records are bounded at 1 MiB; the
// errors name the line (jsonl) or the record.
func Replay(r io.Reader, h record.Handler) error {
	s := record.NewSource(h)
	err := read(s, r, h)
	return errors.Join(err, s.Close())
}

func read(s *record.Source, r io.Reader, h record.Handler) error {
	br, err := reading.Plain(r)
	if err != nil {
		return err
	}
	var first []byte
	for err == nil && len(bytes.TrimSpace(first)) == 0 {
		first, err = document.ReadLine(br)
	}
	if err != nil && err != io.EOF && err != document.ErrLong {
		return err
	}
	whole := io.MultiReader(bytes.NewReader(first), br)
	text := bytes.TrimSpace(first)
	switch {
	case document.KindOf(first) == "start":
		return document.ReadLines(s, first, br)
	case bytes.HasPrefix(text, []byte("<")):
		return nmap.Read(s, whole)
	case bytes.HasPrefix(text, []byte(`{"schema"`)):
		return readDocument(s, whole, h)
	}
	kind, err := reading.Detect(text)
	switch {
	case err != nil:
		return err
	case kind != nil:
		return kind.Read(s, bufio.NewReader(reading.Latin1(whole)))
	}
	return readDocument(s, whole, h)
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
