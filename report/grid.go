package report

import (
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

const (
	gutter   = 2  // columns between two columns of a grid
	narrowed = 16 // a last column of fewer columns is no use
)

// heading is a grid's column.
type heading struct {
	name  string
	right bool // its cells are numbers
}

// grid writes rows under headings. The last column wraps within the width; if
// too little is left for it, every row becomes a line instead.
func (c *canvas) grid(indent int, headings []heading, rows [][]span) {
	last := len(headings) - 1
	room := c.last(indent, headings, rows)
	if c.width > 0 && room < narrowed {
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
	if c.width > 0 {
		configs[last].WidthMax, configs[last].WidthMaxEnforcer = room, text.WrapSoft
	}
	w.SetColumnConfigs(configs)
	w.AppendHeader(head)
	for _, row := range rows {
		cells := make(table.Row, len(row))
		for i, s := range row {
			cells[i] = c.paint(s)
		}
		w.AppendRow(cells)
	}
	for line := range strings.Lines(w.Render()) {
		c.out.WriteString(strings.Repeat(" ", indent) + strings.TrimRight(line, " \n") + "\n")
	}
}

// last is how many columns the widest cells of all other columns leave for the
// last one.
func (c *canvas) last(indent int, headings []heading, rows [][]span) int {
	room := c.width - indent
	for i, h := range headings[:len(headings)-1] {
		widest := columns(h.name)
		for _, row := range rows {
			widest = max(widest, columns(row[i].text))
		}
		room -= widest + gutter
	}
	return room
}

// join puts the cells of a row into one line.
func join(row []span) []span {
	var out []span
	for _, s := range row {
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
