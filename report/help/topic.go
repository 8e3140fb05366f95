package help

import (
	"embed"
	"io"
	"strings"
	"unicode/utf8"
)

//go:embed topics/*.md
var topicFiles embed.FS

// Topic is a page of help about more than one command.
type Topic struct {
	Name  string // as onmux help takes it
	Title string // in a line
	text  string // Markdown
}

// Topics are all topics, in the order of their names.
func Topics() []Topic {
	entries, err := topicFiles.ReadDir("topics")
	if err != nil {
		panic(err) // they are part of the program
	}
	var out []Topic
	for _, e := range entries {
		b, err := topicFiles.ReadFile("topics/" + e.Name())
		if err != nil {
			panic(err)
		}
		head, text, _ := strings.Cut(string(b), "\n")
		name, title, _ := strings.Cut(strings.TrimPrefix(head, "# "), " - ")
		out = append(out, Topic{Name: name, Title: title, text: text})
	}
	return out
}

// TopicOf finds one by its name.
func TopicOf(name string) (Topic, bool) {
	for _, t := range Topics() {
		if t.Name == name {
			return t, true
		}
	}
	return Topic{}, false
}

// topicWidth is how wide topics are, as the rest of the help.
const topicWidth = 80

// Write writes a topic as text.
func (t Topic) Write(w io.Writer) error {
	var b strings.Builder
	b.WriteString(fill("onmux "+t.Name+" - "+t.Title, topicWidth, 0, 4))
	all := blocks(t.text)
	for i, k := range all {
		if i == 0 || k.kind != item && k.kind != tableRow || all[i-1].kind != k.kind || k.first {
			b.WriteByte('\n')
		}
		switch k.kind {
		case paragraph:
			b.WriteString(fill(k.text, topicWidth, 0, 0))
		case heading:
			b.WriteString(fill(strings.ToUpper(k.text[:1])+k.text[1:]+":", topicWidth, 0, 4))
		case item:
			b.WriteString(fill("- "+k.text, topicWidth, 2, 4))
		case code:
			for l := range strings.SplitSeq(k.text, "\n") {
				b.WriteString(strings.TrimRight("  "+l, " ") + "\n")
			}
		case tableRow:
			writeRow(&b, all, i)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// termWidth is how wide the first column of a table of two may be.
const termWidth = 22

// writeRow writes a row: two columns side by side, and more below the first, each with its
// heading.
func writeRow(b *strings.Builder, all []block, i int) {
	head := i
	for !all[head].first {
		head--
	}
	row, names := all[i].cells, all[head].cells
	if len(row) > 2 {
		if i == head {
			return
		}
		b.WriteString(fill(row[0], topicWidth, 2, 4))
		for n := 1; n < len(row) && n < len(names); n++ {
			if row[n] != "" {
				b.WriteString(fill(names[n]+": "+row[n], topicWidth, 4, 6))
			}
		}
		return
	}
	if i == head || len(row) < 2 {
		return
	}
	width := 0
	for n := head + 1; n < len(all) && all[n].kind == tableRow && !all[n].first; n++ {
		width = max(width, min(utf8.RuneCountInString(all[n].cells[0]), termWidth))
	}
	text := fill(row[1], topicWidth, width+4, width+4)
	if n := utf8.RuneCountInString(row[0]); n > width {
		b.WriteString(fill(row[0], topicWidth, 2, 4) + text)
	} else {
		b.WriteString("  " + row[0] + strings.Repeat(" ", width-n+2) + strings.TrimLeft(text, " "))
	}
}
