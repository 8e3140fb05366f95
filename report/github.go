package report

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"onmux/probe"
)

// maxAnnotations is how many errors of one step GitHub shows.
const maxAnnotations = 10

// github writes workflow commands, which GitHub Actions shows as annotations: an
// error for each violation, at most ten in all, and one line that says how it
// ended.
type github struct {
	w          io.Writer
	command    string
	violations uint64
	doubts     uint64
	last       Violation // the tenth, which waits to see if there are more
}

func newGitHub(w io.Writer, _ Options) Handler { return &github{w: w} }

func (g *github) Start(s Start) error { g.command = s.Command; return nil }

func (g *github) Finding(f Finding) error {
	v, ok := f.(Violation)
	if c, is := f.(Change); is && c.Confidence != probe.Low {
		v, ok = Violation{What: c.place(), Expected: c.Old, Actual: c.New}, true
	}
	if !ok {
		return g.doubt(f)
	}
	switch g.violations++; {
	case g.violations < maxAnnotations:
		return g.annotate("error", cmp.Or(v.Rule, v.What), v.breach())
	case g.violations == maxAnnotations:
		g.last = v
	}
	return nil
}

// doubt warns of what could not be told. The last warning is the end's.
func (g *github) doubt(f Finding) error {
	why := doubtful(f)
	if why == "" {
		return nil
	}
	if g.doubts++; g.doubts >= maxAnnotations {
		return nil
	}
	return g.annotate("warning", "could not tell", why)
}

func (g *github) End(e End) error {
	var err error
	switch {
	case g.violations == maxAnnotations:
		err = g.annotate("error", cmp.Or(g.last.Rule, g.last.What), g.last.breach())
	case g.violations > maxAnnotations:
		err = g.annotate("error", "more violations", fmt.Sprintf("%d more violations", g.violations-maxAnnotations+1))
	}
	if err != nil {
		return err
	}
	told := cmp.Or(tallied(g.command, e.Summary.States), nothing(g.command, g.doubts > 0))
	switch outcomeOf(e, int(g.violations)) {
	case Holds:
		return g.annotate("notice", "done", told)
	case Fails:
		if e.Complete {
			return nil // the errors say it
		}
	}
	if !e.Complete {
		told = "the report is incomplete: " + strings.Join(append([]string{told}, e.Coverage...), "; ")
	} else {
		told = "could not tell: " + told
	}
	return g.annotate("warning", "could not tell", told)
}

func (g *github) annotate(kind, title, message string) error {
	_, err := fmt.Fprintf(g.w, "::%s title=%s::%s\n", kind,
		workflowProperty("onmux "+g.command+": "+title), workflowData(message))
	return err
}

// workflowData and workflowProperty escape as the runner unescapes (actions/toolkit, command.ts).
func workflowData(s string) string {
	return strings.ReplaceAll(Visible(s), "%", "%25") // line breaks are visible already
}

func workflowProperty(s string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(workflowData(s))
}
