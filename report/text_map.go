package report

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"onmux/probe"
)

// Bounds of the networks that are drawn: a few addresses need no map, and more
// than a /22 has are for a page (html).
const (
	leastDrawn = 16
	mostDrawn  = 1024
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

// sky is what a map is drawn from: for each address the strongest that is known of
// any of its ports, as an index of mapSigns.
type sky struct {
	cells map[netip.Addr]int
	large bool // more than a map has room for
}

func (s *sky) add(first, last netip.Addr, state probe.State) {
	rank := slices.IndexFunc(mapSigns, func(m mapSign) bool { return m.state == state })
	for a := first; rank >= 0 && !s.large && a.IsValid() && a.Compare(last) <= 0; a = a.Next() {
		if s.cells == nil {
			s.cells = make(map[netip.Addr]int)
		}
		if known, ok := s.cells[a]; !ok || rank < known {
			s.cells[a] = rank
		}
		if len(s.cells) > mostDrawn {
			s.large, s.cells = true, nil
		}
	}
}

// draws reports whether a map can be of use to who reads.
func (e *endpoints) draws() bool {
	return e.command == "scan" && e.width > 0 && e.Verbosity != Quiet
}

// drawMap draws a cell for each address, row by row from the lowest.
func (e *endpoints) drawMap() {
	cells := e.sky.cells
	used := make(map[int]bool)
	for _, rank := range cells {
		used[rank] = true
	}
	if len(cells) < leastDrawn || len(used) < 2 { // that all are alike was said
		return
	}
	all := slices.SortedFunc(maps.Keys(cells), netip.Addr.Compare)
	across, label := 64, 0
	for ; across >= leastDrawn; across /= 2 {
		label = 0
		for i := 0; i < len(all); i += across {
			label = max(label, columns(Visible(all[i].String())))
		}
		if label+2+across <= e.width {
			break
		}
	}
	if across < leastDrawn {
		return
	}
	if len(e.fold.rows) == 0 { // otherwise a blank line is there
		e.out.WriteByte('\n')
	}
	for row := range slices.Chunk(all, across) {
		name := pad(Visible(row[0].String()), label+2)
		e.line(0, 0, append([]span{{strings.ReplaceAll(name, " ", glue), faint}}, e.mapRow(row)...)...)
	}
	var legend []span
	for rank, m := range mapSigns {
		if used[rank] {
			legend = append(legend, span{strings.Repeat(glue, 2), plain}, e.mapCell(rank), span{glue + m.state.String() + " ", plain})
		}
	}
	e.line(label, label, legend...)
	e.out.WriteByte('\n')
}

// mapRow is a row of cells; neighbours that look alike are one piece.
func (e *endpoints) mapRow(row []netip.Addr) []span {
	var out []span
	for _, a := range row {
		cell := e.mapCell(e.sky.cells[a])
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
