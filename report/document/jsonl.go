package document

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"time"

	"onmux/probe"
	"onmux/probe/listen"
	"onmux/probe/local"
	"onmux/report/record"
)

// jsonl writes one record a line, as they come: the start, findings and
// violations, and at the end a summary. A report without
// the last line was cut off.
type jsonl struct {
	record.Func
	encoder
	w     io.Writer
	stamp bool
	now   func() time.Time // nil: of a saved report
	at    time.Time        // when that began, or ended
	run   string           // names the run in each line
}

func NewLines(w io.Writer, o record.Options) record.Handler {
	j := &jsonl{w: w, stamp: o.Stamp, now: o.Now}
	j.Func = func(f record.Finding) error { return j.line(f.Kind(), plainFinding(f)) }
	return j
}

// Start writes the first line.
func (j *jsonl) Start(s record.Start) error {
	j.at = s.Started
	if j.stamp {
		id, err := runID(plainStart(s))
		if err != nil {
			return err
		}
		j.run = id
	}
	return j.line("start", plainStart(s))
}

// End writes the last line.
func (j *jsonl) End(e record.End) error {
	j.at = e.Finished
	return j.line("summary", plainEnd(e))
}

// stampOf is what a line has beside its record. Those that have a time of their own keep it.
func (j *jsonl) stampOf(kind string) []byte {
	if !j.stamp {
		return nil
	}
	var b []byte
	if !slices.Contains([]string{probe.Attempt{}.Kind(), local.Event{}.Kind(), listen.Arrival{}.Kind()}, kind) {
		at := j.at
		if j.now != nil {
			at = j.now()
		}
		b = at.UTC().AppendFormat(append(b, `"time":"`...), time.RFC3339Nano+`",`)
	}
	return append(strconv.AppendQuoteToASCII(append(b, `"run":`...), j.run), ',')
}

// runID names a run by how it began, so that a replay has the same.
func runID(s record.Start) (string, error) {
	b, err := json.Marshal(s)
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8]), err
}

func (j *jsonl) line(kind string, v any) error {
	j.more = j.stampOf(kind)
	b, err := j.typed(kind, v)
	if err != nil {
		return err
	}
	_, err = j.w.Write(append(b, '\n'))
	return err
}
