package report

import (
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/probe/ports"
	"onmux/probe/wording"
	"onmux/scan"
)

// tableRows bounds what is told row by row: a step summary of GitHub holds 1 MiB.
const tableRows = 1000

// markdown writes GitHub's flavour, for the summary of a CI step: how it ended
// in the heading, what is not as expected first, then tables of what was found.
// The heading needs the end, so everything waits for it.
type markdown struct {
	w          io.Writer
	command    string
	tables     [5]strings.Builder // endpoints, ports, sockets, changes, rules
	rows       int
	left       uint64 // rows that are not told
	violations []Violation
	violated   int
	doubted    bool
}

var markdownHeads = [5]string{
	"| endpoint | state | reason | RTT | service |\n|---|---|---|--:|---|\n",
	"| port | verdict | why |\n|---|---|---|\n",
	"| socket | state | reach | owner |\n|---|---|---|---|\n",
	"| where | change | was | is |\n|---|---|---|---|\n",
	"| rule | outcome | found |\n|---|---|---|\n",
}

func newMarkdown(w io.Writer, _ Options) Handler { return &markdown{w: w} }

func (m *markdown) Start(s Start) error { m.command = s.Command; return nil }

func (m *markdown) Finding(f Finding) error {
	m.doubted = m.doubted || doubtful(f) != ""
	switch f := f.(type) {
	case probe.Result:
		name := f.Endpoint.String()
		if f.Host != "" {
			name += " (" + f.Host + ")"
		}
		rtt := ""
		if f.RTT > 0 {
			rtt = exactly(f.RTT)
		}
		m.row(0, name, f.State.String(), f.Reason.String(), rtt, strings.TrimPrefix(spoken(f.Service), ", ")+f.Error)
	case scan.Range:
		m.row(0, fmt.Sprintf("%s to %s, port %d/%s (%s)", f.First, f.Last, f.Port, f.Proto, wording.Number(f.Count)), f.State.String(), f.Reason.String(), "", f.Error)
	case local.Verdict:
		m.row(1, strconv.Itoa(int(f.Port))+"/"+f.Proto.String(), string(f.Verdict), lines(f.Why, f.Error, f.Bind...))
	case local.Listener:
		m.row(2, netip.AddrPortFrom(f.Address, f.Port).String()+"/"+f.Proto.String(), string(f.State), within(f), strings.TrimPrefix(heldBy(f.Owners), ", held by "))
	case ports.Info:
		var names []string
		for _, n := range f.Names {
			names = append(names, n.Name+" ("+n.Source+")")
		}
		m.row(1, strconv.Itoa(int(f.Port)), string(f.Range), lines(strings.Join(names, ", "), "", f.Notes...))
	case Change:
		what := f.What
		if f.Confidence == probe.Low {
			what += " (not certain: " + strings.Join(f.Notes, "; ") + ")"
		}
		m.row(3, f.place(), what, f.Old, f.New)
	case Rule:
		m.row(4, f.Name, f.Outcome.String(), lines(f.Found, f.Error))
	case Violation:
		if m.violated++; m.violated <= tableRows {
			m.violations = append(m.violations, f)
		}
	}
	return nil
}

func (m *markdown) row(table int, cells ...string) {
	if m.rows++; m.rows > tableRows {
		m.left++
		return
	}
	b := &m.tables[table]
	for _, c := range cells {
		b.WriteString("| " + markdownText(c) + " ")
	}
	b.WriteString("|\n")
}

func (m *markdown) End(e End) error {
	var b strings.Builder
	sign := map[Outcome]string{Holds: "✅", Fails: "❌", CannotTell: "❓"}[outcomeOf(e, m.violated)]
	told := cmp.Or(tallied(m.command, e.Summary.States), nothing(m.command, m.doubted))
	fmt.Fprintf(&b, "### %s onmux %s: %s\n\n", sign, markdownText(m.command), markdownText(told))
	if !e.Complete {
		b.WriteString("**The report is incomplete.**\n\n")
	}
	if m.violated > 0 {
		b.WriteString("| what | expected | found |\n|---|---|---|\n")
		for _, v := range m.violations {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", markdownText(v.subject()), markdownText(v.Expected), markdownText(v.Actual))
		}
		if n := m.violated - len(m.violations); n > 0 {
			fmt.Fprintf(&b, "\nand %s more\n", wording.Number(uint64(n)))
		}
		b.WriteByte('\n')
	}
	for i := range m.tables {
		if m.tables[i].Len() > 0 {
			b.WriteString(markdownHeads[i] + m.tables[i].String() + "\n")
		}
	}
	if m.left > 0 {
		fmt.Fprintf(&b, "%s more are not listed here.\n\n", wording.Number(m.left))
	}
	if len(e.Coverage) > 0 {
		b.WriteString("<details><summary>what was and was not looked at</summary>\n\n")
		for _, c := range e.Coverage {
			b.WriteString("- " + markdownText(c) + "\n")
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
	for _, r := range Visible(s) {
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
