package report

import (
	"encoding/json"
	"io"
	"slices"

	"onmux/report/record"
	"onmux/report/text"
)

// WriteDryRun writes what a scan would do to w: as JSON if one of outputs to standard
// output is, or else as text.
func WriteDryRun(w io.Writer, outputs []Output, d record.DryRun) error {
	d.Type, d.Schema = "dry-run", record.Schema
	asJSON := func(o Output) bool { return o.File == "" && (o.Format == "json" || o.Format == "jsonl") }
	if slices.ContainsFunc(outputs, asJSON) {
		return json.NewEncoder(w).Encode(d)
	}
	_, err := io.WriteString(w, text.DryRun(d))
	return err
}
