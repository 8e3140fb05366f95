package html

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"onmux/probe/wording"
	"onmux/report/phrase"
	"onmux/report/record"
)

// End writes all that stands in the page as text, and what draws the rest.
func (h *page) End(e record.End) error {
	if err := h.flushPort(); err != nil {
		return err
	}
	b := &h.table.buf
	h.header(e)
	b.WriteString("<main>\n")
	counts(b, e)
	h.writeViolations()
	h.passed.timeLine(b)
	h.passed.talkers(b)
	for _, s := range e.Summary.Zones {
		h.zones.Zone(s.Zone)
	}
	h.zones.write(b)
	b.WriteString("<section id=\"services\" hidden></section>\n<section id=\"all\"><h2>" + h.heading() + "</h2>\n")
	if h.table.left > 0 {
		fmt.Fprintf(b, "<p class=\"gap\">%s more rows are not on this page; the counts have them. The formats json, "+
			"jsonl and csv have all of them.</p>\n", wording.Number(h.table.left))
	}
	h.table.plain(columnNames(h.start.Command))
	b.WriteString("</section>\n<section id=\"map\" hidden></section>\n<section id=\"rtt\" hidden></section>\n</main>\n")
	h.footer(e)
	var c columns
	for i := range h.table.all {
		c.add(&h.table.all[i])
	}
	b.WriteString("<script type=\"text/plain\" id=\"rows\">")
	if err := c.encode(b); err != nil {
		return err
	}
	fmt.Fprintf(b, "</script>\n<script>%s</script>\n</body>\n</html>\n", pageScript())
	return h.table.flush()
}

// heading is that of the table.
func (h *page) heading() string {
	switch h.start.Command {
	case "diff":
		return "What changed"
	case "check":
		return "Ports of this machine"
	case "verify":
		return "Rules"
	}
	return "What was found"
}

// columnNames are the headings of the table: where, word, reason, service or socket, text.
func columnNames(command string) [5]string {
	switch command {
	case "diff":
		return [5]string{"where", "change", "was", "", "is"}
	case "check":
		return [5]string{"port", "verdict", "reach", "address", "held by"}
	case "verify":
		return [5]string{"rule", "outcome", "found", "", ""}
	}
	return [5]string{"where", "state", "reason", "service", "what is there"}
}

// footer is how it was found out: the command, the method, what was and was not looked at.
func (h *page) footer(e record.End) {
	b := &h.table.buf
	b.WriteString("<footer>\n<h2>How this was found out</h2>\n<dl>\n")
	line := func(name, value string) {
		if value != "" {
			b.WriteString("<dt>" + name + "</dt><dd>" + htmlText(value) + "</dd>\n")
		}
	}
	if len(h.start.Args) > 0 {
		line("command", phrase.CommandOf(h.start))
	}
	line("on", h.start.Host)
	var methods []string
	for _, proto := range slices.Sorted(maps.Keys(h.start.Method)) {
		methods = append(methods, proto+" by "+h.start.Method[proto])
	}
	line("method", strings.Join(methods, ", "))
	if !h.start.Started.IsZero() {
		line("started", h.start.Started.UTC().Format(time.DateTime)+" UTC")
	}
	if e.Summary.Duration > 0 {
		line("took", phrase.Duration(time.Duration(e.Summary.Duration)))
	}
	line(
		"figures",
		strings.ReplaceAll(strings.Join(phrase.Figures(e.Summary, h.start.Command), "; "), phrase.NoBreak, " "),
	)
	if c := e.Summary.Controls; c != nil {
		line("controls", strings.ReplaceAll(phrase.Controls(c), phrase.NoBreak, " "))
	}
	b.WriteString("</dl>\n")
	controlStrip(b, e.Summary.Controls)
	if len(e.Coverage) > 0 || len(e.Hints) > 0 {
		b.WriteString("<h3>What was and was not looked at</h3>\n<ul>\n")
		for _, s := range e.Coverage {
			b.WriteString("<li>" + htmlText(s) + "</li>\n")
		}
		for _, s := range e.Hints {
			b.WriteString("<li>hint: " + htmlText(s) + "</li>\n")
		}
		b.WriteString("</ul>\n")
	}
	fmt.Fprintf(b, "<p>onmux %s, %s</p>\n</footer>\n", htmlText(h.start.Version), htmlText(record.Schema))
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
	fmt.Fprintf(&h.table.buf, "<header>\n<p class=\"badge %s\">%s</p>\n<h1>onmux %s: %s</h1>\n",
		class, badge, htmlText(h.start.Command), htmlText(head))
	if len(h.start.Args) > 0 {
		h.table.buf.WriteString("<p class=\"command\"><code>" + htmlText(phrase.CommandOf(h.start)) + "</code></p>\n")
	}
	h.table.buf.WriteString("<p class=\"meta\">")
	parts := []string{h.start.Started.UTC().Format(time.DateTime) + " UTC"}
	if h.start.Host != "" {
		parts = append([]string{"from " + h.start.Host}, parts...)
	}
	if e.Summary.Duration > 0 {
		parts = append(parts, "took "+phrase.Duration(time.Duration(e.Summary.Duration)))
	}
	h.table.buf.WriteString(htmlText(strings.Join(parts, "; ")) + "</p>\n")
	if !e.Complete {
		h.table.buf.WriteString("<p class=\"gap\">This report is incomplete: what is not here was not found out.</p>\n")
	}
	h.table.buf.WriteString("</header>\n")
}

func counts(b *bytes.Buffer, e record.End) {
	b.WriteString("<ul class=\"counts\">\n")
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
	rows, first, listed := foldAlike(h.violations)
	violationTable(b, rows[:first])
	if first < len(rows) {
		fmt.Fprintf(b, "<details><summary>and %s more</summary>\n", wording.Number(uint64(h.violated-listed)))
		violationTable(b, rows[first:])
		b.WriteString("</details>\n")
	}
	if n := h.violated - len(h.violations); n > 0 {
		fmt.Fprintf(b, "<p class=\"gap\">%s more are not on this page</p>\n", wording.Number(uint64(n)))
	}
	b.WriteString("</section>\n")
}

// foldAlike makes one row of many violations that are alike. The first rows are listed at once,
// and are about so many of them.
func foldAlike(all []record.Violation) (rows []record.Violation, first, listed int) {
	for _, alike := range phrase.Alike(all) {
		if n := len(alike); n > phrase.FewAlike {
			v := alike[0]
			v.What = phrase.Places(alike)
			alike = []record.Violation{v}
			if len(rows) < phrase.MaxListed {
				listed += n - 1
			}
		}
		for _, v := range alike {
			if rows = append(rows, v); len(rows) <= phrase.MaxListed {
				first, listed = first+1, listed+1
			}
		}
	}
	return rows, first, listed
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

// plain is the table for readers that run no scripts, which the page's own replaces.
func (t *rows) plain(names [5]string) {
	if len(t.all) == 0 {
		return
	}
	b := &t.buf
	b.WriteString("<div id=\"plain\">\n<div class=\"wide\"><table class=\"cards\">\n<thead><tr>")
	for i, name := range names {
		if name != "" {
			fmt.Fprintf(b, "<th scope=\"col\">%s</th>", names[i])
		}
	}
	b.WriteString("</tr></thead>\n<tbody>\n")
	for _, r := range t.all[:min(len(t.all), plainRows)] {
		fmt.Fprintf(b, "<tr><th scope=\"row\">%s</th>", htmlText(r.Place+record.From(r.Zone)))
		for i, cell := range []string{r.Word, r.Reason, r.Name, r.Text} {
			if name := names[i+1]; name != "" {
				fmt.Fprintf(b, "<td data-name=\"%s\">%s</td>", name, htmlText(cell))
			}
		}
		b.WriteString("</tr>\n")
	}
	b.WriteString("</tbody></table></div>\n")
	if n := len(t.all) - plainRows; n > 0 {
		fmt.Fprintf(b, "<p>and %s more, which a script of this page would show</p>\n", wording.Number(uint64(n)))
	}
	b.WriteString("</div>\n")
}
