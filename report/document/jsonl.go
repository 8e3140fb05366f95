package document

import (
	"io"

	"onmux/report/record"
)

// jsonl writes one record a line, as they come: the start, findings and
// violations, and at the end a summary. A report without
// the last line was cut off.
type jsonl struct {
	record.Func
	encoder
	w io.Writer
}

func NewLines(w io.Writer, _ record.Options) record.Handler {
	j := &jsonl{w: w}
	j.Func = func(f record.Finding) error { return j.line(f.Kind(), plainFinding(f)) }
	return j
}

// Start writes the first line.
func (j *jsonl) Start(s record.Start) error { return j.line("start", plainStart(s)) }

// End writes the last line.
func (j *jsonl) End(e record.End) error { return j.line("summary", plainEnd(e)) }

func (j *jsonl) line(kind string, v any) error {
	b, err := j.typed(kind, v)
	if err != nil {
		return err
	}
	_, err = j.w.Write(append(b, '\n'))
	return err
}
