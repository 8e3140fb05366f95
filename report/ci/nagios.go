package ci

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/report/phrase"
	"onmux/report/record"
	"onmux/scan"
)

// maxPerfdata bounds the round-trip times in the performance data.
const maxPerfdata = 16

// nagios writes the output of a plugin for Nagios or Icinga (Monitoring Plugins
// Development Guidelines): the status and what made it in the first line,
// performance data behind a bar, violations as long text.
type nagios struct {
	record.Nop
	w          io.Writer
	command    string
	first      string // what was found, if it was one thing
	things     int
	violations []string
	violated   int
	doubts     []string // why something is not known
	doubted    int
	perfdata   []string
}

func NewNagios(w io.Writer, _ record.Options) record.Handler { return &nagios{w: w} }

// Start keeps the command.
func (n *nagios) Start(s record.Start) error { n.command = s.Command; return nil }

// Violation counts it, and keeps the first.
func (n *nagios) Violation(v record.Violation) error {
	if n.violated++; n.violated <= phrase.MaxListed {
		n.violations = append(n.violations, phrase.Breach(v))
	}
	return nil
}

// Change counts one that is certain as a violation.
func (n *nagios) Change(c record.Change) error {
	if why := phrase.DoubtOfChange(c); why != "" {
		n.doubt(why)
		return nil
	}
	return n.Violation(record.Violation{What: c.Place(), Expected: c.Old, Actual: c.New})
}

// Rule counts one of which it is not known whether it holds; its violations follow.
func (n *nagios) Rule(r record.Rule) error {
	n.doubt(phrase.DoubtOfRule(r))
	return nil
}

// Endpoint measures it.
func (n *nagios) Endpoint(r probe.Result) error {
	n.subject(r)
	if r.RTT > 0 {
		n.measure("'rtt %s'=%sms;;;0", r.Endpoint, phrase.Milliseconds(r.RTT))
	}
	if a := r.Attempts; a != nil {
		n.measure("'loss %s'=%.4g%%;;;0;100", r.Endpoint, 100*a.Loss)
	}
	return nil
}

// Range counts as one thing.
func (n *nagios) Range(r scan.Range) error {
	n.subject(r)
	return nil
}

// Verdict counts as one thing.
func (n *nagios) Verdict(v local.Verdict) error {
	n.subject(v)
	return nil
}

// Listener measures its accept queue.
func (n *nagios) Listener(l local.Listener) error {
	if b := l.Backlog; b != nil && !record.Elsewhere(l) {
		n.measure("'backlog %s %d/%s'=%d;;%d;0", l.Address, l.Port, l.Proto, b.Used, b.Limit)
	}
	return nil
}

func (n *nagios) subject(f record.Finding) {
	s, _ := record.About(f)
	n.doubt(phrase.Doubt(s))
	if n.things++; n.things == 1 {
		n.first = phrase.OneLine(f)
	}
}

// doubt keeps why something is not known, if there is a reason.
func (n *nagios) doubt(why string) {
	if why == "" {
		return
	}
	if n.doubted++; n.doubted <= phrase.MaxListed {
		n.doubts = append(n.doubts, why)
	}
}

// measure adds performance data, as long as there is little.
func (n *nagios) measure(format string, args ...any) {
	if len(n.perfdata) < maxPerfdata {
		n.perfdata = append(n.perfdata, fmt.Sprintf(format, args...))
	}
}

// End writes everything: what the first line has of violations and doubts is not
// repeated below it.
func (n *nagios) End(e record.End) error {
	status, text, long := n.verdict(e)
	if !e.Complete {
		text += " (the report is incomplete)"
	}
	for _, w := range record.Words(n.command) {
		if count, ok := e.Summary.States[w]; ok {
			n.perfdata = append(n.perfdata, fmt.Sprintf("'%s'=%d;;;0", strings.ReplaceAll(w, "|", "/"), count))
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "ONMUX %s - %s", status, noBar(text))
	if len(n.perfdata) > 0 {
		b.WriteString(" | " + strings.Join(n.perfdata, " "))
	}
	b.WriteByte('\n')
	for _, line := range long {
		b.WriteString(noBar(line) + "\n")
	}
	_, err := io.WriteString(n.w, b.String())
	return err
}

// verdict is the status, what made it, and the violations and doubts that are not
// in that text.
func (n *nagios) verdict(e record.End) (status, text string, long []string) {
	violations, doubts := n.violations, n.doubts
	more := 0
	switch record.OutcomeOf(e, n.violated) {
	case record.Holds:
		status = "OK"
	case record.Fails:
		if status = "CRITICAL"; n.violated > 0 {
			text, violations, more = violations[0], violations[1:], n.violated-1
		}
	default:
		if status = "UNKNOWN"; n.doubted > 0 {
			text, doubts, more = doubts[0], doubts[1:], n.doubted-1
		}
	}
	switch {
	case text != "":
	case n.things == 1 && status != "CRITICAL":
		text = n.first
	default:
		text = cmp.Or(phrase.Tally(n.command, e.Summary.States), phrase.Nothing(n.command, n.doubted > 0))
	}
	if more > 0 {
		text = fmt.Sprintf("%s (and %d more)", text, more)
	}
	return status, text, slices.Concat(violations, doubts)
}

// noBar is a text without the bar that begins performance data.
func noBar(s string) string { return strings.ReplaceAll(phrase.Visible(s), "|", "/") }
