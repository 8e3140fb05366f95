package document

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/probe/local/owner"
	"onmux/report/phrase"
	"onmux/report/record"
)

// document writes one JSON object. Findings stream into it, a line each;
// violations have an array of their own behind them and wait for the end.
type document struct {
	record.Func
	encoder
	w          io.Writer
	findings   uint64       // how many there were
	violations bytes.Buffer // encoded, as they will stand in the array
}

func New(w io.Writer, _ record.Options) record.Handler {
	d := &document{w: w}
	d.Func = d.finding
	return d
}

// Start writes the head.
func (d *document) Start(s record.Start) error {
	b, err := d.value(plainStart(s))
	if err != nil {
		return err
	}
	return d.write(b[:len(b)-1], ",\n\"findings\":[")
}

// placedViolation is a violation as the document has it, where violations stand apart.
type placedViolation struct {
	record.Violation
	After *uint64 `json:"after,omitempty"` // how many findings were written before it; nil is not known
}

// Violation keeps it for the end.
func (d *document) Violation(v record.Violation) error {
	after := d.findings
	b, err := d.typed(v.Kind(), placedViolation{v, &after})
	if err != nil {
		return err
	}
	if d.violations.Len() > 0 {
		d.violations.WriteByte(',')
	}
	d.violations.WriteByte('\n')
	d.violations.Write(b)
	return nil
}

func (d *document) finding(f record.Finding) error {
	b, err := d.record(f)
	if err != nil {
		return err
	}
	separator := "\n"
	if d.findings > 0 {
		separator = ",\n"
	}
	d.findings++
	if _, err := io.WriteString(d.w, separator); err != nil {
		return err
	}
	_, err = d.w.Write(b)
	return err
}

// End writes the violations and the summary.
func (d *document) End(e record.End) error {
	b, err := d.value(plainEnd(e))
	if err != nil {
		return err
	}
	if d.findings > 0 {
		if err := d.write([]byte{'\n'}, ""); err != nil {
			return err
		}
	}
	if err := d.write([]byte("],\n\"violations\":["), d.violations.String()); err != nil {
		return err
	}
	separator := "],\n"
	if d.violations.Len() > 0 {
		separator = "\n" + separator
	}
	return d.write([]byte(separator), string(b[1:])+"\n")
}

func (d *document) write(head []byte, tail string) error {
	_, err := d.w.Write(append(head, tail...))
	return err
}

// encoder writes values on one line each, in a buffer that it keeps.
type encoder struct {
	buf  bytes.Buffer
	head []byte // of a record
	more []byte // fields of a record behind its type
	json *json.Encoder
}

// record is the object that a record makes, with its "type" first; valid until
// the next call.
func (e *encoder) record(f record.Finding) ([]byte, error) { return e.typed(f.Kind(), plainFinding(f)) }

// typed is the object that v makes, with its "type" first; valid until the next
// call.
func (e *encoder) typed(kind string, v any) ([]byte, error) {
	e.head = append(strconv.AppendQuoteToASCII(append(e.head[:0], `{"type":`...), kind), ',')
	e.head = append(e.head, e.more...)
	return e.encode(e.head, v)
}

// value is v as JSON, valid until the next call.
func (e *encoder) value(v any) ([]byte, error) { return e.encode(nil, v) }

// encode writes v so that a terminal shows and does not obey it; head, if there
// is one, takes the place of the brace that opens an object.
func (e *encoder) encode(head []byte, v any) ([]byte, error) {
	if e.json == nil {
		e.json = json.NewEncoder(&e.buf)
		e.json.SetEscapeHTML(false)
	}
	// A byte of the head is written over the brace.
	e.buf.Reset()
	if len(head) > 0 {
		e.buf.Write(head[:len(head)-1])
	}
	at := e.buf.Len()
	if err := e.json.Encode(v); err != nil {
		return nil, err
	}
	b := bytes.TrimSuffix(e.buf.Bytes(), []byte{'\n'})
	if len(head) > 0 {
		if len(b) < at+3 || b[at] != '{' {
			return nil, fmt.Errorf("a record %s of no fields", head)
		}
		b[at] = head[len(head)-1]
	}
	return phrase.EscapeJSON(b), nil
}

// The plain functions make what documents promise true of values that don't
// keep it: times are UTC, arrays and the states are never null, and a share
// that is not a number was not measurable.

func plainStart(s record.Start) record.Start {
	s.Started = s.Started.UTC()
	return s
}

func plainFinding(f record.Finding) record.Finding {
	if a, ok := f.(probe.Attempt); ok {
		a.Time = a.Time.UTC()
		return a
	}
	l, ok := f.(local.Listener)
	if !ok || !slices.ContainsFunc(l.Owners, func(o owner.Owner) bool { return o.Started.Location() != time.UTC }) {
		return f
	}
	l.Owners = slices.Clone(l.Owners)
	for i := range l.Owners {
		l.Owners[i].Started = l.Owners[i].Started.UTC()
	}
	return l
}

func plainEnd(e record.End) record.End {
	e.Finished = e.Finished.UTC()
	if e.Coverage == nil {
		e.Coverage = []string{}
	}
	if e.Summary.States == nil {
		e.Summary.States = map[string]uint64{}
	}
	e.Summary.Loss = record.Finite(e.Summary.Loss)
	e.Summary.ExpectedMissed = record.Finite(e.Summary.ExpectedMissed)
	e.Summary.Zones = slices.Clone(e.Summary.Zones)
	for i := range e.Summary.Zones {
		e.Summary.Zones[i] = plainEnd(record.End{Summary: e.Summary.Zones[i]}).Summary
	}
	return e
}
