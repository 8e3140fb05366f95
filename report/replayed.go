package report

import (
	"cmp"
	"context"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"onmux/report/record"
)

// Replayed passes a saved report on to Handler, and keeps whether it began and how it ended.
type Replayed struct {
	record.Handler
	Outputs []Output // which must have a place for its records
	Job     string   // in place of that of the report

	Began      bool
	Ended      record.End
	Violations int
}

// Start fails where an output cannot be of such a report.
func (r *Replayed) Start(s record.Start) error {
	for _, o := range r.Outputs {
		if err := Fits(o.Format, s.Command); err != nil {
			return err
		}
	}
	r.Began = true
	metrics := slices.DeleteFunc(slices.Clone(r.Outputs), func(o Output) bool { return o.Format != "prom" })
	s.Job = cmp.Or(r.Job, s.Job, JobOf(metrics))
	return r.Handler.Start(s)
}

// Violation counts it.
func (r *Replayed) Violation(v record.Violation) error {
	r.Violations++
	return r.Handler.Violation(v)
}

// End keeps e.
func (r *Replayed) End(e record.End) error {
	r.Ended = e
	return r.Handler.End(e)
}

// Until is a reader that ends when the context does.
func Until(ctx context.Context, r io.Reader) io.Reader { return untilReader{ctx, r} }

type untilReader struct {
	ctx context.Context
	io.Reader
}

func (r untilReader) Read(b []byte) (int, error) {
	if err := context.Cause(r.ctx); err != nil {
		return 0, err
	}
	return r.Reader.Read(b)
}

// JobOf is the name of the file that the metrics are written to, or else of the first file.
func JobOf(outputs []Output) string {
	first := slices.IndexFunc(outputs, func(o Output) bool { return o.Format == "prom" && !o.IsStdout() })
	if first < 0 {
		first = slices.IndexFunc(outputs, func(o Output) bool { return !o.IsStdout() })
	}
	if first < 0 {
		return ""
	}
	return BareName(outputs[first].File)
}

// BareName is the name of a file without its folder and its ending.
func BareName(file string) string {
	name := filepath.Base(file)
	return cmp.Or(strings.TrimSuffix(name, filepath.Ext(name)), name)
}
