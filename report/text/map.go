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

// mapSigns are the states of an endpoint, and how a cell of the map looks, also on a
// terminal that shows nothing but ASCII. Of several ports of an address the first state in
// this order shows: one that is closed hides none that may be filtered.
var mapSigns = []mapSign{
	{probe.Open, "█", "#"},
	{probe.Filtered, "░", "-"},
	{probe.Unreachable, "×", "x"},
	{probe.Unknown, "?", "?"},
	{probe.OpenFiltered, "▒", "~"},
	{probe.Closed, "·", "."},
}

// stateMaps draws a map of the addresses of a scan for each protocol.
type stateMaps struct {
	*base
	maps [2]stateMap // in the order of probe.Protos
}

// stateMap is a map of the addresses of a scan over one protocol. It keeps for each the
// first state of any of its ports, as an index of mapSigns.
type stateMap struct {
	*base
	known map[netip.Addr]int
	port  uint16 // the only one
	many  bool   // there are several ports
	large bool   // more than a map has room for
}

func (m *stateMaps) add(first, last netip.Addr, p probe.Port, state probe.State) {
	i := slices.Index(probe.Protos(), p.Proto)
	if i < 0 {
		return
	}
	c := &m.maps[i]
	c.base = m.base
	c.many = c.many || c.known != nil && c.port != p.Number
	c.port = p.Number
	c.add(first, last, state)
}

// draws reports whether a map can be of use to who reads.
func (m *stateMaps) draws() bool {
	return m.command == "scan" && m.width > 0 && m.Verbosity != record.Quiet
}

// draw writes a map for each protocol, with its name if there are two.
func (m *stateMaps) draw(apart bool) {
	for i, proto := range probe.Protos() {
		c := &m.maps[i]
		if c.base == nil {
			continue
		}
		name := ""
		if m.maps[0].base != nil && m.maps[1].base != nil {
			name = strings.ToUpper(proto.String())
		}
		apart = c.draw(apart, name) || apart
	}
}

func (c *stateMap) add(first, last netip.Addr, state probe.State) {
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

// draw writes a cell for each address, apart from what stands before, and reports whether there is
// a map. A row begins at a multiple of its length, and what was not probed is blank.
func (c *stateMap) draw(apart bool, name string) bool {
	cells := c.known
	used := make(map[int]bool)
	for _, rank := range cells {
		used[rank] = true
	}
	if len(cells) < leastDrawn || len(used) < 2 { // that all are alike is written already
		return false
	}
	across, label := 64, 0
	for across/2 >= max(leastDrawn, len(cells)) {
		across /= 2
	}
	var rows []netip.Addr
	for ; across >= leastDrawn; across /= 2 {
		rows, label = c.rows(across), 0
		for _, first := range rows {
			label = max(label, phrase.Columns(phrase.Visible(first.String())))
		}
		if label+2+across <= c.width {
			break
		}
	}
	if across < leastDrawn || len(rows) > mostRows {
		return false
	}
	if apart {
		c.out.WriteByte('\n')
	}
	for _, first := range rows {
		name := phrase.Pad(phrase.Visible(first.String()), label+2)
		c.line(0, 0, append([]span{{strings.ReplaceAll(name, " ", phrase.NoBreak), faint}}, c.row(first, across)...)...)
	}
	var legend []span
	if name != "" {
		legend = append(legend, span{strings.Repeat(phrase.NoBreak, 2) + name, plain})
	}
	for rank, m := range mapSigns {
		if used[rank] {
			legend = append(legend, span{strings.Repeat(phrase.NoBreak, 2), plain}, c.cell(rank),
				span{phrase.NoBreak + m.state.String() + " ", plain})
		}
	}
	if c.many && len(used) > 1 {
		legend = append(legend, span{" (of several ports the first of these)", faint})
	}
	c.line(label, label, legend...)
	c.out.WriteByte('\n')
	return false // the next map is apart already
}

// rows are where the rows of so many cells begin that have an address, the lowest first.
func (c *stateMap) rows(across int) []netip.Addr {
	first := make(map[netip.Addr]bool)
	for a := range c.known {
		b := a.AsSlice()
		b[len(b)-1] &^= byte(across - 1)
		start, _ := netip.AddrFromSlice(b)
		first[start.WithZone(a.Zone())] = true
	}
	return slices.SortedFunc(maps.Keys(first), netip.Addr.Compare)
}

// row is a row of cells; neighbors that look alike are one piece.
func (c *stateMap) row(first netip.Addr, across int) []span {
	var out []span
	blanks := 0
	for a := first; across > 0; a, across = a.Next(), across-1 {
		rank, asked := c.known[a]
		if !asked {
			blanks++
			continue
		}
		cell := c.cell(rank)
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

func (c *stateMap) cell(rank int) span {
	m := mapSigns[rank]
	if c.ASCII {
		m.sign = m.ascii
	}
	return span{m.sign, tone(m.state.String())}
}
