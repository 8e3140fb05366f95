package text

import (
	"fmt"

	"onmux/probe"
	"onmux/probe/wording"
	"onmux/report/phrase"
	"onmux/report/record"
	"onmux/report/text/fold"
	"onmux/scan"
)

// end writes, of a scan, whether anything is open, and what the rest is.
func (e *endpoints) end(end record.End) {
	e.rest()
	e.zoned(end.Summary)
	if e.command != "probe" && e.open == 0 && (e.command == "scan" || !e.fold.Empty()) {
		e.nothing(end.Summary)
	}
	if !e.fold.Empty() {
		e.apart()
		e.everyZone("the same from every zone:")
	}
	if rows, more, endpoints := e.fold.Rows(); len(rows) > 0 {
		e.table(rows)
		if more > 0 {
			e.line(0, 2, span{fmt.Sprintf("and %s of %s (-v lists every record)", phrase.Count(more, "more row",
				"more rows"), phrase.Count(endpoints, "endpoint", "endpoints")), plain})
		}
	}
	for _, r := range e.fold.Remarks() {
		st := maybe
		if r.Kind == "error" {
			st = wrong
		}
		e.line(0, 2, span{r.Kind + ": ", st},
			span{fmt.Sprintf("%s (%s)", phrase.Visible(r.Text), phrase.Count(r.Count, "endpoint", "endpoints")), plain})
	}
	if !e.fold.Empty() {
		e.out.WriteByte('\n')
	}
	e.states.draw(e.fold.Empty())
}

// nothing writes that nothing is open, or only that nothing was found to be.
func (e *endpoints) nothing(s scan.Summary) {
	sentence := "nothing open"
	if s.NotReached+s.States[probe.OpenFiltered.String()]+s.States[record.Unknown] > 0 || s.Targets == 0 {
		sentence = "nothing found open"
	}
	line := []span{{sentence, strong}, {": " + phrase.Count(s.Targets, "endpoint", "endpoints"), plain}}
	for _, c := range phrase.Tallies(s.States) {
		line = append(line, span{", " + wording.Number(c.Count) + " ", plain}, span{phrase.Visible(c.Word),
			tone(c.Word)})
	}
	e.line(0, 2, line...)
}

func (e *endpoints) table(rows []*fold.Row) {
	headings := []heading{
		{name: "STATE"},
		{name: "PORT", soft: true},
		{name: "COUNT", right: true},
		{name: "REASON", soft: true},
		{name: "ADDRESSES"},
	}
	var cells [][]span
	for _, r := range rows {
		st := tone(r.State.String())
		if r.Reason == probe.NoNeighbor {
			st = faint
		}
		cells = append(cells, []span{{r.State.String(), st}, {r.Ports(), plain}, {wording.Number(r.Count), plain},
			{r.Why(), plain}, {}})
	}
	room := 100
	if e.width > 0 {
		if room = e.last(0, headings, soften(headings, cells)); room < narrowed {
			room = e.width - gutter
		}
	}
	for i, c := range cells {
		c[len(c)-1].text = rows[i].Addresses(room)
	}
	e.grid(0, headings, cells)
}
