package document

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"onmux/report/phrase"
	"onmux/report/record"
)

// maxRecord bounds one record of a saved report, in bytes.
const maxRecord = 1 << 20

var errNoJSON = errors.New("a record is not JSON")

// ErrLong is the error of a record that is too long.
var ErrLong = fmt.Errorf("a record is longer than %d bytes", maxRecord)

// ReadLines reads a jsonl report, whose first line was read already, to its end or
// to where it is cut off.
func ReadLines(s *record.Source, line []byte, br *bufio.Reader) error {
	var start record.Start
	if err := json.Unmarshal(line, &start); err != nil {
		return fmt.Errorf("line 1: %w", err)
	}
	if err := s.Start(start); err != nil {
		return err
	}
	for n := 2; ; n++ {
		line, err := ReadLine(br)
		if err != nil && err != io.EOF {
			return fmt.Errorf("line %d: %w", n, err)
		}
		last := err == io.EOF
		if len(bytes.TrimSpace(line)) > 0 {
			if err := readRecord(s, line); err != nil && last && !json.Valid(line) {
				return nil // torn
			} else if err != nil {
				return fmt.Errorf("line %d: %w", n, err)
			}
		}
		if last {
			return nil
		}
	}
}

func readRecord(s *record.Source, line []byte) error {
	if s.Ended() {
		return errors.New("nothing may follow the summary")
	}
	kind := quickKind(line)
	if kind == "summary" {
		var e record.End
		if err := json.Unmarshal(line, &e); err != nil {
			return err
		}
		return s.End(e)
	}
	f, err := parseFinding(kind, line)
	if err != nil {
		return err
	}
	return s.Write(f)
}

// ReadLine returns a line without its end; at the end of the input with io.EOF.
// Of a line that is too long it returns what was read, and ErrLong.
func ReadLine(br *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := br.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxRecord:
			return line, ErrLong
		case err != bufio.ErrBufferFull:
			return line, err
		}
	}
}

// ReadDocument reads a json report to its end or to where it is cut off. In ours
// the start stands before the findings, which are written as they are read; where
// another program has put it behind them, they wait. The violations stand behind the
// findings: each is written where it was when the report was made.
func ReadDocument(s *record.Source, r io.Reader, violations Violations) error {
	d := &documentReader{Source: s, seen: make(map[string]bool), violations: violations}
	d.dec = newDecoder(r)
	err := d.read()
	switch {
	case err == nil || !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return err
	case !s.Began() && !d.started():
		return errors.New("this is not a report: it ends before its start is complete")
	}
	return cmp.Or(d.release(), d.violations.rest(s)) // cut off
}

// newDecoder is one that refuses values that are too long.
func newDecoder(r io.Reader) (d *json.Decoder) {
	d = json.NewDecoder(&record.Bounded{R: r, Most: maxRecord, Err: ErrLong,
		Consumed: func() int64 { return d.InputOffset() }})
	return d
}

type documentReader struct {
	*record.Source
	start      record.Start
	dec        *json.Decoder
	seen       map[string]bool
	waiting    []record.Finding
	violations Violations
	tail       record.End
}

func (d *documentReader) started() bool {
	return d.seen["schema"] && d.seen["command"] && d.seen["version"] && d.seen["started"]
}

func (d *documentReader) read() error {
	if t, err := d.dec.Token(); err != nil {
		return notJSON(err)
	} else if t != json.Delim('{') {
		return errors.New("this is not a report: write it with -o json or -o jsonl")
	}
	for d.dec.More() {
		key, err := d.dec.Token()
		if err != nil {
			return notJSON(err)
		}
		if err := d.field(fmt.Sprint(key)); err != nil {
			return err
		}
		d.seen[fmt.Sprint(key)] = true
	}
	if _, err := d.dec.Token(); err != nil {
		return notJSON(err)
	}
	for _, key := range []string{"schema", "command", "version", "started", "finished", "complete", "findings",
		"summary"} {
		if !d.seen[key] {
			return fmt.Errorf("this is not a report: it has no %q", key)
		}
	}
	if err := d.release(); err != nil {
		return err
	}
	if _, err := d.dec.Token(); err == nil {
		return errors.New("something follows the report")
	} else if err != io.EOF {
		return notJSON(err)
	}
	if err := d.violations.rest(d.Source); err != nil {
		return err
	}
	return d.End(d.tail)
}

// field reads the value of one key. Those that are not known are of a later
// version and pass.
func (d *documentReader) field(key string) error {
	to, known := map[string]any{
		"schema": &d.start.Schema, "command": &d.start.Command, "version": &d.start.Version,
		"started": &d.start.Started, "method": &d.start.Method, "plan": &d.start.Plan,
		"args": &d.start.Args, "all_ports": &d.start.AllPorts, "job": &d.start.Job, "host": &d.start.Host,
		"finished": &d.tail.Finished, "complete": &d.tail.Complete, "coverage": &d.tail.Coverage,
		"summary": &d.tail.Summary, "hints": &d.tail.Hints, "first": &d.tail.First, "outcome": &d.tail.Outcome,
		"exit_code": &d.tail.ExitCode,
	}[key]
	switch {
	case d.seen[key]:
		return fmt.Errorf("%q is there twice", key)
	case key == "findings" || key == "violations":
		return d.records(key)
	case !known:
		to = new(json.RawMessage)
	}
	if err := d.dec.Decode(to); err != nil {
		return fmt.Errorf("%q: %w", key, err)
	}
	return nil
}

func (d *documentReader) records(key string) error {
	if t, err := d.dec.Token(); err != nil {
		return notJSON(err)
	} else if t != json.Delim('[') {
		return fmt.Errorf("%q is not an array", key)
	}
	for n := 1; d.dec.More(); n++ {
		var raw json.RawMessage
		err := d.dec.Decode(&raw)
		var f record.Finding
		if err == nil {
			f, err = parseFinding(quickKind(raw), raw)
		}
		if err != nil {
			return fmt.Errorf("record %d of the %s: %w", n, key, err)
		}
		if key == "violations" && d.violations.known {
			continue // those are written where they belong
		}
		if d.waiting = append(d.waiting, f); d.started() {
			if err := d.release(); err != nil {
				return err
			}
		}
	}
	_, err := d.dec.Token()
	return notJSON(err)
}

// release writes what waited.
func (d *documentReader) release() error {
	if !d.Began() {
		if err := cmp.Or(d.Start(d.start), d.violations.after(d.Source, nil)); err != nil {
			return err
		}
	}
	for _, f := range d.waiting {
		if err := cmp.Or(d.Write(f), d.violations.after(d.Source, f)); err != nil {
			return err
		}
	}
	d.waiting = d.waiting[:0]
	return nil
}

func notJSON(err error) error {
	if syntax := (*json.SyntaxError)(nil); errors.As(err, &syntax) {
		return fmt.Errorf("this is not JSON at byte %d: %s", syntax.Offset,
			strings.TrimPrefix(phrase.Visible(err.Error()), "json: "))
	}
	return err
}
