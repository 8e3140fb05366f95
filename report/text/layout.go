package text

import (
	"bytes"
	"strings"

	"github.com/fatih/color"

	"onmux/report/phrase"
)

// style is how a piece of a line stands out. It carries no meaning of its own.
type style uint8

const (
	plain style = iota
	faint       // what is of second interest
	strong
	yes   // something is there
	no    // nothing is there, definitely
	maybe // something is in the way, or holds what it doesn't use
	bad   // out of reach
	wrong // not known
	alarm // not as expected
)

var attributes = map[style][]color.Attribute{
	faint: {color.Faint}, strong: {color.Bold},
	yes: {color.FgGreen, color.Bold}, no: {color.FgCyan}, maybe: {color.FgYellow},
	bad: {color.FgRed}, wrong: {color.FgMagenta, color.Bold}, alarm: {color.FgRed, color.Bold},
}

// span is a piece of a line. Its text is fit to print: all that came from
// outside went through Visible.
type span struct {
	text  string
	style style
}

// canvas lays lines out: within a number of columns, in colours or without.
type canvas struct {
	width  int // 0: no limit
	ascii  bool
	paints map[style]*color.Color
	out    bytes.Buffer
	blank  bool // what was written before out ends in an empty line, or there is nothing
}

func newCanvas(width int, colored bool) *canvas {
	c := &canvas{width: max(width, 0), paints: make(map[style]*color.Color), blank: true}
	if colored {
		for s, a := range attributes {
			c.paints[s] = color.New(a...)
			c.paints[s].EnableColor()
		}
	}
	return c
}

// apart writes an empty line behind what was written, unless there is one.
func (c *canvas) apart() {
	if c.out.Len() == 0 && c.blank || bytes.HasSuffix(c.out.Bytes(), []byte("\n\n")) {
		return
	}
	c.out.WriteByte('\n')
}

func (c *canvas) paint(s span) string {
	s.text = strings.ReplaceAll(s.text, phrase.NoBreak, " ")
	if p := c.paints[s.style]; p != nil && s.text != "" {
		return p.Sprint(s.text)
	}
	return s.text
}

// line writes spans, indented. Where they are too long for the width they go on
// in lines that are indented by hang.
func (c *canvas) line(indent, hang int, spans ...span) {
	spans = c.asciiOnly(spans)
	if c.width == 0 && len(c.paints) == 0 { // into a file or pipe, where reports are large
		c.bare(indent, spans)
		return
	}
	if c.width > 0 && hang > c.width/2 {
		indent, hang = min(indent, 2), 2
	}
	if c.width > 0 && c.width < 8 {
		indent, hang = 0, 0
	}
	l := liner{canvas: c, hang: hang, gap: indent, empty: true}
	for _, w := range words(spans) {
		l.add(w)
	}
	l.flush()
	c.out.WriteByte('\n')
}

// asciiOnly are spans as the terminal shows them.
func (c *canvas) asciiOnly(spans []span) []span {
	if !c.ascii {
		return spans
	}
	out := make([]span, len(spans))
	for i, s := range spans {
		out[i] = span{phrase.ASCII(s.text), s.style}
	}
	return out
}

// bare writes a line that is neither broken nor painted.
func (c *canvas) bare(indent int, spans []span) {
	c.out.WriteString(phrase.Blanks(indent))
	for _, s := range spans {
		for before, after, glued := strings.Cut(s.text, phrase.NoBreak); ; before, after,
			glued = strings.Cut(after, phrase.NoBreak) {
			c.out.WriteString(before)
			if !glued {
				break
			}
			c.out.WriteByte(' ')
		}
	}
	c.out.Truncate(len(bytes.TrimRight(c.out.Bytes(), " "))) // no line ends in a space
	c.out.WriteByte('\n')
}

// word is what is not broken while it fits: spans with no space in them, and
// how many spaces stand before.
type word struct {
	gap   int
	spans []span
	width int
}

func words(spans []span) []word {
	all := []word{{}}
	for _, s := range spans {
		for i, part := range strings.Split(s.text, " ") {
			if i > 0 {
				if last := &all[len(all)-1]; len(last.spans) == 0 {
					last.gap++
				} else {
					all = append(all, word{gap: 1})
				}
			}
			if part != "" {
				last := &all[len(all)-1]
				last.spans = append(last.spans, span{part, s.style})
				last.width += phrase.Columns(part)
			}
		}
	}
	if len(all[len(all)-1].spans) == 0 {
		all = all[:len(all)-1]
	}
	return all
}

// liner fills lines with words.
type liner struct {
	*canvas
	hang  int
	gap   int    // spaces before the next word
	at    int    // columns filled
	run   []byte // not written yet: what follows may be of the same style
	style style  // of the run
	empty bool
}

func (l *liner) add(w word) {
	if !l.empty {
		l.gap = w.gap
	} else {
		l.gap += w.gap
	}
	if l.width > 0 && l.at+l.gap+w.width > l.width && !l.empty {
		l.wrap()
	}
	for _, s := range w.spans {
		for s.text != "" {
			room := l.width - l.at - l.gap
			head, rest := s.text, ""
			if l.width > 0 {
				head, rest = phrase.Cut(s.text, room)
				rest = strings.TrimLeft(rest, phrase.NoBreak)
			}
			if head == "" && l.at+l.gap > l.hang {
				l.wrap()
				continue
			} else if head == "" {
				head, rest = phrase.Cut(s.text, 2) // too narrow for this character
			}
			l.put(span{head, s.style})
			s.text = rest
		}
	}
}

// put writes a piece. Spaces at its end wait, as no line ends in one.
func (l *liner) put(s span) {
	whole := phrase.Columns(s.text)
	s.text = strings.TrimRight(s.text, phrase.NoBreak)
	gap := strings.Repeat(" ", l.gap)
	if s.style == l.style && !l.empty {
		l.run = append(append(l.run, gap...), s.text...)
	} else {
		l.flush()
		l.out.WriteString(gap)
		l.run, l.style = append(l.run, s.text...), s.style
	}
	written := phrase.Columns(s.text)
	l.at += l.gap + written
	l.gap, l.empty = whole-written, false
}

func (l *liner) flush() {
	l.out.WriteString(l.paint(span{string(l.run), l.style}))
	l.run = l.run[:0]
}

func (l *liner) wrap() {
	l.flush()
	l.out.WriteByte('\n')
	l.at, l.gap, l.empty = 0, l.hang, true
}
