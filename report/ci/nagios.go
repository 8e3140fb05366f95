package ci

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/report/phrase"
	"onmux/report/record"
	"onmux/scan"
)

// maxPerfdata bounds the performance data, in bytes: Nagios takes 8 KiB of a plugin's output
// (MAX_PLUGIN_OUTPUT_LENGTH).
const maxPerfdata = 6 << 10

// nagios writes the output of a plugin for Nagios or Icinga (Monitoring Plugins
// Development Guidelines): the status and what made it in the first line,
// performance data behind a bar, violations as long text. The labels of the performance
// data are the same, in the same order, whatever is found; what is not known is U.
type nagios struct {
	record.Nop
	w          io.Writer
	title      string
	command    string
	first      string // what was found, if it was one thing
	things     int
	violations []string
	violated   int
	doubts     []string // why something is not known
	doubted    int
	perfdata   map[string]string // by label
	left       int               // labels for which there was no room
}

func NewNagios(w io.Writer, o record.Options) record.Handler {
	return &nagios{w: w, title: cmp.Or(o.Title, "ONMUX"), perfdata: make(map[string]string)}
}

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
	if c.Undecided {
		return nil // the coverage has their number
	}
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
	if n.command != "probe" { // a scan reports some singly, others in ranges
		return nil
	}
	rtt := "U"
	if r.RTT > 0 {
		rtt = phrase.Milliseconds(r.RTT) + "ms;;;0"
	}
	n.measure("rtt "+record.Place(r), rtt)
	if a := r.Attempts; a != nil {
		n.measure("loss "+record.Place(r), fmt.Sprintf("%.4g%%;;;0;100", 100*a.Loss))
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
		n.measure(fmt.Sprintf("backlog %s %d/%s", l.Address, l.Port, l.Proto), fmt.Sprintf("%d;;%d;0", b.Used, b.Limit))
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

// measure adds performance data; of several with one label the first counts.
func (n *nagios) measure(label, value string) {
	label = strings.NewReplacer("'", "''", "=", ":").Replace(noBar(label))
	if _, known := n.perfdata[label]; !known {
		n.perfdata[label] = value
	}
}

// data is the performance data: the counts of every word, then what was measured, by label.
func (n *nagios) data(states map[string]uint64) string {
	var b strings.Builder
	for _, w := range record.Words(n.command) {
		fmt.Fprintf(&b, " '%s'=%d;;;0", strings.ReplaceAll(w, "|", "/"), states[w])
	}
	for _, label := range slices.Sorted(maps.Keys(n.perfdata)) {
		one := " '" + label + "'=" + n.perfdata[label]
		if n.left > 0 || b.Len()+len(one) > maxPerfdata {
			n.left++
			continue
		}
		b.WriteString(one)
	}
	return b.String()
}

// End writes everything: what the first line has of violations and doubts is not
// repeated below it.
func (n *nagios) End(e record.End) error {
	status, text, long := n.verdict(e)
	if !e.Complete {
		text += " (the report is incomplete)"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s - %s |%s\n", noBar(n.title), status, noBar(text), n.data(e.Summary.States))
	if n.left > 0 {
		long = append(long, phrase.Count(uint64(n.left), "label", "labels")+" of performance data left out")
	}
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
		text = cmp.Or(
			phrase.Tally(n.command, e.Summary.States),
			phrase.Nothing(n.command, n.doubted > 0 || status == "UNKNOWN"),
		)
	}
	if more > 0 {
		text = fmt.Sprintf("%s (and %d more)", text, more)
	}
	return status, text, slices.Concat(violations, doubts)
}

// noBar is a text without the bar that begins performance data.
func noBar(s string) string { return strings.ReplaceAll(phrase.Visible(s), "|", "/") }
