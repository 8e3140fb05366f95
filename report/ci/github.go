package ci

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/report/phrase"
	"onmux/report/record"
	"onmux/scan"
)

// maxAnnotations is how many errors of one step GitHub shows.
const maxAnnotations = 10

// github writes workflow commands, which GitHub Actions shows as annotations: an
// error for each violation, at most ten in all, and one line about how it
// ended.
type github struct {
	record.Nop
	w          io.Writer
	command    string
	violations uint64
	doubts     uint64
	last       record.Violation // the tenth, which waits to see if there are more
}

func NewGitHub(w io.Writer, _ record.Options) record.Handler { return &github{w: w} }

// Start keeps the command.
func (g *github) Start(s record.Start) error { g.command = s.Command; return nil }

// Violation writes an error, as long as there are few.
func (g *github) Violation(v record.Violation) error {
	switch g.violations++; {
	case g.violations < maxAnnotations:
		return g.annotate("error", cmp.Or(v.Rule, v.What), phrase.Breach(v))
	case g.violations == maxAnnotations:
		g.last = v
	}
	return nil
}

// Change writes one that is certain as a violation.
func (g *github) Change(c record.Change) error {
	if c.Undecided {
		return nil // the coverage has their number
	}
	if why := phrase.DoubtOfChange(c); why != "" {
		return g.doubt(why)
	}
	return g.Violation(record.Violation{What: c.Place(), Expected: c.Old, Actual: c.New})
}

// Rule warns of one of which it is not known whether it holds; its violations follow.
func (g *github) Rule(r record.Rule) error { return g.doubt(phrase.DoubtOfRule(r)) }

// Endpoint warns of one that could not be measured.
// End writes how many violations there are more, and how it ended.
func (g *github) Endpoint(r probe.Result) error { return g.subject(r) }

// Range warns of one that could not be measured.
func (g *github) Range(r scan.Range) error { return g.subject(r) }

// Verdict warns of a port that could not be looked at.
func (g *github) Verdict(v local.Verdict) error { return g.subject(v) }

func (g *github) subject(f record.Finding) error {
	s, _ := record.About(f)
	return g.doubt(phrase.Doubt(s))
}

// doubt warns, if there is a reason. The last warning is the end's.
func (g *github) doubt(why string) error {
	if why == "" {
		return nil
	}
	if g.doubts++; g.doubts >= maxAnnotations {
		return nil
	}
	return g.annotate("warning", "could not tell", why)
}

// End writes how many violations there are more, and how it ended.
func (g *github) End(e record.End) error {
	var err error
	switch {
	case g.violations == maxAnnotations:
		err = g.annotate("error", cmp.Or(g.last.Rule, g.last.What), phrase.Breach(g.last))
	case g.violations > maxAnnotations:
		err = g.annotate("error", "more violations", fmt.Sprintf("%d more violations", g.violations-maxAnnotations+1))
	}
	if err != nil {
		return err
	}
	outcome := record.OutcomeOf(e, int(g.violations))
	summary := cmp.Or(phrase.Tally(g.command, e.Summary.States),
		phrase.Nothing(g.command, g.doubts > 0 || outcome == record.CannotTell))
	switch outcome {
	case record.Holds:
		return g.annotate("notice", "done", summary)
	case record.Fails:
		if e.Complete {
			return nil // the errors are enough
		}
	}
	if !e.Complete {
		summary = "the report is incomplete: " + strings.Join(append([]string{summary}, e.Coverage...), "; ")
	} else {
		summary = "could not tell: " + summary
	}
	return g.annotate("warning", "could not tell", summary)
}

func (g *github) annotate(kind, title, message string) error {
	_, err := fmt.Fprintf(g.w, "::%s title=%s::%s\n", kind,
		workflowProperty("onmux "+g.command+": "+title), workflowData(message))
	return err
}

// workflowData and workflowProperty escape as the runner unescapes (actions/toolkit, command.ts).
func workflowData(s string) string {
	return strings.ReplaceAll(phrase.Visible(s), "%", "%25") // line breaks are visible already
}

func workflowProperty(s string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(workflowData(s))
}
