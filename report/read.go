package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"onmux/scan"
)

// maxRecord bounds one record of a saved report, in bytes.
const maxRecord = 1 << 20

const cutOff = "the report is cut off: what came after is not known"

var errNoJSON = errors.New("a record is no JSON")

var errLong = fmt.Errorf("a record is longer than %d bytes", maxRecord)

// Replay reads a report saved as json or jsonl, or as XML by nmap, and tells it
// to h, as it was told when it was made. A report that is cut off is told as far as it goes,
// with an End that is not Complete and counts what was told. Once h was told a
// Start it is told an End too, also when Replay returns an error: what it read
// is no report, reading failed, or h failed. Records are bounded at 1 MiB; the
// errors name the line (jsonl) or the record.
func Replay(r io.Reader, h Handler) error {
	p := &replay{h: h, counts: make(map[string]uint64)}
	br := bufio.NewReaderSize(r, 64<<10)
	var first []byte
	var err error
	for err == nil && len(bytes.TrimSpace(first)) == 0 {
		first, err = readLine(br)
	}
	switch {
	case kindOf(first) == "start":
		err = p.lines(first, br)
	case bytes.HasPrefix(bytes.TrimSpace(bytes.TrimPrefix(first, []byte("\ufeff"))), []byte("<")):
		err = p.nmap(io.MultiReader(bytes.NewReader(first), br))
	case err != nil && err != io.EOF && err != errLong:
		return err
	default:
		err = p.document(io.MultiReader(bytes.NewReader(first), br))
	}
	if p.began && !p.ended {
		err = errors.Join(err, p.end(p.cut()))
	}
	return err
}

// replay is one stream that is being told again.
type replay struct {
	h            Handler
	start        Start
	began, ended bool
	targets      uint64
	counts       map[string]uint64
	numberless   uint64 // ports that nmap counted without saying which they are
}

func (p *replay) begin() error {
	if p.start.Schema != Schema {
		return fmt.Errorf("this is no report of schema %s: its schema is %q", Schema, p.start.Schema)
	}
	p.began = true
	return p.h.Start(p.start)
}

func (p *replay) tell(f Finding) error {
	if s, ok := about(f); ok {
		p.targets += s.count
		p.counts[s.word] += s.count
	}
	return p.h.Finding(f)
}

func (p *replay) end(e End) error {
	p.ended = true
	return p.h.End(e)
}

// cut is the end of a report that has none. When it ended nobody knows.
func (p *replay) cut() End {
	return End{Finished: p.start.Started, Coverage: []string{cutOff},
		Summary: scan.Summary{Targets: p.targets, States: p.counts}}
}

// lines tells a jsonl report whose first line was read already.
func (p *replay) lines(line []byte, br *bufio.Reader) error {
	if err := json.Unmarshal(line, &p.start); err != nil {
		return fmt.Errorf("line 1: %w", err)
	}
	if err := p.begin(); err != nil {
		return err
	}
	for n := 2; ; n++ {
		line, err := readLine(br)
		if err != nil && err != io.EOF {
			return fmt.Errorf("line %d: %w", n, err)
		}
		last := err == io.EOF
		if len(bytes.TrimSpace(line)) > 0 {
			if err := p.line(line); err != nil && last && !json.Valid(line) {
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

func (p *replay) line(line []byte) error {
	if p.ended {
		return errors.New("nothing may follow the summary")
	}
	kind := quickKind(line)
	if kind == "summary" {
		var e End
		if err := json.Unmarshal(line, &e); err != nil {
			return err
		}
		return p.end(e)
	}
	f, err := parseFinding(kind, line)
	if err != nil {
		return err
	}
	return p.tell(f)
}

// readLine returns a line without its end; at the end of the input with io.EOF.
// Of a line that is too long it returns what was read, and errLong.
func readLine(br *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := br.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxRecord:
			return line, errLong
		case err != bufio.ErrBufferFull:
			return line, err
		}
	}
}

// document tells a json report. In ours the start stands before the findings,
// which are told as they are read; where another program has put it behind
// them, they wait.
func (p *replay) document(r io.Reader) error {
	d := &documentReader{replay: p, seen: make(map[string]bool)}
	d.dec = json.NewDecoder(&bounded{r: r, most: maxRecord, consumed: func() int64 { return d.dec.InputOffset() }})
	err := d.read()
	switch {
	case err == nil || !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return err
	case !p.began && !d.started():
		return errors.New("this is no report: it ends before it says what it reports")
	}
	return d.release() // cut off
}

type documentReader struct {
	*replay
	dec     *json.Decoder
	seen    map[string]bool
	waiting []Finding
	tail    End
}

func (d *documentReader) started() bool {
	return d.seen["schema"] && d.seen["command"] && d.seen["version"] && d.seen["started"]
}

func (d *documentReader) read() error {
	if t, err := d.dec.Token(); err != nil {
		return notJSON(err)
	} else if t != json.Delim('{') {
		return errors.New("this is no report: write it with -o json or -o jsonl")
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
	for _, key := range []string{"schema", "command", "version", "started", "finished", "complete", "findings", "summary"} {
		if !d.seen[key] {
			return fmt.Errorf("this is no report: it has no %q", key)
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
	return d.end(d.tail)
}

// field reads the value of one key. Those that are not known are of a later
// version and pass.
func (d *documentReader) field(key string) error {
	to, known := map[string]any{
		"schema": &d.start.Schema, "command": &d.start.Command, "version": &d.start.Version,
		"started": &d.start.Started, "method": &d.start.Method, "plan": &d.start.Plan,
		"finished": &d.tail.Finished, "complete": &d.tail.Complete, "coverage": &d.tail.Coverage,
		"summary": &d.tail.Summary, "hints": &d.tail.Hints, "outcome": &d.tail.Outcome,
	}[key]
	switch {
	case d.seen[key]:
		return fmt.Errorf("%q stands twice", key)
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
		return fmt.Errorf("%q is no array", key)
	}
	for n := 1; d.dec.More(); n++ {
		var raw json.RawMessage
		err := d.dec.Decode(&raw)
		var f Finding
		if err == nil {
			f, err = parseFinding(quickKind(raw), raw)
		}
		if err != nil {
			return fmt.Errorf("record %d of the %s: %w", n, key, err)
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

// release tells what waited.
func (d *documentReader) release() error {
	if !d.began {
		if err := d.begin(); err != nil {
			return err
		}
	}
	for _, f := range d.waiting {
		if err := d.tell(f); err != nil {
			return err
		}
	}
	d.waiting = d.waiting[:0]
	return nil
}

func notJSON(err error) error {
	if syntax := (*json.SyntaxError)(nil); errors.As(err, &syntax) {
		return fmt.Errorf("this is no JSON after %d bytes: %s", syntax.Offset, strings.TrimPrefix(Visible(err.Error()), "json: "))
	}
	return err
}

// bounded refuses to read on when more than a record's worth was read and not
// consumed: json.Decoder keeps a value until it has all of it.
type bounded struct {
	r        io.Reader
	most     int64        // bytes; a little more may be read ahead
	consumed func() int64 // bytes that were worked on
	n        int64
}

func (b *bounded) Read(p []byte) (int, error) {
	const step = 64 << 10
	if b.n-b.consumed() > b.most+step {
		return 0, errLong
	}
	n, err := b.r.Read(p[:min(len(p), step)])
	b.n += int64(n)
	return n, err
}
