package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/fatih/color"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"onmux/probe"
	"onmux/scan/local"
)

// maxViolations bounds how many violations are told one by one.
const maxViolations = 20

// page is the text handler: what a person reads. A layout, chosen by the
// command, tells the findings; violations, and how it ended, are told alike for
// all. Quiet text is only the verdicts, one a line, for scripts that want no
// JSON: neither violations nor a summary.
type page struct {
	printer
	layout     layout
	violations []Violation
	more       int // violations beyond maxViolations
}

// layout is how the findings of a command are told.
type layout interface {
	finding(Finding)
	end(End) // what is left, down to the line that sums up
	sum(End) string
}

func newText(w io.Writer, o Options) Handler { return &page{printer: newPrinter(w, o)} }

func (p *page) Start(s Start) error {
	switch s.Command {
	case "check":
		p.layout = &checkText{printer: &p.printer}
	case "probe":
		p.layout = &probeText{printer: &p.printer}
	case "explain":
		p.layout = &explainText{printer: &p.printer}
	default:
		p.layout = newScanText(&p.printer)
	}
	return nil
}

func (p *page) Finding(f Finding) error {
	if v, ok := f.(Violation); ok {
		if len(p.violations) == maxViolations && p.Verbosity != Verbose {
			p.more++
		} else {
			p.violations = append(p.violations, v)
		}
		return p.err
	}
	p.layout.finding(f)
	return p.err
}

func (p *page) End(e End) error {
	p.layout.end(e)
	if p.Verbosity == Quiet {
		return p.err
	}
	for _, v := range p.violations {
		subject := Visible(v.What) + " is "
		if v.Port == 0 { // a count: "expected open=0, but open=1"
			subject = ""
		}
		p.wrap("", p.bad(fmt.Sprintf("expected %s, but %s%s", Visible(v.Expected), subject, Visible(v.Actual))))
	}
	if p.more > 0 {
		p.wrap("", p.bad("and "+counted(uint64(p.more), "more violation")))
	}
	if p.Verbosity == Verbose {
		for _, c := range e.Coverage {
			p.wrap("", p.dim("coverage: "+Visible(c)))
		}
	}
	for _, h := range e.Hints {
		p.wrap("", "hint: "+Visible(h))
	}
	if n := e.Summary.NotReached; n > 0 {
		p.wrap("", p.warn(fmt.Sprintf("incomplete: %s of %s were not reached", grouped(n), counted(e.Summary.Targets+n, "endpoint"))))
	} else if !e.Complete {
		p.wrap("", p.warn("incomplete: it ended early"))
	}
	if sum := p.layout.sum(e); sum != "" {
		p.wrap("", sum)
	}
	return p.err
}

// printer writes lines that fit.
type printer struct {
	Options
	w   io.Writer
	err error // the first; nothing is written after it

	good, bad, warn, dim, bold func(string) string
}

func newPrinter(w io.Writer, o Options) printer {
	paint := func(attributes ...color.Attribute) func(string) string {
		c := color.New(attributes...)
		if o.Color {
			c.EnableColor()
		} else {
			c.DisableColor() // whatever the package's own global says
		}
		return func(s string) string { return c.Sprint(s) }
	}
	return printer{
		Options: o, w: w,
		good: paint(color.FgGreen, color.Bold), bad: paint(color.FgRed), warn: paint(color.FgYellow),
		dim: paint(color.Faint), bold: paint(color.Bold),
	}
}

// paint colours a state or verdict by its meaning. The word says the same.
func (p *printer) paint(word, s string) string {
	switch word {
	case probe.Open.String(), string(local.Listening):
		return p.good(s)
	case probe.Filtered.String(), probe.OpenFiltered.String(), string(local.Bound), string(local.Connected), string(local.Redirected), string(local.Elsewhere):
		return p.warn(s)
	case probe.Unreachable.String(), unknown:
		return p.bad(s)
	}
	return s
}

// put writes s as it is.
func (p *printer) put(s string) {
	if p.err == nil {
		_, p.err = io.WriteString(p.w, s)
	}
}

// line writes one line, cut to the width.
func (p *printer) line(s string) {
	s = strings.TrimRight(s, " ")
	if p.Width > 0 && text.StringWidthWithoutEscSequences(s) > p.Width {
		s = text.Snip(s, p.Width, "…")
	}
	p.put(s + "\n")
}

// wrap writes a sentence, broken at spaces to fit the width; all lines but the
// first are indented by two columns more.
func (p *printer) wrap(indent, s string) {
	if room := p.Width - len(indent) - 2; p.Width > 0 && text.StringWidthWithoutEscSequences(s) > room+2 && room > 0 {
		var lines []string
		for _, l := range strings.Split(text.WrapSoft(s, room), "\n") {
			lines = append(lines, strings.TrimRight(l, " "))
		}
		s = strings.Join(lines, "\n  "+indent)
	}
	p.put(indent + s + "\n")
}

// table writes rows under headings, without columns that are empty, cut to the
// width. Cells have no line breaks: they went through Visible.
func (p *printer) table(indent string, head []string, rows [][]string) {
	t := table.NewWriter()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	style.Box.UnfinishedRow = "…"
	style.Format.Header = text.FormatDefault
	if p.Width > 0 {
		style.Size.WidthMax = max(p.Width-len(indent), 8)
	}
	t.SetStyle(style)
	t.SuppressEmptyColumns()
	t.SuppressTrailingSpaces()
	heading := make(table.Row, len(head))
	for i, h := range head {
		heading[i] = p.dim(h)
	}
	t.AppendHeader(heading)
	for _, r := range rows {
		row := make(table.Row, len(r))
		for i, cell := range r {
			row[i] = cell
		}
		t.AppendRow(row)
	}
	for l := range strings.Lines(t.Render()) {
		p.put(indent + strings.TrimRight(l, " \n") + "\n")
	}
}

// port is "417/tcp", and "417/tcp (onmux)" in headlines.
func (p *printer) port(n probe.Port, headline bool) string {
	s := n.String()
	if headline && p.PortName != nil {
		if name := p.PortName(n); name != "" {
			s += " (" + Visible(name) + ")"
		}
	}
	return s
}

// states sums up in the order of words: "1 open, 3 closed".
func (p *printer) states(words []string, counts map[string]uint64) string {
	var parts []string
	for _, w := range words {
		if n := counts[w]; n > 0 {
			parts = append(parts, p.paint(w, grouped(n)+" "+w))
		}
	}
	return strings.Join(parts, ", ")
}
