package text

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"onmux/probe"
	"onmux/report/phrase"
	"onmux/report/record"
)

// Bounds of the networks that are drawn: a few addresses need no map, and more
// than a /22 has are for a page (html).
const (
	leastDrawn = 16
	mostDrawn  = 1024
	mostRows   = 64 // scattered addresses make more, which show nothing
)

type mapSign struct {
	state       probe.State
	sign, ascii string
}

// mapSigns are the states of an endpoint, the strongest evidence first, and how
// a cell of the map looks, also on a terminal that shows nothing but ASCII.
var mapSigns = []mapSign{
	{probe.Open, "█", "#"},
	{probe.Closed, "·", "."},
	{probe.OpenFiltered, "▒", "~"},
	{probe.Filtered, "░", "-"},
	{probe.Unreachable, "×", "x"},
	{probe.Unknown, "?", "?"},
}

// cells is what a map is drawn from: for each address the strongest that is known of
// any of its ports, as an index of mapSigns.
type cells struct {
	known map[netip.Addr]int
	large bool // more than a map has room for
}

func (c *cells) add(first, last netip.Addr, state probe.State) {
	rank := slices.IndexFunc(mapSigns, func(m mapSign) bool { return m.state == state })
	for a := first; rank >= 0 && !c.large && a.IsValid() && a.Compare(last) <= 0; a = a.Next() {
		if c.known == nil {
			c.known = make(map[netip.Addr]int)
		}
		if known, ok := c.known[a]; !ok || rank < known {
			c.known[a] = rank
		}
		if len(c.known) > mostDrawn {
			c.large, c.known = true, nil
		}
	}
}

// draws reports whether a map can be of use to who reads.
func (e *endpoints) draws() bool {
	return e.command == "scan" && e.width > 0 && e.Verbosity != record.Quiet
}

// drawMap draws a cell for each address. A row begins at a multiple of its length, and
// what was not asked is blank.
func (e *endpoints) drawMap() {
	cells := e.cells.known
	used := make(map[int]bool)
	for _, rank := range cells {
		used[rank] = true
	}
	if len(cells) < leastDrawn || len(used) < 2 { // that all are alike is written already
		return
	}
	across, label := 64, 0
	for across/2 >= max(leastDrawn, len(cells)) {
		across /= 2
	}
	var rows []netip.Addr
	for ; across >= leastDrawn; across /= 2 {
		rows, label = e.cells.rows(across), 0
		for _, first := range rows {
			label = max(label, phrase.Columns(phrase.Visible(first.String())))
		}
		if label+2+across <= e.width {
			break
		}
	}
	if across < leastDrawn || len(rows) > mostRows {
		return
	}
	if len(e.fold.rows) == 0 { // otherwise a blank line is there
		e.out.WriteByte('\n')
	}
	for _, first := range rows {
		name := phrase.Pad(phrase.Visible(first.String()), label+2)
		e.line(0, 0, append([]span{{strings.ReplaceAll(name, " ", phrase.NoBreak), faint}}, e.mapRow(first, across)...)...)
	}
	var legend []span
	for rank, m := range mapSigns {
		if used[rank] {
			legend = append(legend, span{strings.Repeat(phrase.NoBreak, 2), plain}, e.mapCell(rank), span{phrase.NoBreak + m.state.String() + " ", plain})
		}
	}
	e.line(label, label, legend...)
	e.out.WriteByte('\n')
}

// rows are where the rows of so many cells begin that have an address, the lowest first.
func (c *cells) rows(across int) []netip.Addr {
	first := make(map[netip.Addr]bool)
	for a := range c.known {
		b := a.AsSlice()
		b[len(b)-1] &^= byte(across - 1)
		start, _ := netip.AddrFromSlice(b)
		first[start.WithZone(a.Zone())] = true
	}
	return slices.SortedFunc(maps.Keys(first), netip.Addr.Compare)
}

// mapRow is a row of cells; neighbours that look alike are one piece.
func (e *endpoints) mapRow(first netip.Addr, across int) []span {
	var out []span
	blanks := 0
	for a := first; across > 0; a, across = a.Next(), across-1 {
		rank, asked := e.cells.known[a]
		if !asked {
			blanks++
			continue
		}
		cell := e.mapCell(rank)
		if blanks > 0 {
			out = append(out, span{strings.Repeat(phrase.NoBreak, blanks), plain})
			blanks = 0
		}
		if n := len(out); n > 0 && out[n-1].style == cell.style {
			out[n-1].text += cell.text
			continue
		}
		out = append(out, cell)
	}
	return out
}

func (e *endpoints) mapCell(rank int) span {
	m := mapSigns[rank]
	if e.ASCII {
		m.sign = m.ascii
	}
	return span{m.sign, tone(m.state.String())}
}
