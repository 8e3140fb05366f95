package ci

import (
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"onmux/probe"
	"onmux/probe/listen"
	"onmux/probe/local"
	"onmux/probe/ports"
	"onmux/probe/wording"
	"onmux/report/phrase"
	"onmux/report/phrase/arrival"
	"onmux/report/phrase/passing"
	"onmux/report/record"
	"onmux/scan"
	"onmux/scan/wire"
)

// markdown writes GitHub's flavour, for the summary of a CI step: how it ended
// in the heading, what is not as expected first, then tables of what was found.
// The heading needs the end, so everything waits for it. A summary holds 1 MiB: what
// does not fit is counted.
type markdown struct {
	record.Nop
	w          io.Writer
	command    string
	tables     [8]strings.Builder // of markdownHeads
	rows       int                // bytes in them
	left       uint64             // rows that are not listed
	violations strings.Builder
	violated   int
	unlisted   uint64 // violations
	doubted    bool
}

// The most bytes of the parts of a summary; with the heading they are less than 1 MiB.
const (
	maxMarkdownViolations = 400 << 10
	maxMarkdownRows       = 480 << 10
	maxMarkdownCoverage   = 100 << 10
)

var markdownHeads = [8]string{
	"| endpoint | state | reason | RTT | service |\n|---|---|---|--:|---|\n",
	"| port | verdict | why |\n|---|---|---|\n",
	"| socket | state | reach | owner |\n|---|---|---|---|\n",
	"| where | change | was | is |\n|---|---|---|---|\n",
	"| rule | outcome | found |\n|---|---|---|\n",
	"| zone | endpoint | state | reason | RTT | service |\n|---|---|---|---|--:|---|\n",
	"| flow | state | reason | what passed |\n|---|---|---|---|\n",
	"| client | to | when | what came |\n|---|---|---|---|\n",
}

func NewMarkdown(w io.Writer, _ record.Options) record.Handler { return &markdown{w: w} }

// Start keeps the command.
func (m *markdown) Start(s record.Start) error { m.command = s.Command; return nil }

// Endpoint adds a row.
func (m *markdown) Endpoint(r probe.Result) error {
	zone := r.Zone
	r.Zone = "" // it has a column
	name := record.Place(r)
	if r.Host != "" && r.Addr.IsValid() {
		name += " (" + strings.Join(r.Names(), ", ") + ")"
	}
	rtt := ""
	if r.RTT > 0 {
		rtt = phrase.Duration(time.Duration(r.RTT))
	}
	return m.endpoint(zone, name, r.State.String(), r.Reason.String(), rtt, phrase.Product(r.Service)+r.Error)
}

// Range adds a row.
func (m *markdown) Range(r scan.Range) error {
	place := fmt.Sprintf("%s to %s, port %d/%s (%s)", r.First, r.Last, r.Port, r.Proto, wording.Number(r.Count))
	return m.endpoint(r.Zone, place, r.State.String(), r.Reason.String(), "", r.Error)
}

// endpoint adds a row to the table of endpoints, or to that of a scan from several zones.
func (m *markdown) endpoint(zone string, cells ...string) error {
	if zone != "" {
		return m.row(5, append([]string{zone}, cells...)...)
	}
	return m.row(0, cells...)
}

// Verdict adds a row.
func (m *markdown) Verdict(v local.Verdict) error {
	return m.row(1, strconv.Itoa(int(v.Port))+"/"+v.Proto.String(), string(v.Verdict),
		phrase.Join(v.Why, v.Error, v.Bind...))
}

// Listener adds a row.
func (m *markdown) Listener(l local.Listener) error {
	return m.row(2, netip.AddrPortFrom(l.Address, l.Port).String()+"/"+l.Proto.String(), string(l.State),
		phrase.Reach(l), phrase.Holders(l.Owners))
}

// Event adds a row.
func (m *markdown) Event(e local.Event) error {
	return m.row(2, netip.AddrPortFrom(e.Address, e.Port).String()+"/"+e.Proto.String(), string(e.Event),
		phrase.Reach(e.Listener), phrase.Join(e.Time.Format(time.RFC3339), phrase.Holders(e.Owners)))
}

// Flow adds a row. One that only began comes again.
func (m *markdown) Flow(f wire.Flow) error {
	if f.Event != "" {
		return nil
	}
	return m.row(6, passing.Client(f)+" to "+f.Endpoint.String(), f.State.String(), f.Reason.String(),
		phrase.Join(passing.Period(f.First, f.Last), "", passing.Flow(f)...))
}

// Arrival adds a row.
func (m *markdown) Arrival(a listen.Arrival) error {
	return m.row(7, netip.AddrPortFrom(a.Client, a.ClientPort).String(), probe.Port{Number: a.Port,
		Proto: a.Proto}.String(), a.Time.Format(time.RFC3339), strings.Join(arrival.Line(a), ", "))
}

// Port adds a row.
func (m *markdown) Port(p ports.Info) error {
	var names []string
	for _, n := range p.Names {
		names = append(names, n.Name+" ("+n.Source+")")
	}
	return m.row(1, strconv.Itoa(int(p.Port)), string(p.Range), phrase.Join(strings.Join(names, ", "), "", p.Notes...))
}

// Change adds a row.
func (m *markdown) Change(c record.Change) error {
	if c.Undecided {
		return nil // the coverage has their number
	}
	what := c.What
	if c.Confidence == probe.Low {
		m.doubted = true
		what += " (" + phrase.NotCertain(c) + ")"
	}
	return m.row(3, c.Place(), what, c.Old, c.New)
}

// Rule adds a row.
func (m *markdown) Rule(r record.Rule) error {
	return m.row(4, r.Name, r.Outcome.String(), phrase.Join(r.Found, r.Error))
}

// Violation adds a row, if it fits.
func (m *markdown) Violation(v record.Violation) error {
	m.violated++
	row := markdownRow(phrase.Violated(v), v.Expected, v.Actual)
	if m.unlisted > 0 || m.violations.Len()+len(row) > maxMarkdownViolations {
		m.unlisted++
		return nil
	}
	m.violations.WriteString(row)
	return nil
}

// row adds one to a table, if it fits.
func (m *markdown) row(table int, cells ...string) error {
	row := markdownRow(cells...)
	if m.rows+len(row) > maxMarkdownRows {
		m.left++
		return nil
	}
	m.rows += len(row)
	m.tables[table].WriteString(row)
	return nil
}

func markdownRow(cells ...string) string {
	var b strings.Builder
	for _, c := range cells {
		b.WriteString("| " + markdownText(c) + " ")
	}
	b.WriteString("|\n")
	return b.String()
}

// End writes everything.
func (m *markdown) End(e record.End) error {
	var b strings.Builder
	signs := map[record.Outcome]string{record.Holds: "✅", record.Fails: "❌", record.CannotTell: "❓"}
	sign := signs[record.OutcomeOf(e, m.violated)]
	summary := cmp.Or(phrase.Tally(m.command, e.Summary.States), phrase.Nothing(m.command, m.doubted))
	fmt.Fprintf(&b, "### %s onmux %s: %s\n\n", sign, markdownText(m.command), markdownText(summary))
	if !e.Complete {
		b.WriteString("**The report is incomplete.**\n\n")
	}
	if m.violated > 0 {
		b.WriteString("| what | expected | found |\n|---|---|---|\n" + m.violations.String())
		if m.unlisted > 0 {
			fmt.Fprintf(&b, "\nand %s more, which are too long to be listed here\n", wording.Number(m.unlisted))
		}
		b.WriteByte('\n')
	}
	for i := range m.tables {
		if m.tables[i].Len() > 0 {
			b.WriteString(markdownHeads[i] + m.tables[i].String() + "\n")
		}
	}
	if m.left > 0 {
		fmt.Fprintf(&b, "%s more are not listed: the summary of a step holds 1 MiB.\n\n", wording.Number(m.left))
	}
	if len(e.Coverage) > 0 {
		b.WriteString("<details><summary>what was and was not looked at</summary>\n\n")
		room := maxMarkdownCoverage
		for i, c := range e.Coverage {
			line := "- " + markdownText(c) + "\n"
			if room -= len(line); room < 0 {
				fmt.Fprintf(&b, "- and %d more, which are too long to be listed here\n", len(e.Coverage)-i)
				break
			}
			b.WriteString(line)
		}
		b.WriteString("\n</details>\n")
	}
	_, err := io.WriteString(m.w, b.String())
	return err
}

// markdownText is s as text and nothing else: ASCII punctuation that may mean
// something is escaped (CommonMark 0.31, section 2.4), and links are not made
// of addresses and mentions.
func markdownText(s string) string {
	var b strings.Builder
	for _, r := range phrase.Visible(strings.ReplaceAll(s, phrase.NoBreak, " ")) {
		switch {
		case r == '<':
			b.WriteString("&lt;")
		case r == '&':
			b.WriteString("&amp;")
		case r == '@':
			b.WriteString("&#64;")
		case strings.ContainsRune("\\`*_{}[]()#+!|~>$^=", r):
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return strings.ReplaceAll(b.String(), "://", "&#58;//")
}
