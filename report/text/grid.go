package text

import (
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"onmux/report/phrase"
)

const (
	gutter   = 2  // columns between two columns of a grid
	narrowed = 12 // a last column of fewer columns is no use
	ample    = 32 // with fewer left for the last one, soft columns give way
)

// heading is a grid's column.
type heading struct {
	name  string
	right bool // its cells are numbers
	soft  bool // its cells may be broken at spaces when the width is short
}

// grid writes rows under headings. The last column wraps within the width; if
// too little is left for it, every row becomes a line instead.
func (c *canvas) grid(indent int, headings []heading, rows [][]span) {
	if c.ascii {
		rows = slices.Clone(rows)
		for i, row := range rows {
			rows[i] = c.asciiOnly(row)
		}
	}
	last := len(headings) - 1
	room := c.last(indent, headings, rows)
	if c.width > 0 && room < min(ample, text.LongestLineLen(lastCells(rows))) {
		rows = soften(headings, rows)
		room = c.last(indent, headings, rows)
	}
	if c.width > 0 && room < max(narrowed, longest(rows)) {
		for _, row := range rows {
			c.line(indent, indent+gutter, join(row)...)
		}
		return
	}
	w := table.NewWriter()
	w.SetStyle(table.Style{
		Box:     table.BoxStyle{PaddingRight: strings.Repeat(" ", gutter)},
		Options: table.OptionsNoBordersAndSeparators,
	})
	configs := make([]table.ColumnConfig, len(headings))
	head := make(table.Row, len(headings))
	for i, h := range headings {
		head[i] = c.paint(span{h.name, faint})
		configs[i].Number = i + 1
		if h.right {
			configs[i].Align, configs[i].AlignHeader = text.AlignRight, text.AlignRight
		}
	}
	w.SetColumnConfigs(configs)
	w.AppendHeader(head)
	for _, row := range rows {
		cells := make(table.Row, len(row))
		for i, s := range row {
			cells[i] = c.paint(s)
		}
		if c.width > 0 {
			cells[last] = c.fill(row[last], room)
		}
		w.AppendRow(cells)
	}
	for line := range strings.Lines(w.Render()) {
		c.out.WriteString(strings.Repeat(" ", indent) + strings.TrimRight(line, " \n") + "\n")
	}
}

// soften breaks the cells of soft columns at every place that saves columns.
func soften(headings []heading, rows [][]span) [][]span {
	out := make([][]span, len(rows))
	for i, row := range rows {
		out[i] = slices.Clone(row)
	}
	for i, h := range headings {
		width := phrase.Columns(h.name)
		for _, row := range rows {
			for _, w := range strings.Split(row[i].text, " ") {
				width = max(width, phrase.Columns(w))
			}
		}
		for _, row := range out {
			if h.soft {
				row[i].text = new(canvas).fill(row[i], width)
			}
		}
	}
	return out
}

// lastCells are the cells of the last column, a line each.
func lastCells(rows [][]span) string {
	var lines []string
	for _, row := range rows {
		lines = append(lines, row[len(row)-1].text)
	}
	return strings.Join(lines, "\n")
}

// longest is the widest word of the last column, as far as it should not be
// broken.
func longest(rows [][]span) int {
	width := 0
	for _, row := range rows {
		for _, w := range strings.Split(row[len(row)-1].text, " ") {
			width = max(width, phrase.Columns(w))
		}
	}
	return min(width, ample)
}

// fill breaks a cell into lines of so many columns. The table's own wrapping
// does not count wide characters right.
func (c *canvas) fill(s span, room int) string {
	cell := canvas{width: room, paints: c.paints}
	cell.line(0, 0, s)
	return strings.TrimSuffix(cell.out.String(), "\n")
}

// last is how many columns the widest cells of all other columns leave for the
// last one.
func (c *canvas) last(indent int, headings []heading, rows [][]span) int {
	room := c.width - indent
	for i, h := range headings[:len(headings)-1] {
		widest := phrase.Columns(h.name)
		for _, row := range rows {
			widest = max(widest, text.LongestLineLen(row[i].text))
		}
		room -= widest + gutter
	}
	return room
}

// join puts the cells of a row into one line.
func join(row []span) []span {
	var out []span
	for _, s := range row {
		s.text = strings.ReplaceAll(s.text, "\n", " ")
		if s.text == "" {
			continue
		}
		if len(out) > 0 {
			out = append(out, span{"  ", plain})
		}
		out = append(out, s)
	}
	return out
}
