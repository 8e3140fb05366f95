package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"onmux/probe"
	"onmux/probe/local"
)

// maxPerfdata bounds the round-trip times in the performance data.
const maxPerfdata = 16

// nagios writes what a plugin of Nagios or Icinga says (Monitoring Plugins
// Development Guidelines): the status and what made it in the first line,
// performance data behind a bar, violations as long text.
type nagios struct {
	w          io.Writer
	command    string
	first      string // what was found, if it was one thing
	things     int
	violations []string
	violated   int
	doubts     []string // why something could not be told
	doubted    int
	perfdata   []string
}

func newNagios(w io.Writer, _ Options) Handler { return &nagios{w: w} }

func (n *nagios) Start(s Start) error { n.command = s.Command; return nil }

func (n *nagios) Finding(f Finding) error {
	v, ok := f.(Violation)
	if c, is := f.(Change); is && c.Confidence != probe.Low {
		v, ok = Violation{What: c.place(), Expected: c.Old, Actual: c.New}, true
	}
	if ok {
		if n.violated++; n.violated <= maxViolations {
			n.violations = append(n.violations, v.breach())
		}
		return nil
	}
	if why := doubtful(f); why != "" {
		if n.doubted++; n.doubted <= maxViolations {
			n.doubts = append(n.doubts, why)
		}
	}
	if s, ok := about(f); ok {
		if n.things++; n.things == 1 {
			n.first = s.what + " " + sentence(f)
		}
	}
	if len(n.perfdata) < maxPerfdata {
		n.measure(f)
	}
	return nil
}

func (n *nagios) measure(f Finding) {
	switch f := f.(type) {
	case probe.Result:
		if f.RTT > 0 {
			n.perfdata = append(n.perfdata, fmt.Sprintf("'rtt %s'=%sms;;;0", f.Endpoint, milliseconds(f.RTT)))
		}
		if a := f.Attempts; a != nil {
			n.perfdata = append(n.perfdata, fmt.Sprintf("'loss %s'=%.4g%%;;;0;100", f.Endpoint, 100*a.Loss))
		}
	case local.Listener:
		if b := f.Backlog; b != nil && !elsewhere(f) {
			n.perfdata = append(n.perfdata, fmt.Sprintf("'backlog %s %d/%s'=%d;;%d;0", f.Address, f.Port, f.Proto, b.Used, b.Limit))
		}
	}
}

func (n *nagios) End(e End) error {
	status, said := n.verdict(e)
	if !e.Complete {
		said += " (the report is incomplete)"
	}
	for _, w := range vocabulary(n.command) {
		if count, ok := e.Summary.States[w]; ok {
			n.perfdata = append(n.perfdata, fmt.Sprintf("'%s'=%d;;;0", strings.ReplaceAll(w, "|", "/"), count))
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "ONMUX %s - %s", status, noBar(said))
	if len(n.perfdata) > 0 {
		b.WriteString(" | " + strings.Join(n.perfdata, " "))
	}
	b.WriteByte('\n')
	for _, more := range slices.Concat(n.violations, n.doubts) {
		if !strings.HasPrefix(said, more) {
			b.WriteString(noBar(more) + "\n")
		}
	}
	_, err := io.WriteString(n.w, b.String())
	return err
}

// verdict is the status, and what made it.
func (n *nagios) verdict(e End) (status, said string) {
	more := 0
	switch outcomeOf(e, n.violated) {
	case Holds:
		status = "OK"
	case Fails:
		if status = "CRITICAL"; n.violated > 0 {
			said, more = n.violations[0], n.violated-1
		}
	default:
		if status = "UNKNOWN"; n.doubted > 0 {
			said, more = n.doubts[0], n.doubted-1
		}
	}
	switch {
	case said != "":
	case n.things == 1 && status != "CRITICAL":
		said = n.first
	default:
		said = cmp.Or(tallied(n.command, e.Summary.States), nothing(n.command, n.doubted > 0))
	}
	if more > 0 {
		said = fmt.Sprintf("%s (and %d more)", said, more)
	}
	return status, said
}

// noBar is a text without the bar that begins performance data.
func noBar(s string) string { return strings.ReplaceAll(Visible(s), "|", "/") }
