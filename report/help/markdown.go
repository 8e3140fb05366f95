package help

import (
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"
)

// blockKind is a kind of block of the Markdown that topics are written in.
type blockKind int

const (
	paragraph blockKind = iota
	heading
	item // of a list
	code
	tableRow // of which the first of a table has the headings
)

// block is a part of a topic.
type block struct {
	kind  blockKind
	text  string   // without marks; of code, lines
	cells []string // of a row
	first bool     // of a table
}

// blocks reads paragraphs, headings (##, ###), lists (-), code between fences and tables:
// what topics are written in.
func blocks(text string) []block {
	var out []block
	var open *block // a paragraph or an item that may go on
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		l := lines[i]
		switch {
		case strings.HasPrefix(l, "```"):
			var body []string
			for i++; i < len(lines) && !strings.HasPrefix(lines[i], "```"); i++ {
				body = append(body, lines[i])
			}
			out, open = append(out, block{kind: code, text: strings.Join(body, "\n")}), nil
		case strings.TrimSpace(l) == "":
			open = nil
		case strings.HasPrefix(l, "#"):
			out, open = append(out, block{kind: heading, text: plainText(strings.TrimLeft(l, "# "))}), nil
		case strings.HasPrefix(l, "|"):
			if strings.HasPrefix(l, "|---") && len(out) > 0 { // below the headings
				out[len(out)-1].first = true
				continue
			}
			out, open = append(out, block{kind: tableRow, cells: cellsOf(l)}), nil
		case strings.HasPrefix(l, "- "):
			out = append(out, block{kind: item, text: plainText(l[2:])})
			open = &out[len(out)-1]
		case open != nil:
			open.text += " " + plainText(strings.TrimSpace(l))
		default:
			out = append(out, block{kind: paragraph, text: plainText(l)})
			open = &out[len(out)-1]
		}
	}
	return out
}

// cellsOf are the cells of a table's line, in which \| is a character.
func cellsOf(line string) []string {
	line = strings.ReplaceAll(strings.Trim(line, "|"), `\|`, "\x00")
	var out []string
	for cell := range strings.SplitSeq(line, "|") {
		out = append(out, strings.ReplaceAll(plainText(strings.TrimSpace(cell)), "\x00", "|"))
	}
	return out
}

var link = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\[([^\]]*)\]\(([^)]*)\)`) })

// plainText is text without its marks. Of links those to pages stay.
func plainText(s string) string {
	s = link().ReplaceAllStringFunc(s, func(l string) string {
		m := link().FindStringSubmatch(l)
		if strings.HasPrefix(m[2], "http") {
			return m[1] + " (" + m[2] + ")"
		}
		return m[1]
	})
	return strings.NewReplacer("**", "", "`", "").Replace(s)
}

// fill breaks a text into lines of a width: the first is indented by first, the others by rest.
func fill(text string, width, first, rest int) string {
	var b strings.Builder
	at := first
	b.WriteString(strings.Repeat(" ", first))
	for i, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case at+1+n > width:
			b.WriteString("\n" + strings.Repeat(" ", rest))
			at = rest
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += n
	}
	b.WriteByte('\n')
	return b.String()
}
