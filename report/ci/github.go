package ci

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/probe/wording"
	"onmux/report/phrase"
	"onmux/report/record"
	"onmux/scan"
)

// maxAnnotations is how many errors of one step GitHub shows.
const maxAnnotations = 10

// github writes workflow commands, which GitHub Actions shows as annotations: an
// error for each kind of violation, at most ten in all, and one line about how it
// ended. The rules of a policy have their place in its file.
type github struct {
	record.Nop
	w          io.Writer
	command    string
	violations uint64
	kept       []record.Violation // until the end, when many that are alike are one
	doubts     uint64
	places     map[string]string // of rules by name, as properties of a workflow command
}

func NewGitHub(w io.Writer, _ record.Options) record.Handler {
	return &github{w: w, places: make(map[string]string)}
}

// Start keeps the command.
func (g *github) Start(s record.Start) error { g.command = s.Command; return nil }

// Violation keeps it for the end.
func (g *github) Violation(v record.Violation) error {
	g.violations++
	if len(g.kept) < phrase.MaxViolations {
		g.kept = append(g.kept, v)
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
func (g *github) Rule(r record.Rule) error {
	if r.File != "" {
		g.places[r.Name] = fmt.Sprintf("file=%s,line=%d,", workflowProperty(r.File), max(r.Line, 1))
	}
	return g.doubtAt(r.Name, phrase.DoubtOfRule(r))
}

// Endpoint warns of one that could not be measured.
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
func (g *github) doubt(why string) error { return g.doubtAt("", why) }

func (g *github) doubtAt(rule, why string) error {
	if why == "" {
		return nil
	}
	if g.doubts++; g.doubts >= maxAnnotations {
		return nil
	}
	return g.annotate("warning", rule, "could not tell", why)
}

// errors writes the violations: those that are alike together, if there are many.
func (g *github) errors() error {
	type one struct {
		about record.Violation
		text  string
		count uint64
	}
	var all []one
	for _, alike := range phrase.Alike(g.kept) {
		if len(alike) > phrase.FewAlike {
			v := alike[0]
			phrase.ByAddress(alike)
			v.What = phrase.Places(alike)
			all = append(all, one{alike[0], phrase.Breach(v), uint64(len(alike))})
			continue
		}
		for _, v := range alike {
			all = append(all, one{v, phrase.Breach(v), 1})
		}
	}
	left := g.violations
	for i, o := range all {
		if i == maxAnnotations-1 && left > o.count {
			break
		}
		left -= o.count
		if err := g.annotate("error", o.about.Rule, cmp.Or(o.about.Rule, o.about.What), o.text); err != nil {
			return err
		}
	}
	if left > 0 {
		return g.annotate("error", "", "more violations", wording.Count(left, "more violation", "more violations"))
	}
	return nil
}

// End writes the violations, and how it ended.
func (g *github) End(e record.End) error {
	if err := g.errors(); err != nil {
		return err
	}
	outcome := record.OutcomeOf(e, int(g.violations))
	summary := cmp.Or(phrase.Tally(g.command, e.Summary.States),
		phrase.Nothing(g.command, g.doubts > 0 || outcome == record.CannotTell))
	switch outcome {
	case record.Holds:
		return g.annotate("notice", "", "done", summary)
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
	return g.annotate("warning", "", "could not tell", summary)
}

// annotate writes one annotation; rule names the rule that it is of, if it is of one.
func (g *github) annotate(kind, rule, title, message string) error {
	_, err := fmt.Fprintf(g.w, "::%s %stitle=%s::%s\n", kind, g.places[rule],
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
