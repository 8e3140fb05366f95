package phrase

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/probe/wording"
	"onmux/report/record"
	"onmux/scan"
	"onmux/scan/control"
)

// WordCount is how many there are of each word, in the order of
// reports; the words that are ours come first.
type WordCount struct {
	Word  string
	Count uint64
}

// Phrase is the word in a sentence: 1 "holds", 2 "hold".
func (t WordCount) Phrase() string {
	switch {
	case t.Word == record.CannotTell.String():
		return "undecided"
	case t.Count != 1 && t.Word == record.Holds.String():
		return "hold"
	case t.Count != 1 && t.Word == record.Fails.String():
		return "fail"
	}
	return t.Word
}

func Tallies(counts map[string]uint64) []WordCount {
	var order []string
	for _, s := range probe.States() {
		order = append(order, s.String())
	}
	for _, w := range local.Words() {
		order = append(order, string(w))
	}
	order = append(order, record.Outcomes()...)
	order = append(order, slices.Sorted(maps.Keys(counts))...)
	var out []WordCount
	seen := make(map[string]bool)
	for _, w := range order {
		if n := counts[w]; n > 0 && !seen[w] {
			seen[w] = true
			out = append(out, WordCount{w, n})
		}
	}
	return out
}

// Tally is "1 open, 200 closed, 55 filtered", in the order of the words of
// the command.
func Tally(command string, states map[string]uint64) string {
	var parts []string
	for _, w := range record.Words(command) {
		if n := states[w]; n > 0 {
			parts = append(parts, wording.Number(n)+" "+WordCount{w, n}.Phrase())
		}
	}
	return strings.Join(parts, ", ")
}

// Figures are how far a scan can be relied on, and what it cost.
func Figures(s scan.Summary, command string) []string {
	var out []string
	if s.Loss != nil {
		f := "loss" + NoBreak + strings.ReplaceAll(Percent(*s.Loss), " ", NoBreak)
		if s.ExpectedMissed != nil {
			f += ", " + Estimate(*s.ExpectedMissed) + NoBreak + "expected missed"
		}
		out = append(out, f)
	} else if command == "scan" && s.Targets > 0 {
		out = append(out, "loss not measurable")
	}
	if s.Contradictions > 0 {
		out = append(out, Count(s.Contradictions, "contradiction", "contradictions"))
	}
	if s.Probes > 0 && command == "scan" {
		f := Count(s.Probes, "probe", "probes")
		if s.Passes > 1 { // the first needs no word
			f += " in " + Count(uint64(s.Passes), "pass", "passes")
		}
		out = append(out, f)
	}
	return out
}

// Controls is how many of the endpoints that were asked again to find out what
// silence was worth answered.
func Controls(c *control.Summary) string {
	s := fmt.Sprintf("probed endpoints known to answer again: %s of %s answered",
		wording.Number(c.Answered), Count(c.Asked, "probe", "probes"))
	if w := c.Worst; w != nil {
		s += fmt.Sprintf("; %s from %s to %s UTC", Percent(w.Share),
			w.From.UTC().Format(time.TimeOnly), w.To.UTC().Format(time.TimeOnly))
	}
	return s
}
