package passing

import (
	"strings"
	"time"

	"onmux/probe/wording"
	"onmux/report/phrase"
	"onmux/scan/wire"
)

// Table is what passes at present, in at most so many lines: the endpoints with the most flows, and
// in the last line the sums.
func Table(s wire.Standings, now time.Time, rows int) []string {
	if rows < 3 || s.Endpoints == 0 {
		return []string{sums(s, 0)}
	}
	top := s.Top[:min(len(s.Top), rows-2)]
	cells := [][]string{{"endpoint", "state", "flows", "sent", "received", "last", "service"}}
	for _, e := range top {
		cells = append(cells, []string{e.Endpoint.String(), e.State.String(), wording.Number(e.Flows), Bytes(e.Sent),
			Bytes(e.Received), since(e.Last, now), phrase.Visible(e.Service)})
	}
	widths := make([]int, len(cells[0]))
	for _, row := range cells {
		for i, cell := range row {
			widths[i] = max(widths[i], phrase.Columns(cell))
		}
	}
	var lines []string
	for _, row := range cells {
		var line strings.Builder
		for i, cell := range row {
			space := strings.Repeat(" ", widths[i]-phrase.Columns(cell))
			if i >= 2 && i <= 5 { // numbers
				line.WriteString(space + cell)
			} else {
				line.WriteString(cell + space)
			}
			line.WriteString("  ")
		}
		lines = append(lines, plainSpaces(strings.TrimRight(line.String(), " ")))
	}
	return append(lines, sums(s, s.Endpoints-len(top)))
}

// sums is the last line of the table.
func sums(s wire.Standings, more int) string {
	line := phrase.Count(uint64(s.Endpoints), "endpoint", "endpoints")
	if more > 0 {
		line = wording.Number(uint64(more)) + " more; " + line
	}
	return plainSpaces(line + ", " + connections(s.Flows) + ", " + phrase.Count(s.Packets, "packet", "packets"))
}

// since is how long ago a packet passed, in whole seconds: a finer number would change with every
// drawing.
func since(at, now time.Time) string {
	d := now.Sub(at).Truncate(time.Second)
	if d < time.Second {
		return "now"
	}
	return phrase.Duration(d) + " ago"
}

func plainSpaces(s string) string { return strings.ReplaceAll(s, phrase.NoBreak, " ") }
