package phrase

import (
	"fmt"

	"onmux/probe/wording"
	"onmux/report/record"
)

// StoppedAtFirst is why a run that was to find so many open endpoints has no more, and how
// many it left out that were open, or silent until then.
func StoppedAtFirst(most, open, silent uint64) string {
	s := fmt.Sprintf("stopped after %s (--first)", wording.Count(most, "open endpoint", "open endpoints"))
	if open > 0 {
		s += fmt.Sprintf("; %s more answered as open meanwhile, and have no record", wording.Number(open))
	}
	if silent > 0 {
		s += fmt.Sprintf("; %s had not answered yet, and have no record", wording.Number(silent))
	}
	return s
}

// StoppedShort is how such a run ended, in one line.
func StoppedShort(e record.End) string {
	n, found := e.Summary.NotReached, wording.Count(e.First, "open endpoint", "open endpoints")
	verb := "have"
	if n == 1 {
		verb = "has"
	}
	return fmt.Sprintf("stopped after %s: %s of %s %s no record", found, wording.Number(n),
		wording.Count(e.Summary.Targets+n, "endpoint", "endpoints"), verb)
}
