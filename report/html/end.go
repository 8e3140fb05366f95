package html

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"
	"time"

	"onmux/probe/wording"
	"onmux/report/phrase"
	"onmux/report/record"
)

// End writes all that stands in the page as text, and what draws the rest.
func (h *page) End(e record.End) error {
	b := &h.table.buf
	b.WriteString("]</script>\n</head>\n<body>\n")
	h.header(e)
	b.WriteString("<main>\n")
	counts(b, e)
	h.writeViolations()
	b.WriteString("<section id=\"map\" hidden></section>\n<section id=\"rtt\" hidden></section>\n<section " +
		"id=\"all\"><h2>Everything that was found</h2>\n")
	if h.table.left > 0 {
		fmt.Fprintf(b, "<p class=\"gap\">%s more rows are not on this page; the counts have them. The formats json, "+
			"jsonl and csv have all of them.</p>\n", wording.Number(h.table.left))
	}
	h.table.noscript()
	b.WriteString("</section>\n")
	if len(e.Coverage) > 0 || len(e.Hints) > 0 {
		b.WriteString("<section><h2>What was and was not looked at</h2>\n<ul>\n")
		for _, s := range e.Coverage {
			b.WriteString("<li>" + htmlText(s) + "</li>\n")
		}
		for _, s := range e.Hints {
			b.WriteString("<li>hint: " + htmlText(s) + "</li>\n")
		}
		b.WriteString("</ul></section>\n")
	}
	fmt.Fprintf(b, "</main>\n<footer>onmux %s, %s</footer>\n<script>%s</script>\n</body>\n</html>\n",
		htmlText(h.start.Version), htmlText(record.Schema), pageScript())
	return h.table.flush()
}

// header answers the question: what came of it, in a line.
func (h *page) header(e record.End) {
	class, badge := "holds", "complete"
	switch record.OutcomeOf(e, h.violated) {
	case record.Fails:
		class, badge = "fails", "not as expected"
	case record.CannotTell:
		class, badge = "unsure", "not certain"
	}
	if !e.Complete {
		class, badge = "unsure", "incomplete"
		if h.violated > 0 {
			class, badge = "fails", "not as expected, and incomplete"
		}
	}
	head := phrase.Tally(h.start.Command, e.Summary.States)
	if h.asked == 1 {
		head = h.answer
	}
	head = cmp.Or(head, phrase.Nothing(h.start.Command, h.doubted))
	fmt.Fprintf(&h.table.buf, "<header>\n<p class=\"badge %s\">%s</p>\n<h1>onmux %s: %s</h1>\n<p class=\"meta\">",
		class, badge, htmlText(h.start.Command), htmlText(head))
	parts := []string{h.start.Started.UTC().Format(time.DateTime) + " UTC"}
	if e.Summary.Duration > 0 {
		parts = append(parts, "took "+phrase.Duration(time.Duration(e.Summary.Duration)))
	}
	for _, f := range phrase.Figures(e.Summary, h.start.Command) {
		parts = append(parts, strings.ReplaceAll(f, phrase.NoBreak, " "))
	}
	h.table.buf.WriteString(htmlText(strings.Join(parts, "; ")) + "</p>\n")
	if !e.Complete {
		h.table.buf.WriteString("<p class=\"gap\">This report is incomplete: what is not here was not found out.</p>\n")
	}
	h.table.buf.WriteString("</header>\n")
}

func counts(b *bytes.Buffer, e record.End) {
	b.WriteString("<ul class=\"counts\" aria-label=\"how many of each\">\n")
	for _, t := range phrase.Tallies(e.Summary.States) {
		fmt.Fprintf(b, "<li data-word=\"%s\"><b>%s</b> %s</li>\n", htmlText(t.Word), wording.Number(t.Count),
			htmlText(t.Word))
	}
	if n := e.Summary.NotReached; n > 0 {
		fmt.Fprintf(b, "<li><b>%s</b> not reached</li>\n", wording.Number(n))
	}
	b.WriteString("</ul>\n")
}

// writeViolations lists what is not as expected; more than a few are folded.
func (h *page) writeViolations() {
	b := &h.table.buf
	if h.violated == 0 {
		return
	}
	b.WriteString("<section id=\"violations\"><h2>Not as expected</h2>\n")
	first := min(len(h.violations), phrase.MaxListed)
	violationTable(b, h.violations[:first])
	if first < len(h.violations) {
		fmt.Fprintf(b, "<details><summary>and %s more</summary>\n", wording.Number(uint64(h.violated-first)))
		violationTable(b, h.violations[first:])
		if n := h.violated - len(h.violations); n > 0 {
			fmt.Fprintf(b, "<p class=\"gap\">%s more are not on this page</p>\n", wording.Number(uint64(n)))
		}
		b.WriteString("</details>\n")
	}
	b.WriteString("</section>\n")
}

func violationTable(b *bytes.Buffer, all []record.Violation) {
	b.WriteString("<div class=\"wide\"><table>\n<thead><tr><th scope=\"col\">what</th><th " +
		"scope=\"col\">expected</th><th scope=\"col\">found</th></tr></thead>\n<tbody>\n")
	for _, v := range all {
		what := v.What
		if v.Rule != "" && v.Rule != what {
			what = v.Rule + ": " + what
		}
		fmt.Fprintf(b, "<tr><th scope=\"row\">%s</th><td>%s</td><td>%s</td></tr>\n", htmlText(what),
			htmlText(v.Expected), htmlText(v.Actual))
	}
	b.WriteString("</tbody></table></div>\n")
}

// noscript is the table for readers that run no scripts.
func (t *rows) noscript() {
	b := &t.buf
	b.WriteString("<noscript><div class=\"wide\"><table>\n<thead><tr><th scope=\"col\">where</th><th " +
		"scope=\"col\">state</th><th scope=\"col\">reason</th><th scope=\"col\">what is " +
		"there</th></tr></thead>\n<tbody>\n")
	for _, r := range t.plain {
		fmt.Fprintf(b, "<tr><th scope=\"row\">%s</th><td>%s</td><td>%s</td><td>%s</td></tr>\n", htmlText(r.Place),
			htmlText(r.Word), htmlText(r.Reason), htmlText(r.Text))
	}
	b.WriteString("</tbody></table></div>\n")
	if n := t.count - len(t.plain); n > 0 {
		fmt.Fprintf(b, "<p>and %s more, which a script of this page would show</p>\n", wording.Number(uint64(n)))
	}
	b.WriteString("</noscript>\n")
}
