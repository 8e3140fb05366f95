package report

import "io"

// jsonl writes one record a line, as they come: the start, findings and
// violations, and at the end a summary. Without the last line a reader knows
// that the report was cut off.
type jsonl struct {
	encoder
	w io.Writer
}

func newJSONL(w io.Writer) Handler { return &jsonl{w: w} }

func (j *jsonl) Start(s Start) error     { return j.line("start", plainStart(s)) }
func (j *jsonl) Finding(f Finding) error { return j.line(f.Kind(), plainFinding(f)) }
func (j *jsonl) End(e End) error         { return j.line("summary", plainEnd(e)) }

func (j *jsonl) line(kind string, v any) error {
	b, err := j.record(kind, v)
	if err != nil {
		return err
	}
	_, err = j.w.Write(append(b, '\n'))
	return err
}
